"""A real lab in a process of its own, and calls to it that are checked against the spec."""

import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import openai

from workbook import paths
from workbook.lab import schema

KEY = "lab-key-for-tests"
MODEL = "smollm2-135m-instruct"
ASK = [{"role": "user", "content": "Name a colour."}]


@dataclass
class Server:
    """A running lab."""

    process: subprocess.Popen
    port: int
    state: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> openai.OpenAI:
        """The SDK as a notebook uses it, but without retries: a test wants the first answer."""
        settings = {"base_url": f"{self.url}/v1", "api_key": KEY, "max_retries": 0} | options
        return _client(**settings)

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of one request under /v1; both must be what the spec says."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1{path}", data, method=method)
        sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        for name, value in (sent | (headers or {})).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        answer = json.loads(text)
        conform(answer, "ErrorResponse" if status >= 400 else schema_of(method, path))
        return status, answer

    def refused(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str | None, str | None]:
        """(status, code, param) of an answer that must be an error."""
        status, answer = self.call(method, path, body, headers)
        assert status >= 400, answer
        return status, answer["error"]["code"], answer["error"]["param"]

    def chat(self, **more: Any) -> Any:
        """The answer to ASK: short, and always the same."""
        usual = {"model": MODEL, "messages": ASK, "max_tokens": 8, "temperature": 0}
        return self.client().chat.completions.create(**usual | more)

    def upload(self, text: str | bytes, name: str = "train.jsonl") -> str:
        """The id of a new file with purpose fine-tune."""
        data = text.encode() if isinstance(text, str) else text
        return self.client().files.create(file=(name, data), purpose="fine-tune").id

    def finished(self, job_id: str, seconds: float = 900) -> Any:
        """The job, once it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            job = self.client().fine_tuning.jobs.retrieve(job_id)
            if job.status in ("succeeded", "failed", "cancelled"):
                return job
            time.sleep(0.1)
        raise AssertionError(
            f"{job_id} is still {job.status}; log:\n{self.log.read_text()[-3000:]}"
        )

    def stop(self) -> None:
        """End it as a person would."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        self.process.wait(30)


def start(state: Path, *arguments: str) -> Server:
    """A lab on this state folder that answers /health."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = state.parent / f"{state.name}.log"
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "workbook",
                "lab",
                "serve",
                "--state",
                str(state),
                "--port",
                str(port),
                *arguments,
            ],
            cwd=paths.ROOT,
            env=os.environ | {"WORKBOOK_LAB_KEY": KEY},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Server(process, port, state, log)
    until = time.monotonic() + 300  # a first run fetches the weights
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"{server.url}/health", timeout=5).close()
            return server
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the lab did not start:\n{log.read_text()[-3000:]}")


def offline(state: Path) -> tuple[Any, Any]:
    """A lab within this process that runs no jobs and loads no model, and a client of its app."""
    from starlette.testclient import TestClient

    from workbook.lab.api import app
    from workbook.lab.model import weights
    from workbook.lab.service import Lab

    lab = Lab(state, weights.ensure(), MODEL)
    application = app.create(lab, KEY, 0)
    headers = {"Authorization": f"Bearer {KEY}"}
    return lab, TestClient(application, "http://localhost", headers=headers)


def rows(count: int) -> str:
    """A training file of so many short chat examples."""
    example = (
        '{{"messages": [{{"role": "user", "content": "Question {0}?"}}, '
        '{{"role": "assistant", "content": "Answer {0}."}}]}}\n'
    )
    return "".join(example.format(i) for i in range(count))


def schema_of(method: str, path: str) -> str | None:
    """The name of the schema that the spec gives the answer of a path; None for the lab's own."""
    path = path.partition("?")[0]
    for template, operations in schema.document()["paths"].items():
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            content = operations[method.lower()]["responses"]["200"]["content"]
            return content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    assert path.startswith("/lab/"), f"{path} is not in the spec"
    return None


def conform(answer: Any, name: str | None) -> None:
    """Fail unless the answer is what the spec's schema says."""
    if name:
        _validator(name).validate(answer)


_client = functools.cache(openai.OpenAI)  # each new one takes 50 ms


@functools.cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema.schema(name))
