"""A server that answers as OpenAI would, and budgets around clients that call it.

Knows chat (whole, streamed, failing), one training file and one job.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
from openai.types.chat import ChatCompletion

from workbook import backends
from workbook.backends import Backend
from workbook.budget import Budget
from workbook.prices import costs

HELLO = [{"role": "user", "content": "Hello."}]
MODEL = "gpt-4o-mini-2024-07-18"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
REAL = costs.request_cost(MODEL, 1000, 10)  # USD of one answer
ROWS = [{"messages": [*HELLO, {"role": "assistant", "content": "Hi there."}]}] * 10


class Server(ThreadingHTTPServer):
    """The server, with what it answers and the paths that it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.paths: list[str] = []
        self.usage = USAGE
        self.more: dict = {}  # what else an answer says
        self.ending = threading.Event()  # ends the stream that never ends
        self.job = {
            "id": "ftjob-1",
            "object": "fine_tuning.job",
            "status": "running",
            "trained_tokens": None,
            "model": MODEL,
        }


class Answers(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.endswith("/content"):
            lines = "\n".join(json.dumps(row) for row in ROWS)
            self._send(lines.encode())
        else:
            self._json(200, self.server.job)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self.server.paths.append(self.path)
        content = body.get("messages", [{}])[0].get("content")
        if content == "fail":
            self._json(400, {"error": {"message": "no", "type": "x", "param": None, "code": None}})
        elif isinstance(content, str) and content.startswith("status "):
            error = {"message": "no", "type": "x", "param": None, "code": None}
            self._json(int(content.split()[1]), {"error": error})
        elif content == "hang up":
            self.close_connection = True
        elif content == "never end":
            chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.server.ending.wait(5)
        elif self.path.endswith("/jobs"):
            self._json(200, self.server.job)
        elif body.get("stream"):
            self._stream(body.get("stream_options") or {})
        else:
            message = {"role": "assistant", "content": "Hi there."}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            self._json(
                200, {"id": "c", "choices": [choice], "usage": self.server.usage} | self.server.more
            )

    def _stream(self, options: dict) -> None:
        chunks = [
            {"id": "c", "choices": [{"index": 0, "delta": {"content": word}}]}
            for word in ("Hi", " there", ".")
        ]
        if options.get("include_usage"):
            chunks.append({"id": "c", "choices": [], "usage": USAGE})
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        self._send("".join(lines).encode(), "text/event-stream")

    def _json(self, status: int, body: dict) -> None:
        self._send(json.dumps(body).encode(), "application/json", status)

    def _send(self, data: bytes, kind: str = "application/octet-stream", status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serve() -> Iterator[Server]:
    """The server, until the generator goes on."""
    server = Server()
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def backend(server: Server, name: str = "openai", model: str = MODEL) -> Backend:
    confirmed: list[str] = []
    client = (
        backends._guarded_client(confirmed)(
            api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0
        )
        if name != "lab"
        else openai.OpenAI(api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    )
    return Backend(name, model, client, confirmed)


def confirmed_budget(server: Server, usd: float = 1.0, **options) -> Budget:
    """A budget around the server, with a yes to a few calls."""
    budget = Budget(usd, backend(server), **options)
    budget.confirm("a few calls", 0.001)
    return budget


def ask(budget: Budget, content: str = "Hello.", **options) -> ChatCompletion:
    return budget.client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": content}],
        **({"max_completion_tokens": 100} | options),
    )
