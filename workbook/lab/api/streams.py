"""Answers as server-sent events, sent as they are written.

Knows the engine's texts and futures, and how events look; what a chunk holds, its plan says.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from workbook.lab.generation.answers import engine_error
from workbook.lab.generation.plan import Chunks, Plan
from workbook.lab.serving.types import Completion, Request, TokenLogprob

Submit = Callable[[list[Request]], list[Future[Completion]]]
Text = tuple[str, list[TokenLogprob]]
News = asyncio.Queue[tuple[int, Text | Future[Completion]]]  # of the answer with this index


class EventStream(StreamingResponse):
    """A plan's answer as it is written. Work that nobody waits for any more is dropped."""

    def __init__(self, plan: Plan, submit: Submit) -> None:
        """Must be made within the server's event loop. Raises what `submit` raises."""
        news, self._futures = _start(plan, submit)
        super().__init__(
            _events(plan.chunks(), news, len(self._futures)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            for future in self._futures:
                future.cancel()


async def _events(chunks: Chunks, news: News, count: int) -> AsyncIterator[str]:
    completions: dict[int, Completion] = {}
    event = _named_event if chunks.named_events else _event
    try:
        for index in range(count):
            for chunk in chunks.begin(index):
                yield event(chunk)
        while len(completions) < count:
            index, arrival = await news.get()
            if isinstance(arrival, Future):
                completions[index] = arrival.result()
                stage = chunks.end(index, completions[index])
            else:
                stage = chunks.text(index, *arrival)
            for chunk in stage:
                yield event(chunk)
        for chunk in chunks.close(list(completions.values())):
            yield event(chunk)
        if chunks.ends_with_done:
            yield "data: [DONE]\n\n"
    except Exception as error:  # headers are sent: the fault can only be told inside the stream
        yield event(chunks.failure(engine_error(error)))


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def _named_event(chunk: dict[str, Any]) -> str:
    return f"event: {chunk['type']}\n{_event(chunk)}"


def _start(plan: Plan, submit: Submit) -> tuple[News, list[Future[Completion]]]:
    """Submit all requests; their texts, then their futures, arrive in one queue."""
    loop, news = asyncio.get_running_loop(), News()

    def put(index: int, arrival: Text | Future[Completion]) -> None:
        with contextlib.suppress(RuntimeError):  # the server is stopping: its loop is closed
            loop.call_soon_threadsafe(news.put_nowait, (index, arrival))

    def put_text(index: int, piece: str, logprobs: list[TokenLogprob]) -> None:
        put(index, (piece, logprobs))

    for index, request in enumerate(plan.requests):
        request.on_text = partial(put_text, index)
    futures = submit(plan.requests)
    for index, future in enumerate(futures):
        future.add_done_callback(partial(put, index))
    return news, futures
