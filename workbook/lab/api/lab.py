"""The lab's own endpoints, beside OpenAI's: a look at the loss mask, and the end of the server."""

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab import owner
from workbook.lab.api.bodies import read_json
from workbook.lab.errors import ApiError
from workbook.lab.model.tokenizer import TemplateError
from workbook.lab.service import Lab
from workbook.lab.training import training_file


class LabEndpoints:
    """/lab"""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def loss_mask(self, request: Request) -> Response:
        """A training example as tokens, each with whether the loss is computed on it.

        Of a preference, the example is the input with the preferred answer.
        """
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(self._loss_mask, body))

    def _loss_mask(self, body: Any) -> dict[str, Any]:
        try:
            row = training_file.parse(json.dumps(body).encode())
        except training_file.RowError as error:
            raise ApiError(400, f"Not a training example: {error}.", "invalid_example") from None
        tokenizer = self._lab.tokenizer
        try:
            ids, trained = tokenizer.row_example(training_file.conversations(row)[0])
        except TemplateError as error:
            raise ApiError(400, f"Not a training example: {error}.", "invalid_example") from None
        if len(ids) > self._lab.context:
            message = (
                f"The example has {len(ids):,} tokens; at most {self._lab.context:,} are read."
            )
            raise ApiError(400, message, "context_length_exceeded")
        tokens = [
            {"id": id, "text": tokenizer.piece(id), "trained": learn}
            for id, learn in zip(ids, trained, strict=True)
        ]
        return {"object": "lab.loss_mask", "tokens": tokens}

    def stop(self, request: Request) -> Response:
        """End the server cleanly; works where there are no signals. Not for students."""
        if owner.current():
            message = "Only the lab's own key may stop it."
            raise ApiError(403, message, "insufficient_permissions")
        self._lab.stop()
        return JSONResponse({"object": "lab.stop", "stopping": True})
