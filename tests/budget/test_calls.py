"""What a budget that holds doesn't send: whatever could cost more than it can count."""

import dataclasses
import sqlite3
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from budgets import HELLO, MODEL, ask, backend, confirmed_budget

from workbook.backends import Backend
from workbook.budget import Budget, LedgerError, NotCountableError, OverBudgetError, calls, meter
from workbook.errors import WorkbookError
from workbook.prices import registry


@pytest.mark.parametrize(
    "setting",
    [
        {"service_tier": "priority"},
        {"service_tier": "scale"},
        {"prediction": {"type": "content", "content": "word " * 5000}},
        {"web_search_options": {}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"prompt_cache_options": {"mode": "explicit"}},
        {"extra_body": {"plugins": [{"id": "web"}]}},
        {"extra_body": {"max_completion_tokens": -1000}},
        {"max_completion_tokens": -1},
        {"max_completion_tokens": 0},
        {"max_completion_tokens": 1.5},
        {"max_completion_tokens": "5"},
        {"max_completion_tokens": True},
        {"n": -3},
        {"n": 0},
        {"tools": [{"type": "web_search"}]},
        {"messages": [{"role": "assistant", "audio": {"id": "a"}}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
    ],
    ids=str,
)
def test_a_setting_that_may_cost_more_is_not_sent(server, yes, setting: dict[str, Any]) -> None:
    budget = confirmed_budget(server)
    body = {"model": MODEL, "messages": HELLO, "max_completion_tokens": 5} | setting
    with pytest.raises(NotCountableError, match="Nothing was sent"):
        budget.client.chat.completions.create(**body)
    assert not server.paths and not budget.entries


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/images/generations", {"prompt": "a cat"}),
        ("/audio/speech", {"input": "a"}),
        ("/responses/compact", {"model": MODEL}),
        ("/threads", {}),
        ("/vector_stores", {}),
        ("/fine_tuning/alpha/graders/run", {}),
        ("/fine_tuning/jobs/ftjob-of-somebody/resume", {}),
        ("/chat/completions/files/", {"model": MODEL, "messages": HELLO}),
        ("/files/x/chat/completions", {"model": MODEL, "messages": HELLO}),
        ("/moderations/x", {}),
        ("/responses", {"model": MODEL, "input": [{"type": "item_reference", "id": "a"}]}),
        ("/responses", {"model": MODEL, "input": "a", "prompt": {"id": "pmpt_1"}}),
        ("/responses", {"model": MODEL, "input": "a", "tools": [{"type": "code_interpreter"}]}),
        ("/batches", {"input_file_id": "f", "completion_window": "1h"}),
        ("/fine_tuning/jobs", {"model": MODEL, "training_file": "f", "lora_r": 8}),
        ("http://127.0.0.1:1/v1/chat/completions", {"model": MODEL, "messages": HELLO}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_call_that_is_not_known_is_not_sent(server, yes, path: str, body: dict) -> None:
    budget = confirmed_budget(server)
    with pytest.raises(NotCountableError, match="Nothing was sent"):
        budget.client.post(path, body=body, cast_to=object)
    assert not server.paths


@pytest.mark.parametrize("part", ["files", "uploads", "moderations", "fine_tuning/jobs/x"])
def test_a_word_in_the_address_makes_no_call_free(server, yes, part: str) -> None:
    base = f"http://127.0.0.1:{server.server_port}/{part}/v1"
    plain = openai.OpenAI(api_key="sk-x", base_url=base, max_retries=0)
    budget = Budget(0.0001, Backend("openai", MODEL, plain, ["yes"]))
    with pytest.raises(OverBudgetError):
        ask(budget, max_completion_tokens=5000)
    ask(budget, max_completion_tokens=20)
    assert budget.spent > 0


def test_best_of_is_counted(server, yes) -> None:
    budget = confirmed_budget(server, usd=0.001, like=registry.get(MODEL))
    with pytest.raises(OverBudgetError):
        budget.client.completions.create(model="m", prompt="a", max_tokens=100, best_of=20)
    assert not server.paths


@pytest.mark.parametrize("usd", [float("nan"), float("inf"), -1.0])
def test_a_price_that_no_sum_can_be_made_with_is_refused(server, yes, usd: float) -> None:
    model = registry.get(MODEL)
    prices = tuple(dataclasses.replace(price, usd=usd) for price in model.prices)
    broken = dataclasses.replace(model, prices=prices)
    budget = confirmed_budget(server, like=broken, name="broken")
    with pytest.raises(NotCountableError, match="has a price of"):
        budget.client.chat.completions.create(model="m", messages=HELLO, max_completion_tokens=5)
    with pytest.raises(WorkbookError, match="no amount"):
        budget.confirm("a call", usd)
    assert not server.paths


def test_a_cheaper_stand_in_does_not_make_a_dear_model_cheap(server, yes) -> None:
    """On OpenAI each model that has a price keeps its own."""
    dear = "gpt-4o-2024-08-06"
    budget = confirmed_budget(server, usd=0.005, like=registry.get(MODEL))
    with pytest.raises(OverBudgetError):
        budget.client.chat.completions.create(
            model=dear, messages=HELLO, max_completion_tokens=1000
        )


def test_a_call_to_gpt_41_fits_into_five_dollars(server, yes) -> None:
    budget = confirmed_budget(server, usd=5.0)
    budget.client.chat.completions.create(model="gpt-4.1-2025-04-14", messages=HELLO)
    assert 0 < budget.spent < 0.01


def test_an_answer_in_a_dearer_class_ends_the_calls_that_do_not_name_theirs(server, yes) -> None:
    budget = confirmed_budget(server)
    server.more = {"service_tier": "priority"}
    ask(budget)
    assert budget.spent == 0 and budget.held > 0
    with pytest.raises(NotCountableError, match="service_tier='default'"):
        ask(budget)
    server.more = {"service_tier": "default"}
    ask(budget, service_tier="default")
    assert budget.spent > 0


@pytest.mark.parametrize(
    ("status", "kept"),
    [(429, False), (404, False), (503, False), (500, True), (502, True), (408, True)],
)
def test_a_failure_costs_what_the_host_may_have_worked(
    server, yes, status: int, kept: bool
) -> None:
    """And each attempt of the package's own retries counts, once."""
    budget = Budget(1.0, backend(server))
    budget.confirm("a few calls", 0.001)
    with pytest.raises(openai.APIStatusError):
        ask(budget, f"status {status}")
    assert (budget.held > 0) == kept
    before = len(server.paths), budget.held
    retrying = budget.client.with_options(max_retries=1)
    with pytest.raises(openai.APIStatusError):
        retrying.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"status {status}"}],
            max_completion_tokens=100,
        )
    attempts = len(server.paths) - before[0]
    assert budget.held - before[1] == pytest.approx(before[1] * attempts)
    assert budget.spent == 0


def test_what_goes_past_the_counted_connections_is_refused(server, yes) -> None:
    client = confirmed_budget(server).client
    with pytest.raises(WorkbookError, match="WebSocket"):
        client.responses.connect()
    with pytest.raises(WorkbookError, match="WebSocket"):
        client.realtime.connect(model="gpt-realtime")
    with pytest.raises(WorkbookError, match="http_client"):
        client.with_options(http_client=object())


def test_keys_that_stand_twice_are_not_sent(server, yes) -> None:
    """The server might take the other one."""
    raw = b'{"model": "%s", "messages": [], "max_tokens": 9000, "max_tokens": 1}' % MODEL.encode()
    request = openai.OpenAI(api_key="x")._client.build_request("POST", "http://a", content=raw)
    with pytest.raises(ValueError, match="stand once"):
        meter._body(request)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a/v1/chat/completions", "/chat/completions"),
        ("https://a/v1/chat/completions?api-version=1", "/chat/completions"),
        ("https://a/v1/deployments/mine/chat/completions", "/chat/completions"),
        ("https://a/v1x/chat/completions", None),
        ("https://b/v1/chat/completions", None),
    ],
)
def test_a_path_is_what_follows_the_clients_address(url: str, path: str | None) -> None:
    assert calls.path_below("https://a/v1/", url) == path


def test_a_ledger_that_breaks_after_the_call_does_not_lose_the_answer(server, yes) -> None:
    budget = confirmed_budget(server)

    def broken(*_: object) -> None:
        raise LedgerError("full")

    budget._ledger.settle = broken
    with pytest.warns(UserWarning, match="stays put aside"):
        assert ask(budget).choices[0].message.content == "Hi there."
    assert budget.held > 0 and len(server.paths) == 1


def test_hosting_is_put_aside_by_the_hour_and_its_calls_count(server, yes) -> None:
    plain = backend(server)
    budget = Budget(50.0, Backend("azure", MODEL, plain.client, plain._confirmed))
    budget.confirm("a deployment for a day", 40.8)
    tuned = "gpt-4o-2024-08-06.ft-0123abcd"
    with pytest.raises(NotCountableError, match="reserve_hosting"):
        budget.client.chat.completions.create(model=tuned, messages=HELLO)
    with pytest.raises(OverBudgetError, match="fewer hours"):
        budget.reserve_hosting("mine", "gpt-4o-2024-08-06", hours=48)
    budget.reserve_hosting("mine", "gpt-4o-2024-08-06", hours=24)
    assert budget.held == pytest.approx(24 * 1.70)


def test_a_ledger_is_a_file_of_its_own_or_a_sentence(server, yes, home) -> None:
    folder = home / "budgets"
    folder.mkdir()
    (folder / "text.sqlite").write_text("No ledger at all. " * 100)
    with sqlite3.connect(folder / "other.sqlite") as db:
        db.execute("CREATE TABLE entries (a TEXT)")
    (folder / "folder.sqlite").mkdir()
    for name in ("text", "other", "folder"):
        with pytest.raises(LedgerError, match=rf"{name}\.sqlite"):
            Budget(1.0, backend(server), name=name)
    assert (folder / "text.sqlite").read_text().startswith("No ledger")


def test_a_ledger_that_is_gone_is_not_made_anew_in_silence(server, yes, home) -> None:
    budget = confirmed_budget(server)
    ask(budget)
    (home / "budgets" / "course.sqlite").unlink()
    with pytest.raises(LedgerError, match="can't be written"):
        ask(budget)
    assert len(server.paths) == 1


def test_a_clock_that_jumps_changes_no_sum(server, yes, monkeypatch) -> None:
    budget = confirmed_budget(server)
    for year in (2026, 1999, 2051):
        moment = datetime(year, 1, 1, tzinfo=UTC)
        monkeypatch.setattr(meter, "datetime", SimpleNamespace(now=lambda _, at=moment: at))
        ask(budget)
    assert [entry.at[:4] for entry in budget.entries] == ["2026", "1999", "2051"]
    assert budget.spent == pytest.approx(3 * budget.entries[0].spent)


def test_a_ledger_that_is_read_only_sends_nothing_and_says_so(server, yes, monkeypatch) -> None:
    budget = confirmed_budget(server)
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda address, **o: connect(address.replace("=rw", "=ro"), **o)
    )
    with pytest.raises(LedgerError, match=r"can't be written.*WORKBOOK_HOME"):
        ask(budget)
    assert not server.paths
