"""OpenAI's endpoints that answer with text: what is asked is planned, and the engine does it."""

import asyncio
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from workbook.lab.api import http
from workbook.lab.api.streams import EventStream
from workbook.lab.generation import parameters
from workbook.lab.schema import ApiError

if TYPE_CHECKING:
    from workbook.lab.api.app import Lab


class Answers:
    """/chat/completions or /completions"""

    def __init__(self, lab: "Lab", endpoint: str) -> None:
        self._lab, self._endpoint = lab, endpoint

    async def create(self, request: Request) -> Response:
        body = await http.read_json(request)
        plan = await run_in_threadpool(self._lab.plan, self._endpoint, body)
        try:
            await asyncio.shield(asyncio.wrap_future(self._lab.desk.engine))
        except Exception as error:
            raise ApiError(
                500, f"The model could not be loaded: {error}", "engine_error", kind="server_error"
            ) from error
        if plan.stream:
            return EventStream(plan, self._lab.desk.submit)
        futures = self._lab.desk.submit(plan.requests)
        try:
            completions = await http.unless_gone(request, futures)
        except ClientDisconnect:
            raise
        except Exception as error:
            raise parameters.engine_error(error) from error
        return JSONResponse(plan.answer(completions))
