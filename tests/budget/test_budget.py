"""The budget: it counts what was used, refuses what would exceed it, and never forgets."""

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest

from workbook import backends, confirm, paths
from workbook.backends import Backend
from workbook.budget import budget
from workbook.budget.budget import Budget, NotCountable, OverBudget
from workbook.errors import WorkbookError
from workbook.prices import costs, registry, tokens

HELLO = [{"role": "user", "content": "Hello."}]
MODEL = "gpt-4o-mini-2024-07-18"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
REAL = costs.request_cost(MODEL, 1000, 10)
ROWS = [{"messages": [*HELLO, {"role": "assistant", "content": "Hi there."}]}] * 10
FILE = "\n".join(json.dumps(row) for row in ROWS)


class Answers(BaseHTTPRequestHandler):
    """Chat (whole, streamed, failing), one file and one job, as OpenAI would answer."""

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.endswith("/content"):
            self._send(FILE.encode())
        else:
            self._json(200, self.server.job)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        self.server.seen.append(self.path)
        said = body.get("messages", [{}])[0].get("content")
        if said == "fail":
            self._json(400, {"error": {"message": "no", "type": "x", "param": None, "code": None}})
        elif said == "hang up":
            self.close_connection = True
        elif said == "never end":
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
            self._json(200, {"id": "c", "choices": [choice], "usage": self.server.usage})

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


@pytest.fixture
def server(home: Path) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.seen, server.usage, server.ending = [], USAGE, threading.Event()
    server.job = {
        "id": "ftjob-1",
        "object": "fine_tuning.job",
        "status": "running",
        "trained_tokens": None,
        "model": MODEL,
    }
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def backend(server: ThreadingHTTPServer, name: str = "openai", model: str = MODEL) -> Backend:
    confirmed: list[str] = []
    client = (
        backends._guarded_client(confirmed)(
            api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0
        )
        if name != "lab"
        else openai.OpenAI(api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    )
    return Backend(name, model, client, confirmed)


@pytest.fixture
def yes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every question is answered with yes; the value lists the questions."""
    asked: list[str] = []
    monkeypatch.setattr(confirm, "ask", lambda question, *_: asked.append(question) or "yes")
    return asked


def opened(server: ThreadingHTTPServer, usd: float = 1.0, **options) -> Budget:
    found = Budget(usd, backend(server), **options)
    found.confirm("a few calls", 0.001)
    return found


def ask(found: Budget, content: str = "Hello.", **options):
    return found.client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": content}],
        **({"max_completion_tokens": 100} | options),
    )


def test_a_call_is_counted_by_what_it_really_used(server, yes):
    found = opened(server)
    assert ask(found).choices[0].message.content == "Hi there."  # the answer is the real one
    assert (found.spent, found.held) == (pytest.approx(REAL), 0)
    assert found.left == pytest.approx(1 - REAL)
    assert "0.00016" in str(found)


def test_cached_tokens_cost_the_cached_price(server, yes):
    server.usage = USAGE | {"prompt_tokens_details": {"cached_tokens": 900}}
    found = opened(server)
    ask(found)
    assert found.spent == pytest.approx(costs.request_cost(MODEL, 1000, 10, cached_tokens=900))


def test_nothing_is_sent_before_the_confirmation(server, yes):
    found = Budget(1.0, backend(server))
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        ask(found)
    assert not server.seen and not found.entries
    found.confirm("one call", 0.01)
    assert "one call" in yes[0] and "$0.01" in yes[0]
    ask(found)
    assert len(server.seen) == 1


def test_the_backends_own_confirmation_counts(server, yes):
    """So that a notebook written for the plain client runs unchanged."""
    found = Budget(1.0, backend(server))
    found._backend.confirm("one call", 0.01)
    ask(found)
    assert found.spent == pytest.approx(REAL)


def test_a_plain_client_is_held_back_too(server, yes):
    plain = openai.OpenAI(api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_port}/v1")
    found = Budget(1.0, Backend("openai", MODEL, plain))
    with pytest.raises(WorkbookError, match="budget.confirm"):
        ask(found)
    assert not server.seen


def test_a_no_sends_nothing(server, monkeypatch):
    monkeypatch.setattr(confirm, "ask", lambda *_: "no")
    found = Budget(1.0, backend(server))
    with pytest.raises(WorkbookError, match="Not confirmed"):
        found.confirm("one call", 0.01)
    with pytest.raises(WorkbookError, match="Nothing was sent"):
        ask(found)
    assert not server.seen


def test_the_call_that_could_exceed_it_is_not_sent(server, yes):
    found = opened(server, usd=0.02)
    with pytest.raises(OverBudget, match="may cost .* of .0.02"):
        ask(found, max_completion_tokens=100_000)
    with pytest.raises(OverBudget):
        ask(found, max_completion_tokens=20_000, n=3)
    with pytest.raises(OverBudget):  # no limit: it may fill the model's window
        ask(found, max_completion_tokens=None)
    assert not server.seen and found.left == 0.02
    ask(found)


def test_an_estimate_that_does_not_fit_is_not_even_asked_about(server, yes):
    found = Budget(0.01, backend(server))
    with pytest.raises(OverBudget, match="may cost"):
        found.confirm("a job", costs.estimate([1000] * 100, MODEL))
    assert not yes


def test_it_holds_under_concurrency(server, yes):
    most = costs.request_cost(MODEL, 30, 1000)  # about what each call can cost
    server.usage = {"prompt_tokens": 10, "completion_tokens": 1000, "total_tokens": 1010}
    found = opened(server, usd=10.5 * most)

    def one(_: int) -> bool:
        try:
            ask(found, max_completion_tokens=1000)
            return True
        except OverBudget:
            return False

    with ThreadPoolExecutor(16) as pool:
        sent = sum(pool.map(one, range(40)))
    assert 5 <= sent == len(server.seen) < 40
    assert found.spent <= found.usd and found.held == 0


def test_it_holds_after_a_kernel_restart(server, yes):
    ask(opened(server))
    again = "from workbook.budget.budget import _Ledger; print(_Ledger('course').sums()[0])"
    done = subprocess.run(
        [sys.executable, "-c", again], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(REAL)
    later = Budget(1.0, backend(server))  # as a fresh kernel would
    assert later.spent == pytest.approx(REAL)
    with pytest.raises(WorkbookError, match="Nothing was sent"):  # and it asks again
        ask(later)
    smaller = opened(server, usd=1.1 * REAL + 0.001)
    with pytest.raises(OverBudget):
        ask(smaller, max_completion_tokens=2000)
    assert Budget(1.0, backend(server), name="another").spent == 0


HOLDING = """
from workbook.budget.budget import Entry, OverBudget, _Ledger
ledger, done = _Ledger("shared"), 0
for _ in range(10):
    try:
        ledger.hold(1.0, Entry("", "request", "m", 0.1, None, None, None, None, None))
        done += 1
    except OverBudget:
        pass
print(done)
"""


def test_it_holds_for_several_kernels_at_once(home):
    kernels = [
        subprocess.Popen([sys.executable, "-c", HOLDING], cwd=paths.ROOT, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert sum(int(kernel.communicate()[0]) for kernel in kernels) == 10


def test_a_stream_is_counted_when_it_has_been_read(server, yes):
    found = opened(server)
    stream = ask(found, stream=True, stream_options={"include_usage": True})
    assert found.spent == 0 and found.held > 0
    said = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    assert "".join(said) == "Hi there."
    assert (found.spent, found.held) == (pytest.approx(REAL), 0)


def test_a_stream_without_usage_is_counted_here(server, yes):
    found = opened(server)
    for _ in ask(found, stream=True):
        pass
    prompt = tokens.count_chat(HELLO, MODEL)
    answer = tokens.count("Hi there.", MODEL)
    assert found.spent == pytest.approx(costs.request_cost(MODEL, prompt, answer))


def test_a_stream_that_is_broken_off_keeps_its_money_aside(server, yes):
    found = opened(server)
    stream = found.client.with_streaming_response.chat.completions.create(
        model=MODEL, messages=HELLO, max_completion_tokens=100, stream=True
    )
    with stream:
        pass  # not one piece was read
    assert found.spent == 0 and found.held > 0
    before = found.held
    stream = ask(found, "never end", stream=True)
    assert next(iter(stream)).choices[0].delta.content == "Hi"
    stream.close()  # the server goes on, and bills what it makes
    server.ending.set()
    assert found.spent == 0 and found.held > before


def test_a_refused_call_costs_nothing_and_a_lost_one_may(server, yes):
    found = opened(server)
    with pytest.raises(openai.BadRequestError):
        ask(found, "fail")
    assert found.left == found.usd
    with pytest.raises(openai.APIConnectionError):
        ask(found, "hang up")
    assert found.spent == 0 and found.held > 0  # the server may have worked
    server.shutdown()
    server.server_close()
    before = found.held
    with pytest.raises(openai.APIConnectionError):
        ask(found)
    assert found.held == before  # it was never sent


def test_what_cannot_be_counted_is_refused(server, yes):
    found = opened(server)
    with pytest.raises(NotCountable, match="/embeddings"):
        found.client.embeddings.create(model="text-embedding-3-small", input="a")
    with pytest.raises(NotCountable, match="No model"):
        found.client.chat.completions.create(model="who-knows", messages=HELLO)
    with pytest.raises(NotCountable, match="image"):
        picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
        found.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": [picture]}]
        )
    assert not server.seen
    known = opened(server, name="known", like=registry.get(MODEL))
    known.client.chat.completions.create(model="who-knows", messages=HELLO, max_completion_tokens=5)
    assert known.spent == pytest.approx(REAL)


def test_a_job_is_held_at_its_high_estimate_and_settled_by_trained_tokens(server, yes):
    found = opened(server)
    found.client.fine_tuning.jobs.create(model=MODEL, training_file="file-1")
    one = tokens.count_example(ROWS[0], MODEL)
    billed = one * 10 * costs.default_epochs(10)
    assert found.held == pytest.approx(costs.training_cost(billed, 1, MODEL))
    [row] = found.compare()
    assert (row["tokens estimated"], row["trained_tokens"]) == (billed, None)
    server.job |= {"status": "succeeded", "trained_tokens": billed - 100}
    found.client.fine_tuning.jobs.retrieve("ftjob-1")
    assert found.held == 0
    assert found.spent == pytest.approx(costs.training_cost(billed - 100, 1, MODEL))
    [row] = found.compare()
    assert row["trained_tokens"] == billed - 100 and row["off by"].startswith("-")


def test_a_job_too_dear_is_not_created(server, yes):
    found = opened(server, usd=0.02)
    with pytest.raises(OverBudget):
        found.client.fine_tuning.jobs.create(
            model=MODEL,
            training_file="file-1",
            validation_file="file-2",
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50}}},
        )
    assert not server.seen


def test_a_failed_job_gives_its_money_back(server, yes):
    found = opened(server)
    found.client.fine_tuning.jobs.create(model=MODEL, training_file="file-1")
    server.job |= {"status": "failed"}
    found.client.fine_tuning.jobs.retrieve("ftjob-1")
    assert found.left == found.usd


def test_on_the_lab_it_counts_what_it_would_have_cost_elsewhere(server):
    like = registry.get(MODEL)
    lab = backend(server, "lab", registry.lab().id)
    found = Budget(0.000001, lab, like=like)  # counts, and refuses nothing
    found.client.fine_tuning.jobs.create(model=MODEL, training_file="file-1")
    found.client.chat.completions.create(
        model="ft:" + MODEL + ":me::1", messages=HELLO, max_completion_tokens=5
    )
    tuned = costs.request_cost(like.as_tuned(), 1000, 10)
    assert found.spent == pytest.approx(tuned) and found.held > 0
    assert "would have cost" in str(found)
    assert budget._cheapest_open().kind == "chat"


def test_strict_on_the_lab_refuses_without_asking(server):
    found = Budget(0.00001, backend(server, "lab"), like=registry.get(MODEL), strict=True)
    with pytest.raises(OverBudget):
        ask(found)


def test_the_client_is_the_same_kind_and_can_be_varied(server, yes):
    found = opened(server)
    plain = found._backend.client
    assert isinstance(found.client, type(plain)) and isinstance(found.client, openai.OpenAI)
    found.client.with_options(timeout=5).chat.completions.create(
        model=MODEL, messages=HELLO, max_completion_tokens=5
    )
    raw = found.client.chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, max_completion_tokens=5
    )
    assert raw.parse().id == "c" and found.spent == pytest.approx(2 * REAL)
    client = found.client
    del found, plain
    gc.collect()  # dropping what it was made from must not close its connections
    client.chat.completions.create(model=MODEL, messages=HELLO, max_completion_tokens=5)


@pytest.mark.parametrize("usd", [0, -1, float("nan"), float("inf")])
def test_a_budget_of_nothing_is_refused(server, usd):
    with pytest.raises(WorkbookError, match="holds nothing"):
        Budget(usd, backend(server))
