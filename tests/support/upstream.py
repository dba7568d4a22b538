"""A host that bills: it answers OpenAI's calls with lengths of its own choice, and keeps its bill.

Counts as a host would, without the budget's code: the prompt by the vocabulary, answers up to the
limits of the request, each choice and prompt for itself, dearer settings at their dearer price. It
loses answers after billing them, and says what was used in every form there is.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from workbook.prices import registry, tokens

GREATEST = 16_384  # tokens of an answer without a limit


class Upstream(ThreadingHTTPServer):
    """The host; `plan` says how each answer turns out: (its length as a share, its outcome)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.plan: Iterator[tuple[float, str]] = iter(())
        self.bill = 0.0
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self.client: Any = None  # whatever calls it, kept for many budgets

    def charge(self, body: dict[str, Any], share: float, factor: float = 1.0) -> dict[str, int]:
        """Work on a request and bill it; the value is its usage."""
        model = registry.get(body["model"])
        prompt, completion = sizes(body, share)
        if body.get("service_tier") == "priority":
            factor *= 2
        usd = prompt * model.price("input") + completion * model.price("output")
        with self.lock:
            self.bill += usd * factor / 1e6
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }


def sizes(body: dict[str, Any], share: float) -> tuple[int, int]:
    """Tokens of a request, and of the answers that it gets."""
    texts = body.get("messages") or body.get("prompt") or body.get("input") or ""
    if isinstance(texts, list) and texts and isinstance(texts[0], dict):
        prompt = tokens.count_chat(texts, body["model"])
    elif isinstance(texts, list) and texts and isinstance(texts[0], int):
        prompt = len(texts)
    else:
        listed = [texts] if isinstance(texts, str) else texts
        prompt = sum(tokens.count(text, body["model"]) for text in listed)
    prompt += sum(
        tokens.count(body[key], body["model"]) for key in ("suffix", "instructions") if key in body
    )
    if body.get("tools"):
        prompt += tokens.count(json.dumps(body["tools"], ensure_ascii=False), body["model"])
    limits = [
        body[k] for k in ("max_completion_tokens", "max_tokens", "max_output_tokens") if body.get(k)
    ]
    limit = max((abs(int(each)) for each in limits), default=GREATEST)
    choices = max(body.get("n") or 1, body.get("best_of") or 1)
    prompts = (
        len(texts) if isinstance(body.get("prompt"), list) and isinstance(texts[0], str) else 1
    )
    rejected = 0
    if body.get("prediction"):
        rejected = tokens.count(body["prediction"]["content"], body["model"])
    return prompt, int(share * limit) * choices * prompts + rejected


class Answers(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.split("/")[3]
        if self.path.endswith("/content"):
            self._send(self.server.files[name])
        else:
            self._json(self.server.objects[self.path.split("/")[-1]])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        share, outcome = next(self.server.plan, (0.5, "answer"))
        if outcome == "429":
            return self._json({"error": {"message": "slow"}}, 429)
        if self.path.endswith("/batches"):
            return self._batch(body, share)
        usage = self.server.charge(body, share)
        if outcome == "lost":
            self.close_connection = True
            return None
        if outcome == "500":
            return self._json({"error": {"message": "oh"}}, 500)
        if self.path.endswith("/responses"):
            usage = {
                "input_tokens": usage["prompt_tokens"],
                "output_tokens": usage["completion_tokens"],
                "total_tokens": usage["total_tokens"],
            }
        said = {} if outcome == "silent" else {"usage": usage}
        if outcome == "nonsense":
            said = {"usage": {name: -count for name, count in usage.items()}}
        if body.get("stream"):
            return self._stream(body, said)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}, "text": ""}
        return self._json({"id": "c", "output": [], "choices": [choice]} | said)

    def _stream(self, body: dict[str, Any], said: dict[str, Any]) -> None:
        chunks: list[dict[str, Any]] = [{"id": "c", "choices": [{"index": 0, "delta": {}}]}]
        if self.path.endswith("/responses"):
            chunks = [{"type": "response.completed", "response": {"id": "r", "output": []} | said}]
        elif (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({"id": "c", "choices": []} | said)
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        self._send("".join(lines).encode(), kind="text/event-stream")

    def _batch(self, body: dict[str, Any], share: float) -> None:
        """Every row is worked on, at half price; then the batch has ended."""
        rows = [json.loads(line) for line in self.server.files[body["input_file_id"]].splitlines()]
        lines = []
        for row in rows:
            usage = self.server.charge(row["body"], share, 0.5)
            answer = {"status_code": 200, "body": {"usage": usage}}
            lines.append(json.dumps({"custom_id": row["custom_id"], "response": answer}))
        self.server.files["file-out"] = "\n".join(lines).encode()
        done = {"id": "batch_1", "object": "batch", **body, "output_file_id": "file-out"}
        self.server.objects["batch_1"] = done | {"status": "completed"}
        self._json(done | {"status": "validating", "output_file_id": None})

    def _json(self, body: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(body).encode(), status)

    def _send(self, data: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serve() -> Iterator[Upstream]:
    """The host, until the generator goes on."""
    server = Upstream()
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
