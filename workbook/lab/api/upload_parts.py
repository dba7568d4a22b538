"""OpenAI's /uploads: a file is announced, comes in parts, and is made whole.

How parts are kept, `state.uploads` knows; how forms are read, `uploads`.
"""

import secrets
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab import schema
from workbook.lab.api import responses, uploads
from workbook.lab.api.bodies import read_json
from workbook.lab.api.files import LIFETIMES, check_upload, clean_filename, copy
from workbook.lab.errors import ApiError
from workbook.lab.service import Lab
from workbook.lab.state.records import File, Part, UnknownIdError, Upload
from workbook.lab.state.uploads import UploadError, Uploads

MAX_PART = 64 * 2**20  # bytes, as OpenAI


class UploadEndpoints:
    """/uploads"""

    def __init__(self, lab: Lab) -> None:
        self._store, self._uploads, self._quotas = lab.store, Uploads(lab.store), lab.quotas

    async def create(self, request: Request) -> Response:
        body = await read_json(request)
        upload = await run_in_threadpool(self._create, body)
        return JSONResponse(responses.upload(upload))

    def _create(self, body: Any) -> Upload:
        body = schema.check("CreateUploadRequest", body)
        filename = clean_filename(body["filename"])
        check_upload(filename, body["purpose"], body["bytes"])
        lifetime = body.get("expires_after", {}).get("seconds", LIFETIMES.get(body["purpose"]))
        self._uploads.expire()
        return self._uploads.create(filename, body["purpose"], body["bytes"], lifetime)

    async def add_part(self, request: Request) -> Response:
        upload = await run_in_threadpool(self._pending, request)
        async with uploads.form(request, self._store.uploads(), self._quotas) as form:
            part = await run_in_threadpool(self._add_part, upload, form)
        return JSONResponse(responses.upload_part(part))

    def _add_part(self, upload: Upload, form: uploads.Form) -> Part:
        data = form.get("data")
        fields = uploads.nested(form) | ({} if data is None else {"data": ""})
        schema.check("AddUploadPartRequest", fields)
        if not isinstance(data, UploadFile):
            raise ApiError(400, "'data' must be sent as a file.", "invalid_type", "data")
        if (data.size or 0) > MAX_PART:
            message = f"A part may have {MAX_PART // 2**20} MB; send the file in more parts."
            raise ApiError(413, message, "file_too_large", "data")
        path = self._store.uploads() / secrets.token_hex(16)
        try:
            copy(data.file, path)
            return self._uploads.add_part(upload, path)
        except UploadError as error:
            raise ApiError(400, f"The part was not added: {error}.", None, "data") from None
        finally:
            path.unlink(missing_ok=True)

    async def complete(self, request: Request) -> Response:
        upload = await run_in_threadpool(self._pending, request)
        body = await read_json(request)
        file = await run_in_threadpool(self._complete, upload, body)
        return JSONResponse(responses.upload(self._uploads.get(upload.id), file))

    def _complete(self, upload: Upload, body: Any) -> File:
        body = schema.check("CompleteUploadRequest", body)
        try:
            file = self._uploads.complete(upload, body["part_ids"], body.get("md5"))
        except UploadError as error:
            message = f"The upload could not be completed: {error}."
            raise ApiError(400, message, None, "part_ids") from None
        if file is None:
            raise self._not_pending(self._uploads.get(upload.id))
        return file

    def cancel(self, request: Request) -> Response:
        upload = self._pending(request)
        if not self._uploads.end(upload.id, "cancelled"):
            raise self._not_pending(self._uploads.get(upload.id))
        return JSONResponse(responses.upload(self._uploads.get(upload.id)))

    def _pending(self, request: Request) -> Upload:
        id = request.path_params["id"]
        try:
            upload = self._uploads.get(id)
        except UnknownIdError:
            message = f"No such Upload object: {id[:80]}"
            raise ApiError(404, message, None, "upload_id") from None
        if upload.status != "pending":
            raise self._not_pending(upload)
        return upload

    def _not_pending(self, upload: Upload) -> ApiError:
        message = f"The upload is {upload.status}; only a pending one can go on. Create another."
        return ApiError(400, message, "invalid_upload_status", "upload_id")
