"""OpenAI's /files: uploads, lists, contents.

Uploads arrive on disk, never in memory. Knows nothing of what files are used for.
"""

import contextlib
import re
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from workbook.lab import schema
from workbook.lab.api import responses, uploads
from workbook.lab.api.paging import page
from workbook.lab.errors import ApiError
from workbook.lab.service import Lab
from workbook.lab.state.records import File, UnknownIdError

MAX_BATCH = 200 * 2**20  # bytes of a batch's input, as OpenAI
LIFETIMES = {"batch": 30 * 24 * 3600}  # seconds, unless expires_after says otherwise, as OpenAI


class FileEndpoints:
    """/files"""

    def __init__(self, lab: Lab) -> None:
        self._store, self._quotas = lab.store, lab.quotas

    async def create(self, request: Request) -> Response:
        async with uploads.form(request, self._store.uploads(), self._quotas) as form:
            file = await run_in_threadpool(self._create, form)
        return JSONResponse(responses.file(file))

    def _create(self, form: uploads.Form) -> File:
        upload, fields = form.get("file"), uploads.nested(form)
        # The spec calls the file's bytes a string; the rest is checked as it came.
        schema.check("CreateFileRequest", fields | ({} if upload is None else {"file": ""}))
        if not isinstance(upload, UploadFile):
            raise ApiError(
                400, "'file' must be a file, sent with a filename.", "invalid_type", "file"
            )
        filename = clean_filename(upload.filename)
        check_upload(filename, fields["purpose"], upload.size or 0)
        path = self._store.uploads() / secrets.token_hex(16)
        lifetime = fields.get("expires_after", {}).get("seconds", LIFETIMES.get(fields["purpose"]))
        try:
            copy(upload.file, path)
            return self._store.add_file(path, filename, fields["purpose"], lifetime)
        finally:
            path.unlink(missing_ok=True)  # the store has moved it, unless the disk is full

    def list(self, request: Request) -> Response:
        self._store.expire_files()
        purpose = request.query_params.get("purpose")
        order = request.query_params.get("order", "desc")
        if order not in ("asc", "desc"):
            raise ApiError(
                400,
                f"Invalid value: '{order[:80]}'. Supported values are: 'asc', 'desc'.",
                "invalid_value",
                "order",
            )
        where = {"purpose": purpose} if purpose else {}
        files, more = page(self._store, File, request, where, 10_000, 10_000, order == "desc")
        return JSONResponse(responses.listing([responses.file(f) for f in files], more))

    def retrieve(self, request: Request) -> Response:
        return JSONResponse(responses.file(self._get(request)))

    def content(self, request: Request) -> Response:
        file = self._get(request)
        return FileResponse(
            self._store.path(file.id), media_type="application/octet-stream", filename=file.filename
        )

    def delete(self, request: Request) -> Response:
        file = self._get(request)
        with contextlib.suppress(UnknownIdError):  # someone was faster
            self._store.delete_file(file.id)
        return JSONResponse({"id": file.id, "object": "file", "deleted": True})

    def _get(self, request: Request) -> File:
        self._store.expire_files()
        id = request.path_params["id"]
        try:
            return self._store.get(File, id)
        except UnknownIdError:
            raise ApiError(404, f"No such File object: {id[:80]}", None, "id") from None


def clean_filename(name: str | None) -> str:
    """What to call an upload: the last part of what was sent, printable. Never used as a path."""
    last = re.split(r"[\\/]", name or "")[-1]
    return "".join(c for c in last if c.isprintable())[:255] or "upload"


def check_upload(filename: str, purpose: str, size: int) -> None:
    """Raise ApiError (400, 413) for a file that can't be what its purpose says."""
    if purpose in ("fine-tune", "batch") and not filename.lower().endswith(".jsonl"):
        raise ApiError(
            400,
            f"Invalid file format: '{filename}'. Files with purpose '{purpose}' must "
            "be JSON Lines, with a name that ends in .jsonl.",
            "invalid_file_format",
            "file",
        )
    if size == 0:
        raise ApiError(400, f"The file '{filename}' is empty.", "empty_file", "file")
    most = MAX_BATCH if purpose == "batch" else uploads.MAX_FILE
    if size > most:
        message = f"The file is larger than {most // 2**20} MB."
        raise ApiError(413, message, "file_too_large", "file")


def copy(source: BinaryIO, path: Path) -> None:
    """Write what has arrived to a new file."""
    source.seek(0)
    with open(path, "xb") as target:
        shutil.copyfileobj(source, target, 2**20)
