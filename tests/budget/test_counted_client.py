"""The counted client: streams, failures, and copies of it."""

import gc

import openai
import pytest
from budgets import HELLO, MODEL, REAL, ask, backend, confirmed_budget

from workbook.budget import Budget
from workbook.prices import costs, registry, tokens


def test_a_stream_is_counted_when_it_has_been_read(server, yes):
    budget = confirmed_budget(server)
    stream = ask(budget, stream=True, stream_options={"include_usage": True})
    assert budget.spent == 0 and budget.held > 0
    words = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    assert "".join(words) == "Hi there."
    assert (budget.spent, budget.held) == (pytest.approx(REAL), 0)


def test_a_stream_without_usage_keeps_its_most_aside_where_a_limit_must_hold(server, yes):
    """Its text says nothing of reasoning, nor of what a stop sequence cut off."""
    budget = confirmed_budget(server)
    for _ in ask(budget, stream=True):
        pass
    assert budget.spent == 0 and budget.held > 0


def test_a_stream_without_usage_is_counted_here_on_the_lab(server):
    budget = Budget(1.0, backend(server, "lab", MODEL), like=registry.get(MODEL))
    for _ in ask(budget, stream=True):
        pass
    prompt = tokens.count_chat(HELLO, MODEL)
    answer = tokens.count("Hi there.", MODEL)
    assert budget.spent == pytest.approx(costs.request_cost(MODEL, prompt, answer))


def test_a_stream_that_is_broken_off_keeps_its_money_aside(server, yes):
    budget = confirmed_budget(server)
    stream = budget.client.with_streaming_response.chat.completions.create(
        model=MODEL, messages=HELLO, max_completion_tokens=100, stream=True
    )
    with stream:
        pass  # not one piece was read
    assert budget.spent == 0 and budget.held > 0
    before = budget.held
    stream = ask(budget, "never end", stream=True)
    assert next(iter(stream)).choices[0].delta.content == "Hi"
    stream.close()  # the server goes on, and bills what it makes
    server.ending.set()
    assert budget.spent == 0 and budget.held > before


def test_a_refused_call_costs_nothing_and_a_lost_one_may(server, yes):
    budget = confirmed_budget(server)
    with pytest.raises(openai.BadRequestError):
        ask(budget, "fail")
    assert budget.left == budget.usd
    with pytest.raises(openai.APIConnectionError):
        ask(budget, "hang up")
    assert budget.spent == 0 and budget.held > 0  # the server may have worked
    server.shutdown()
    server.server_close()
    before = budget.held
    with pytest.raises(openai.APIConnectionError):
        ask(budget)
    assert budget.held == before  # it was never sent


def test_the_client_is_the_same_kind_and_can_be_varied(server, yes):
    budget = confirmed_budget(server)
    plain = budget._backend.client
    assert isinstance(budget.client, type(plain)) and isinstance(budget.client, openai.OpenAI)
    budget.client.with_options(timeout=5).chat.completions.create(
        model=MODEL, messages=HELLO, max_completion_tokens=5
    )
    raw = budget.client.chat.completions.with_raw_response.create(
        model=MODEL, messages=HELLO, max_completion_tokens=5
    )
    assert raw.parse().id == "c" and budget.spent == pytest.approx(2 * REAL)
    client = budget.client
    del budget, plain
    gc.collect()  # dropping what it was made from must not close its connections
    client.chat.completions.create(model=MODEL, messages=HELLO, max_completion_tokens=5)
