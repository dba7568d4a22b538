"""A host with many jobs: it answers the Studio's calls from lists that a test fills."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openai

from workbook.backends import Backend
from workbook.studio.host import Host


class StudioHost(ThreadingHTTPServer):
    """`jobs`, `events` and `checkpoints`, the newest first; `files` by id; `logprobs`.

    says: every answer
    refusal: what every call is refused with
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.jobs: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.models = ["base"]
        self.files: dict[str, bytes] = {}
        self.logprobs: list[dict[str, Any]] | None = None
        self.says = "{model} says: {question}"
        self.refusal: str | None = None
        self.calls: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []

    def host(self, name: str = "compatible") -> Host:
        """What the Studio calls it by."""
        url = f"http://127.0.0.1:{self.server_port}/v1"
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
        return Host(lambda: Backend(name, "base", client, ["agreed"]))


@contextmanager
def serving() -> Iterator[StudioHost]:
    """The host, stopped at the end."""
    server = StudioHost()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def job(number: int, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    """A job as OpenAI's API tells of it."""
    return {
        "id": f"ftjob-{number:04}",
        "object": "fine_tuning.job",
        "status": status,
        "model": "base",
        "created_at": 1_700_000_000 + number,
        "fine_tuned_model": f"ft:base:me::{number:04}" if status == "succeeded" else None,
        "training_file": "file-train",
        "validation_file": None,
        "result_files": [],
        "seed": 7,
        "hyperparameters": {"n_epochs": 3},
        "organization_id": "org",
        "error": None,
        "finished_at": None,
        "trained_tokens": None,
    } | more


def step(number: int, total: int, **figures: float) -> dict[str, Any]:
    """The event of a training step."""
    return {
        "id": f"event-{number}",
        "object": "fine_tuning.job.event",
        "created_at": 1_700_000_000 + number,
        "level": "info",
        "message": f"Step {number}/{total}",
        "type": "metrics",
        "data": {"step": number, "total_steps": total} | figures,
    }


class _Answers(BaseHTTPRequestHandler):
    server: StudioHost
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        url, server = urlsplit(self.path), self.server
        path = url.path.removeprefix("/v1")
        server.calls[path] += 1
        if server.refusal:
            self._refuse(server.refusal)
        elif path.startswith("/files/") and path.endswith("/content"):
            self._send(server.files.get(path.split("/")[2], b""), "application/octet-stream")
        elif path == "/files":
            self._page([{"id": id, "filename": id, "created_at": 1} for id in server.files], {})
        elif path == "/models":
            models = [{"id": name, "object": "model", "created": 1} for name in server.models]
            self._page(models, {})
        elif path.endswith("/events"):
            self._page(server.events, parse_qs(url.query))
        elif path.endswith("/checkpoints"):
            self._page(server.checkpoints, parse_qs(url.query))
        elif path == "/fine_tuning/jobs":
            self._page(server.jobs, parse_qs(url.query))
        else:
            [found] = [each for each in server.jobs if each["id"] == path.split("/")[-1]]
            self._send(json.dumps(found).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")
        if self.path.endswith(("/pause", "/resume", "/cancel")):
            self._refuse("Jobs go on here")
            return
        self.server.bodies.append(body)
        if self.path.endswith("/jobs"):
            self._send(json.dumps(job(len(self.server.bodies), "queued")).encode())
            return
        question = body["messages"][-1]["content"]
        words = self.server.says.format(model=body["model"], question=question)
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": words},
            "logprobs": self.server.logprobs and {"content": self.server.logprobs},
        }
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
        self._send(json.dumps({**head, "choices": [choice], "usage": usage}).encode())

    def _page(self, items: list[dict[str, Any]], query: dict[str, list[str]]) -> None:
        after, limit = query.get("after", [None])[0], int(query.get("limit", ["1000"])[0])
        ids = [each["id"] for each in items]
        start = ids.index(after) + 1 if after else 0
        part = items[start : start + limit]
        more = start + limit < len(items)
        self._send(json.dumps({"object": "list", "data": part, "has_more": more}).encode())

    def _refuse(self, message: str) -> None:
        self._send(json.dumps({"error": {"message": message}}).encode(), status=400)

    def _send(self, data: bytes, kind: str = "application/json", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
