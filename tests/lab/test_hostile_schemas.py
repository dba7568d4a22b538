"""Schemas that take too much, or that no answer gets to the end of: nobody waits for them."""

import asyncio
import contextvars
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
import tinybase
import torch
from labserver import KEY, MODEL, offline

from workbook.bounded_process import NobodyWaitsError
from workbook.lab.generation import structured_output
from workbook.lab.model import bases
from workbook.lab.model.grammar import GrammarError
from workbook.lab.serving import grammar_trial
from workbook.lab.serving.engine import Engine
from workbook.lab.serving.grammar_trial import TRIALS, BusyError, GrammarTrials
from workbook.lab.serving.types import Request

TOO_MUCH = {
    "a large multiple": {"type": "integer", "multipleOf": 9999991},
    "in a list": {"type": "array", "items": {"type": "integer", "multipleOf": 9999991}},
    "two multiples": {"allOf": [{"type": "integer", "multipleOf": n} for n in (9973, 9967)]},
    "many values": {"enum": [f"value {i}" for i in range(60_000)]},
    "a product": {
        "allOf": [
            {"anyOf": [{"properties": {f"{i} {j}": {"type": "string"}}} for i in range(10)]}
            for j in range(9)
        ]
    },
    "no end": {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
}
HARD = [
    {"type": "string", "pattern": "^(a{1,1000}){1,1000}$"},
    {"type": "string", "pattern": "^(a|b)*a(a|b){20}$"},
    {"type": "string", "pattern": "^[a-z]{3,200}[0-9]{1,200}$", "maxLength": 9},
    {"type": "string", "pattern": r"^\w{1,1000}$"},
    {"allOf": [{"type": "string", "pattern": p} for p in ("^.*a.{14}$", "^.*b.{13}$")]},
    {"type": "string", "format": "email", "maxLength": 9},
    {"type": "string", "minLength": 3, "maxLength": 1_000_000},
    {"type": "object", "properties": {f"k{i}": {"type": "string"} for i in range(200)}},
    {"anyOf": [{"type": "object", "properties": {f"k{i}": {}}} for i in range(300)]},
    {"type": "number", "minimum": 0.12345678901234, "maximum": 98765432109876.5},
    {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 900},
    {"type": "object", "patternProperties": {"^(a|b)*a(a|b){9}$": {"type": "integer"}}},
    {"type": "object", "minProperties": 2, "additionalProperties": {"type": "boolean"}},
]


def text(schema: dict) -> str:
    """The grammar of a schema, as `structured_output` makes it."""
    import llguidance

    return llguidance.LLMatcher.grammar_from_lark(f"start: {structured_output._json(schema)}")


@pytest.fixture(scope="module", autouse=True)
def less_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar_trial, "MOST_CPU", 0.5)
        yield


@pytest.fixture(scope="module")
def trials() -> Iterator[GrammarTrials]:
    trials = GrammarTrials()
    yield trials
    trials.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        patch.setenv("WORKBOOK_LAB_DEVICE", "cpu")
        engine = Engine(bases.add("tiny", tinybase.folder(folder / "hf")), dtype=torch.float32)
    yield engine
    engine.close()


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_takes_too_much_is_refused_and_leaves_no_process_at_work(
    trials, name: str, monkeypatch
) -> None:
    began = time.monotonic()
    assert trials.problem(text(TOO_MUCH[name]))
    assert time.monotonic() - began < grammar_trial.MOST_TIME
    assert trials.problem(text({"type": "boolean"})) == ""  # the next one has its turn
    monkeypatch.setattr(trials, "_try", lambda grammar: pytest.fail("it was not remembered"))
    assert trials.problem(text(TOO_MUCH[name]))


def test_a_refusal_says_where_and_what_to_do(tmp_path: Path) -> None:
    _, client = offline(tmp_path)
    schema = {"type": "object", "properties": {"a": TOO_MUCH["a large multiple"]}}
    function = {"name": "f", "parameters": schema}
    formats = {"json_schema": {"name": "n", "schema": schema}, "type": "json_schema"}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    for param, more in (
        ("response_format", {"response_format": formats}),
        ("tools", {"tools": [{"type": "function", "function": function}]}),
    ):
        for stream in (False, True):
            answer = client.post("/v1/chat/completions", json=body | more | {"stream": stream})
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (400, "invalid_schema")
            assert error["param"] == param and "too much time" in error["message"]
            assert "multipleOf" in error["message"]
    TRIALS.close()


def test_a_schema_or_tools_of_great_length_are_refused(tmp_path: Path) -> None:
    _, client = offline(tmp_path)
    long = {"type": "object", "properties": {f"property {i}": {} for i in range(20_000)}}
    formats = {"json_schema": {"name": "n", "schema": long}, "type": "json_schema"}
    small = {"type": "object", "properties": {f"p{i}": {} for i in range(500)}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": small}}] * 60
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    for more in ({"response_format": formats}, {"tools": tools}):
        answer = client.post("/v1/chat/completions", json=body | more)
        assert answer.status_code == 400 and "200,000 characters" in answer.text


def test_too_many_at_once_are_sent_away_and_hold_no_thread(trials, monkeypatch) -> None:
    for _ in range(grammar_trial.MOST_WAITING):
        trials._waiting.acquire()
    with pytest.raises(BusyError):
        trials.problem(text({"type": "string", "maxLength": 77}))
    for _ in range(grammar_trial.MOST_WAITING):
        trials._waiting.release()


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_a_trial_ends_when_its_client_leaves(tmp_path: Path, monkeypatch, path: str) -> None:
    monkeypatch.setattr(grammar_trial, "MOST_CPU", 300)
    monkeypatch.setattr(grammar_trial, "MOST_TIME", 300)
    _, client = offline(tmp_path)
    schema = {"type": "object", "properties": {"a": {"type": "integer", "multipleOf": 9999973}}}
    body: dict = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    formats: dict = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    if path == "responses":
        formats = {"format": {"type": "json_schema", "name": "n", "schema": schema}}
        body = {"model": MODEL, "input": "x", "text": formats}
    else:
        body["response_format"] = formats
    events = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
    scope = {"type": "http", "method": "POST", "path": f"/v1/{path}", "query_string": b""}
    headers = {"host": "localhost", "authorization": f"Bearer {KEY}"}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> dict:
        if events:
            return events.pop()
        while not TRIALS._process.is_busy:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None: ...

    async def leave() -> None:
        await client.app(scope, receive, send)
        while TRIALS._process.is_busy:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(leave(), 60))
    assert TRIALS.problem(text({"type": "boolean"})) == ""
    TRIALS.close()


def test_one_that_waits_for_its_turn_gives_up_with_its_client(trials: GrammarTrials) -> None:
    left, context = threading.Event(), contextvars.copy_context()
    context.run(grammar_trial.CLIENT_LEFT.set, left)
    with trials._process.turn(), ThreadPoolExecutor(1) as other:
        waiting = other.submit(
            context.run, trials.problem, text({"type": "string", "maxLength": 7})
        )
        left.set()
        assert isinstance(waiting.exception(10), NobodyWaitsError)


def test_a_schema_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    schema: dict = {"type": "string"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"a": schema}}
    formats = {"json_schema": {"name": "n", "schema": schema}, "type": "json_schema"}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    _, client = offline(tmp_path)
    answer = client.post("/v1/chat/completions", json=body | {"response_format": formats})
    assert answer.status_code == 400, answer.text
    TRIALS.close()


def test_a_grammar_that_takes_long_keeps_nobody_else_waiting(engine) -> None:
    slow = text({"type": "integer", "multipleOf": 99_991})
    held = [engine.submit(Request([5, 6, 7], 4, grammar=slow, seed=i)) for i in range(3)]
    began = time.monotonic()
    engine.submit(Request([5, 6, 7], 4, temperature=0)).result(60)
    assert not held[0].done() and time.monotonic() - began < 5
    held[1].cancel()  # its client has gone
    held[0].result(60)
    assert int(held[2].result(60).text[:1] or 1) >= 0


@pytest.mark.parametrize("schema", HARD, ids=lambda s: json.dumps(s)[:50])
def test_an_answer_that_ends_fits_its_schema_or_is_an_error(engine, trials, schema) -> None:
    grammar = text(schema)
    if trials.problem(grammar):
        return
    futures = [
        engine.submit(Request([5, 6, 7 + seed], 90, seed=seed, grammar=grammar))
        for seed in range(6)
    ]
    for future in futures:
        if isinstance(error := future.exception(60), GrammarError):
            assert "schema" in str(error)
        elif (answer := future.result()).finish_reason == "stop":
            jsonschema.validate(json.loads(answer.text), schema)


def test_a_matcher_that_gives_up_is_not_taken_for_one_at_its_end(engine) -> None:
    """As it does where an answer has grown its grammar beyond its bound."""
    many = [{"type": "object", "properties": {f"k{i}": {}}} for i in range(4000)]
    grammar = text({"anyOf": many})
    with pytest.raises(GrammarError, match="schema"):
        engine.submit(Request([5, 6, 7], 90, grammar=grammar)).result(60)
    answer = engine.submit(Request([5, 6, 7], 4, temperature=0)).result(60)
    assert answer.finish_reason == "length"
