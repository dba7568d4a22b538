"""Answers as server-sent events, sent as they are written.

Knows the engine's texts and futures, and how events look; what a chunk holds, its endpoint says.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from workbook.lab.generation.parameters import Plan, engine_error

if TYPE_CHECKING:
    from workbook.lab.serving.engine import Completion, Request, TokenLogprob

Submit = Callable[[list["Request"]], list["Future[Completion]"]]


class Chunks(Protocol):
    """An endpoint's objects for the stages of a stream; index: which of the answers."""

    def begin(self, index: int) -> Iterable[dict[str, Any]]:
        """Before anything is written."""

    def text(
        self, index: int, piece: str, logprobs: "list[TokenLogprob]"
    ) -> Iterable[dict[str, Any]]:
        """After each piece of text."""

    def end(self, index: int, completion: "Completion") -> Iterable[dict[str, Any]]:
        """When an answer is complete."""

    def close(self, completions: "list[Completion]") -> Iterable[dict[str, Any]]:
        """When all are."""


class EventStream(StreamingResponse):
    """A plan's answer as it is written. Work that nobody waits for any more is dropped."""

    def __init__(self, plan: Plan, submit: Submit) -> None:
        """Must be made within the server's event loop. Raises what `submit` raises."""
        self._news, self._futures = _start(plan, submit)
        super().__init__(
            _events(plan.chunks(), self._news, len(self._futures)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-cache"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            for future in self._futures:
                future.cancel()


async def _events(chunks: Chunks, news: asyncio.Queue, count: int) -> AsyncIterator[str]:
    completions: dict[int, Completion] = {}
    try:
        for index in range(count):
            for chunk in chunks.begin(index):
                yield _event(chunk)
        while len(completions) < count:
            index, what = await news.get()
            if isinstance(what, Future):
                completions[index] = what.result()
                found = chunks.end(index, completions[index])
            else:
                found = chunks.text(index, *what)
            for chunk in found:
                yield _event(chunk)
        for chunk in chunks.close(list(completions.values())):
            yield _event(chunk)
        yield "data: [DONE]\n\n"
    except Exception as error:  # headers are sent: the fault can only be told inside the stream
        yield _event(engine_error(error).body())


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


def _start(plan: Plan, submit: Submit) -> tuple[asyncio.Queue, list[Future]]:
    """Submit all requests; their texts, then their futures, arrive in one queue."""
    loop, news = asyncio.get_running_loop(), asyncio.Queue()

    def tell(index: int, what: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the server is stopping: its loop is closed
            loop.call_soon_threadsafe(news.put_nowait, (index, what))

    for index, request in enumerate(plan.requests):
        request.on_text = lambda *piece, index=index: tell(index, piece)
    futures = submit(plan.requests)
    for index, future in enumerate(futures):
        future.add_done_callback(lambda done, index=index: tell(index, done))
    return news, futures
