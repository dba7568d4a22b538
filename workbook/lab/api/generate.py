"""OpenAI's endpoints that answer with text: what is asked is planned, and the engine does it."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from workbook.lab.api.bodies import read_json
from workbook.lab.api.streams import EventStream
from workbook.lab.errors import ApiError
from workbook.lab.generation.answers import engine_error
from workbook.lab.generation.plan import Plan
from workbook.lab.service import Lab
from workbook.lab.serving.grammar_trial import CLIENT_LEFT

if TYPE_CHECKING:  # brings torch
    from workbook.lab.serving.engine import Engine

Result = TypeVar("Result")


class GenerationEndpoint:
    """/chat/completions, /completions or /responses"""

    def __init__(self, lab: Lab, endpoint: str) -> None:
        self.lab, self._endpoint = lab, endpoint

    async def create(self, request: Request) -> Response:
        body = await read_json(request)
        plan = await self.plan(request, body)
        await loaded_engine(self.lab)
        if plan.stream:
            return EventStream(plan, self.lab.scheduler.submit)
        futures = self.lab.scheduler.submit(plan.requests)
        try:
            completions = await unless_disconnected(request, futures)
        except ClientDisconnect:
            raise
        except Exception as error:
            raise engine_error(error) from error
        return JSONResponse(plan.answer(completions))

    async def plan(self, request: Request, body: Any) -> Plan:
        """The plan; with its client goes the trial of a grammar, too. Raises ClientDisconnect."""
        left = threading.Event()
        CLIENT_LEFT.set(left)
        planning = asyncio.ensure_future(run_in_threadpool(self.lab.plan, self._endpoint, body))
        try:
            [plan] = await unless_disconnected(request, [planning])
        finally:
            left.set()
        return plan


async def loaded_engine(lab: Lab) -> "Engine":
    """The engine, once it has its model. Raises ApiError (500)."""
    try:
        return await asyncio.shield(asyncio.wrap_future(lab.scheduler.engine))
    except Exception as error:
        raise ApiError(
            500, f"The model could not be loaded: {error}", "engine_error", kind="server_error"
        ) from error


async def unless_disconnected(
    request: Request, futures: Sequence[Future[Result] | asyncio.Future[Result]]
) -> list[Result]:
    """The results, or ClientDisconnect (and no further work) when nobody waits for them."""
    results = asyncio.gather(*[asyncio.wrap_future(future) for future in futures])
    # Cancelled below, it ends in an error that nobody asks for: asyncio would log that.
    results.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    disconnected = asyncio.ensure_future(_disconnected(request))
    either: set[asyncio.Future[Any]] = {results, disconnected}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not results.done():
            raise ClientDisconnect
        return results.result()
    finally:
        disconnected.cancel()
        results.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
