"""OpenAI's /models: the base model, and what was tuned from it."""

import contextlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab.api import responses
from workbook.lab.errors import ApiError
from workbook.lab.ids import base_of
from workbook.lab.service import Lab
from workbook.lab.state.records import Model, UnknownIdError


class ModelEndpoints:
    """/models"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store = lab, lab.store

    def shown(self, answer: dict[str, Any]) -> JSONResponse:
        """An object or list as it is sent; another shape than OpenAI's may rename what is in it."""
        return JSONResponse(answer)

    def meant(self, name: str) -> str:
        """The lab's name for a model."""
        return name

    def list(self, request: Request) -> Response:
        records, _ = self._store.page(Model, limit=1_000_000, newest_first=False)
        usable = [model for model in records if base_of(model.id) == self._lab.model]
        models = [self._base(), *(responses.model(m.id, m.created_at, "lab") for m in usable)]
        return self.shown({"object": "list", "data": models})

    def retrieve(self, request: Request) -> Response:
        id = self.meant(request.path_params["id"])
        if self._lab.adapter(id) is None:
            return self.shown(self._base())
        return self.shown(responses.model(id, self._store.get(Model, id).created_at, "lab"))

    def delete(self, request: Request) -> Response:
        id = self.meant(request.path_params["id"])
        if self._lab.adapter(id) is None:
            raise ApiError(
                403,
                "The base model can't be deleted, only models tuned from it.",
                "insufficient_permissions",
                "model",
            )
        with contextlib.suppress(UnknownIdError):  # someone was faster
            self._store.delete_model(id)
        return self.shown({"id": id, "object": "model", "deleted": True})

    def _base(self) -> dict[str, Any]:
        return responses.model(self._lab.model, self._lab.started, "system")
