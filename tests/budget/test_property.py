"""Whatever is asked and whatever comes back: a host never bills more than a strict budget.

The host is a real server that bills by rules of its own (tests/support/upstream.py); requests,
their settings, the lengths of answers and their losses are drawn at random.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import upstream
from budgets import MODEL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upstream import Upstream

from workbook.backends import Backend
from workbook.budget import Budget
from workbook.errors import WorkbookError

NAMES = (f"budget {number}" for number in itertools.count())
LIMIT = 0.02
OUTCOMES = ["answer", "answer", "answer", "lost", "500", "429", "silent", "nonsense"]
MODELS = [MODEL, f"ft:{MODEL}:me::1", "gpt-4o-2024-08-06"]
texts = st.text(max_size=30)
limits = st.one_of(st.none(), st.integers(-5, 4000), st.just(10**9))
counts = st.one_of(st.none(), st.integers(-1, 6))
# Some cost nothing, some more, some are not known at all.
more = st.fixed_dictionaries(
    {},
    optional={
        "service_tier": st.sampled_from(["auto", "default", "flex", "priority", None]),
        "prediction": texts.map(lambda text: {"type": "content", "content": text * 50}),
        "temperature": st.floats(0, 2),
        "stop": texts,
        "store": st.booleans(),
        "made_up": st.integers(),
    },
)
stream = st.sampled_from(
    [{}, {}, {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}]
)
tools = st.lists(
    st.builds(
        lambda text: {"type": "function", "function": {"name": "f", "description": text}}, texts
    ),
    max_size=2,
)
messages = st.lists(
    st.builds(lambda text: {"role": "user", "content": text}, texts), min_size=1, max_size=3
)


def without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


chats = st.builds(
    lambda message, limit, old, n, tool, extra, flow: (
        "/chat/completions",
        without_none(
            {
                "messages": message,
                "max_completion_tokens": limit,
                "max_tokens": old,
                "n": n,
                "tools": tool or None,
            }
        )
        | extra
        | flow,
    ),
    messages,
    limits,
    limits,
    counts,
    tools,
    more,
    stream,
)
completions = st.builds(
    lambda prompt, limit, n, best, suffix: (
        "/completions",
        without_none(
            {
                "prompt": prompt,
                "max_tokens": limit,
                "n": n,
                "best_of": best,
                "suffix": suffix,
            }
        ),
    ),
    st.one_of(
        texts,
        st.lists(texts, min_size=1, max_size=3),
        st.lists(st.integers(0, 99), min_size=1, max_size=9),
    ),
    limits,
    counts,
    counts,
    st.one_of(st.none(), texts),
)
responses = st.builds(
    lambda text, limit, told, flow: (
        "/responses",
        without_none({"input": text, "max_output_tokens": limit, "instructions": told}) | flow,
    ),
    texts,
    limits,
    st.one_of(st.none(), texts),
    st.sampled_from([{}, {"stream": True}]),
)
calls = st.lists(
    st.tuples(
        st.one_of(chats, completions, responses),
        st.sampled_from(MODELS),
        st.floats(0, 1),
        st.sampled_from(OUTCOMES),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def host() -> Iterator[Upstream]:
    with pytest.MonkeyPatch.context() as patch:  # a second attempt comes at once
        patch.setattr(openai.OpenAI, "_sleep_for_retry", lambda *_, **__: None)
        for server in upstream.serve():
            server.client = openai.OpenAI(
                api_key="sk-x", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=1
            )
            yield server


def budget_of(host: Upstream, usd: float = LIMIT) -> Budget:
    host.bill = 0.0
    return Budget(usd, Backend("openai", MODEL, host.client, ["yes"]), name=next(NAMES))


def send(budget: Budget, path: str, body: dict[str, Any]) -> None:
    with contextlib.suppress(openai.OpenAIError, WorkbookError):
        if body.get("stream"):
            raw = budget.client.with_streaming_response
            name = path[1:].replace("/", ".")
            resource: Any = raw
            for part in name.split("."):
                resource = getattr(resource, part)
            known = {"input", "messages", "model", "stream"}
            inside = {key: value for key, value in body.items() if key in known}
            rest = {key: value for key, value in body.items() if key not in known}
            with resource.create(**inside, extra_body=rest) as answer:
                for _ in answer.iter_bytes():
                    pass
        else:
            budget.client.post(path, body=body, cast_to=object)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(calls)
def test_no_host_bills_more_than_the_budget(home, host: Upstream, drawn: list[Any]) -> None:
    budget = budget_of(host)
    plan = [(share, outcome) for _, _, share, outcome in drawn for _ in range(2)]
    host.plan = iter(plan)
    for (path, body), model, _, _ in drawn:
        send(budget, path, {"model": model} | body)
        assert host.bill <= budget.usd * (1 + 1e-9)
        assert host.bill <= (budget.spent + budget.held) * (1 + 1e-9)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(chats, min_size=1, max_size=5), st.floats(0, 1))
def test_a_batch_is_never_billed_above_the_budget(home, host: Upstream, rows, share) -> None:
    """And settles to what its answers used, at half price."""
    budget = budget_of(host, 0.05)
    host.plan = iter([(share, "answer")])
    bodies = [{"model": MODEL, **body} for _, body in rows]
    lines = [
        {"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for i, body in enumerate(bodies)
    ]
    host.files["file-in"] = "\n".join(map(json.dumps, lines)).encode()
    with contextlib.suppress(WorkbookError):
        budget.client.batches.create(
            input_file_id="file-in", endpoint="/v1/chat/completions", completion_window="24h"
        )
    assert host.bill <= (budget.spent + budget.held) * (1 + 1e-9) <= budget.usd * (1 + 2e-9)
    if host.bill:
        budget.client.batches.retrieve("batch_1")
        assert budget.held == 0
        assert budget.spent == pytest.approx(host.bill)


def test_an_asynchronous_client_holds_under_many_calls_at_once(home, host: Upstream) -> None:
    budget = budget_of(host)
    host.plan = iter([(1.0, "answer")] * 200)
    message = [{"role": "user", "content": "Hello."}]

    async def ask(number: int) -> bool:
        options: dict[str, Any] = {}
        if number % 2:
            options = {"stream": True, "stream_options": {"include_usage": True}}
        try:
            answer = await budget.async_client.chat.completions.create(
                model=MODEL, messages=message, max_completion_tokens=2000, **options
            )
        except WorkbookError:
            return False
        if number % 2:
            async for _ in answer:
                pass
        return True

    async def all_of_them() -> list[bool]:
        done = list(await asyncio.gather(*(ask(number) for number in range(40))))
        await budget.async_client.close()
        return done

    sent = sum(asyncio.run(all_of_them()))
    assert 8 <= sent < 40  # 0.0012 a call
    assert budget.held == 0 and budget.spent == pytest.approx(host.bill)
    assert host.bill <= budget.usd
