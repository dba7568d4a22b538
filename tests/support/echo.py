"""A server that answers chats with what was asked, counts them, and fails where it is told to."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai


class Echo(ThreadingHTTPServer):
    """Answers "echo TEXT"; `failing` texts get 400; `slow` seconds pass before each answer."""

    daemon_threads = True
    request_queue_size = 64  # of 5, some of 16 connections at once would wait a second

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: Counter[str] = Counter()
        self.failing: set[str] = set()
        self.slow = 0.0
        self.now = self.most = 0  # requests under way at the same time
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def client(self, kind: type = openai.OpenAI) -> "openai.OpenAI":
        return kind(base_url=self.url, api_key="none", max_retries=0)


class _Answers(BaseHTTPRequestHandler):
    server: Echo

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text, server = body["messages"][-1]["content"], self.server
        with server.lock:
            server.asked[text] += 1
            server.now += 1
            server.most = max(server.most, server.now)
        time.sleep(server.slow)
        with server.lock:
            server.now -= 1
        if text in server.failing:
            self._send(400, {"error": {"message": f"{text} is refused"}})
            return
        message = {"role": "assistant", "content": f"echo {text}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        self._send(200, {"id": "c", "object": "x", "choices": [choice], "usage": usage})

    def _send(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
