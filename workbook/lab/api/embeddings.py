"""OpenAI's /embeddings: texts become vectors of the base model."""

import itertools

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab.api.bodies import read_json
from workbook.lab.api.generate import loaded_engine, unless_disconnected
from workbook.lab.errors import ApiError
from workbook.lab.generation import embeddings
from workbook.lab.service import Lab


class EmbeddingEndpoint:
    """/embeddings"""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def create(self, request: Request) -> Response:
        body = await read_json(request)
        lab = self._lab
        model = body.get("model") if isinstance(body, dict) else None
        if isinstance(model, str) and lab.adapter(model) is not None:
            message = f"The lab makes vectors with the base model, '{lab.model}', only."
            raise ApiError(400, message, "unsupported_model", "model")
        plan = await run_in_threadpool(
            embeddings.prepare, body, lab.tokenizer, lab.context, lab.width
        )
        engine = await loaded_engine(lab)
        packs = await unless_disconnected(request, engine.embedder.submit(plan.texts))
        answer = await run_in_threadpool(plan.answer, list(itertools.chain(*packs)))
        return JSONResponse(answer)
