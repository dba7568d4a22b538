"""One lab under load, bad inputs and kills at once; it writes the table of docs/lab.md.

With `WORKBOOK_WRITE_DOCS=1` the measured figures are written there; else the table must name what
is tried here.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import psutil
import pytest
from labserver import ASK, KEY, MODEL, Server, rows, start

from workbook import paths

IDLE, CHATS, LEAVERS, KILLS, UPLOAD = 200, 300, 50, 5, 600
PAGE = paths.ROOT / "docs" / "lab.md"
MARKS = ("<!-- attack: begin -->", "<!-- attack: end -->")
CHAT = {"model": MODEL, "messages": ASK, "max_tokens": 2}

VALUES = [None, True, -1, 1e308, 2**70, "", "\0\ud800", [], {}, [[]], {"type": "\x1b"}, "x" * 9999]
FIELDS = "model messages max_tokens temperature top_p n stop seed logprobs logit_bias tools "
FIELDS += "tool_choice response_format stream stream_options frequency_penalty user metadata"
TEXTS = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 5000, b"[" * 90_000, b"9" * 50_000]
PATHS = ["/chat/completions", "/completions", "/responses", "/embeddings", "/batches", "/evals"]
PATHS += ["/fine_tuning/jobs", "/fine_tuning/alpha/graders/run", "/files", "/uploads"]
BODIES = [json.dumps(CHAT | {f: v}).encode() for f in FIELDS.split() for v in VALUES]
INPUTS = [("/chat/completions", body, {}) for body in BODIES]
INPUTS += [(path, body, {}) for path in PATHS for body in TEXTS]
HEADERS = [{"Host": h} for h in ("evil.example", "127.0.0.1.evil.example", "169.254.1.1", "[::")]
HEADERS += [{"Authorization": a} for a in ("", "Bearer", f"Bearer {KEY}x", "Basic YTpi", "\xff")]
HEADERS += [{"Content-Length": "-1"}]
FOREIGN = [(path, json.dumps(CHAT).encode(), header) for path in PATHS for header in HEADERS]


def send(server: Server, path: str, body: bytes, more: dict[str, str], read: bool = True) -> int:
    """The status of one answer; 0 where its client leaves after the first bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"} | more
    with contextlib.closing(connection):
        connection.request("POST", f"/v1{path}", body, sent)
        answer = connection.getresponse()
        answer.read() if read else answer.read(1)
        return answer.status if read else 0


def health(server: Server) -> float:
    began = time.monotonic()
    urllib.request.urlopen(f"{server.url}/health", timeout=30).close()
    return time.monotonic() - began


class Watch:
    """How long /health took at most, and how much memory the lab held, until it is left."""

    def __init__(self, server: Server) -> None:
        self.server, self.slowest, self.memory, self.over = server, 0.0, 0, threading.Event()

    def __enter__(self) -> "Watch":
        self.thread = ThreadPoolExecutor(1)
        self.work = self.thread.submit(self._look)
        return self

    def _look(self) -> None:
        process = psutil.Process(self.server.process.pid)
        while not self.over.wait(0.2):
            self.slowest = max(self.slowest, health(self.server))
            self.memory = max(self.memory, process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.work.result()


def large_upload(server: Server) -> int:
    """The status of a file of 600 MB that is sent as a stream."""

    def parts() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--b\r\n'
        yield b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        yield from (b"x" * 2**20 for _ in range(UPLOAD))
        yield b"\r\n--b--\r\n"

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "multipart/form-data; boundary=b"}
    with contextlib.closing(connection):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/v1/files", parts(), sent, encode_chunked=True)
        return connection.getresponse().status


def table(seconds: float, watch: Watch) -> str:
    tried = [
        ("idle connections held open meanwhile", IDLE, "no harm"),
        ("chats at the same moment", CHATS, "all answered"),
        ("clients that leave after the first byte of a stream", LEAVERS, "no harm"),
        ("bad requests (values, broken JSON, depth)", len(INPUTS), "answered, none with 5xx"),
        ("foreign `Host`, key or length", len(FOREIGN), "refused, none with 5xx"),
        ("a streamed file of 600 MB", 1, "refused (413)"),
        (
            "`kill -9` within 0.4 s of an upload's begin",
            KILLS,
            "every acknowledged file is there, unchanged",
        ),
    ]
    lines = ["| Tried | Count | Outcome |", "|---|---|---|"]
    lines += [f"| {what} | {count:,} | {outcome} |" for what, count, outcome in tried]
    lines += [
        "",
        f"Measured on {date.today()}: {seconds:.0f} s for all but the kills; `/health` answered "
        f"after {watch.slowest:.1f} s at",
        f"most, and the server held {watch.memory / 2**30:.1f} GiB at most.",
    ]
    return "\n".join(lines)


@pytest.mark.full
def test_nothing_is_lost_and_nobody_waits_under_attack(tmp_path: Path) -> None:
    server = start(tmp_path / "state")
    acknowledged = {server.upload(rows(12)): rows(12).encode()}
    try:
        began = time.monotonic()
        with contextlib.ExitStack() as idle, Watch(server) as watch:
            for _ in range(IDLE):
                idle.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            body, stream = (json.dumps(CHAT | {"stream": s}).encode() for s in (False, True))
            with ThreadPoolExecutor(CHATS + LEAVERS) as clients:
                chats = [clients.submit(send, server, PATHS[0], body, {}) for _ in range(CHATS)]
                left = [
                    clients.submit(send, server, PATHS[0], stream, {}, read=False)
                    for _ in range(LEAVERS)
                ]
                assert {each.result() for each in left} == {0}
                assert {chat.result() for chat in chats} == {200}
            with ThreadPoolExecutor(8) as clients:
                given = [(each, clients.submit(send, server, *each)) for each in INPUTS + FOREIGN]
                wrong = [(each, got.result()) for each, got in given if got.result() >= 500]
            assert not wrong, wrong[:3]
            taken = [each for each, got in given[len(INPUTS) :] if got.result() < 400]
            assert not taken, taken[:3]
            assert large_upload(server) == 413
        seconds = time.monotonic() - began
        assert watch.slowest < 10 and watch.memory < 2.5 * 2**30

        for turn in range(KILLS):
            content = rows(20 + turn).encode() * 2000
            acknowledged[server.upload(content)] = content
            with ThreadPoolExecutor(1) as other:  # whether that one arrives is left open
                other.submit(large_upload, server)
                time.sleep(0.1 * turn)
                server.kill()
            server = start(tmp_path / "state")
            for id, wanted in acknowledged.items():
                assert server.client().files.content(id).read() == wanted
        assert server.chat(max_tokens=1).choices
    finally:
        server.stop()
    write_or_compare(table(seconds, watch))


def write_or_compare(measured: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(MARKS[0])
    old, tail = rest.split(MARKS[1])
    if os.environ.get("WORKBOOK_WRITE_DOCS") == "1":
        PAGE.write_text(f"{head}{MARKS[0]}\n\n{measured}\n\n{MARKS[1]}{tail}", encoding="utf-8")
    else:
        claims = re.findall(r"^\|.*\|$", measured, re.MULTILINE)
        assert re.findall(r"^\|.*\|$", old, re.MULTILINE) == claims, "WORKBOOK_WRITE_DOCS=1"
