"""OpenAI's /chat/completions: what `chat` plans, the engine does."""

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from helpers.lab import chat, spec, wire
from helpers.lab.spec import ApiError

if TYPE_CHECKING:
    from helpers.lab.app import Lab


class Chat:
    """/chat/completions"""

    def __init__(self, lab: "Lab") -> None:
        self._lab = lab

    async def create(self, request: Request) -> Response:
        body = await wire.read_json(request)
        plan = await run_in_threadpool(self._plan, body)
        try:
            engine = await asyncio.shield(asyncio.wrap_future(self._lab.engine))
        except Exception as error:
            raise ApiError(
                500, f"The model could not be loaded: {error}", "engine_error", kind="server_error"
            ) from error
        if plan.stream:
            events = chat.stream(plan, engine.submit)
            return StreamingResponse(
                events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
            )
        futures = [engine.submit(r) for r in plan.requests]
        try:
            completions = await wire.unless_gone(request, futures)
        except ClientDisconnect:
            raise
        except Exception as error:
            raise chat.engine_error(error) from error
        return JSONResponse(chat.response(plan, completions))

    def _plan(self, body: dict[str, Any]) -> chat.Plan:
        model = body.get("model") if isinstance(body, dict) else None
        adapter = self._lab.adapter(model) if isinstance(model, str) else None
        if isinstance(body, dict):
            spec.check_metadata(body.get("metadata"))
        return chat.plan(body, self._lab.tokenizer, self._lab.context, adapter)
