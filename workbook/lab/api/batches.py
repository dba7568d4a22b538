"""OpenAI's /batches: batches are created, listed and cancelled.

How they are carried out, `jobs.batch_runner` knows.
"""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab import schema
from workbook.lab.api import responses
from workbook.lab.api.bodies import read_json
from workbook.lab.api.paging import page
from workbook.lab.errors import ApiError
from workbook.lab.ids import new_id, now
from workbook.lab.service import ENDPOINTS, Lab
from workbook.lab.state.records import BATCH_UNFINISHED, Batch, File, UnknownIdError

WINDOW = 24 * 3600  # seconds: the one completion window that OpenAI has


class BatchEndpoints:
    """/batches"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store = lab, lab.store

    async def create(self, request: Request) -> Response:
        body = await read_json(request)
        batch = await run_in_threadpool(self._create, body)
        return JSONResponse(responses.batch(batch))

    def _create(self, body: dict[str, Any]) -> Batch:
        body = schema.check("CreateBatchRequest", body)
        if body["endpoint"] not in ENDPOINTS:
            offered = " and ".join(f"'{path}'" for path in ENDPOINTS)
            raise ApiError(
                400,
                f"The lab runs batches over {offered}, not '{body['endpoint']}'.",
                "unsupported_endpoint",
                "endpoint",
            )
        self._check_file(body["input_file_id"])
        created_at = now()
        batch = Batch(
            id=new_id("batch_"),
            status="validating",
            endpoint=body["endpoint"],
            input_file=body["input_file_id"],
            completion_window=body["completion_window"],
            created_at=created_at,
            expires_at=created_at + WINDOW,
            metadata=body.get("metadata"),
            lifetime=body.get("output_expires_after", {}).get("seconds"),
        )
        try:
            with self._store.transaction():
                self._lab.quotas.check_waiting(Batch, BATCH_UNFINISHED)
                self._store.add_batch(batch)
        except UnknownIdError:  # someone was faster
            raise _no_file(batch.input_file) from None
        self._lab.batch_runner.wake()
        return batch

    def _check_file(self, file_id: str) -> None:
        self._store.expire_files()
        try:
            file = self._store.get(File, file_id)
        except UnknownIdError:
            raise _no_file(file_id) from None
        if file.purpose != "batch":
            raise ApiError(
                400,
                f"The file {file_id} has the purpose '{file.purpose}'; upload it with purpose "
                "'batch'.",
                "invalid_file_purpose",
                "input_file_id",
            )

    def list(self, request: Request) -> Response:
        batches, more = page(self._store, Batch, request, {})
        return JSONResponse(responses.listing([responses.batch(b) for b in batches], more))

    def retrieve(self, request: Request) -> Response:
        return JSONResponse(responses.batch(self._get(request)))

    def cancel(self, request: Request) -> Response:
        batch = self._get(request)
        if self._store.update_batch(batch.id, ["validating"], status="cancelled"):
            self._store.tidy_batch(batch.id)
        elif not self._store.update_batch(batch.id, ["in_progress"], status="cancelling"):
            batch = self._get(request)
            if batch.status not in ("cancelling", "cancelled"):
                raise ApiError(
                    400,
                    f"The batch is {batch.status}: it can only be cancelled before.",
                    "invalid_batch_status",
                )
        self._lab.batch_runner.wake()
        return JSONResponse(responses.batch(self._get(request)))

    def _get(self, request: Request) -> Batch:
        id = request.path_params["id"]
        try:
            return self._store.get(Batch, id)
        except UnknownIdError:
            message = f"No batch found with id '{id[:80]}'."
            raise ApiError(404, message, "batch_not_found", "batch_id") from None


def _no_file(file_id: str) -> ApiError:
    message = f"The file {file_id[:80]} does not exist, or was deleted: upload it first."
    return ApiError(400, message, "file_not_found", "input_file_id")
