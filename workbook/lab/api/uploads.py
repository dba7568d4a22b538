"""Forms with a file: what is uploaded goes to disk as it arrives, into a folder of ours.

Knows multipart bodies; knows nothing of what files are for.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from python_multipart.exceptions import MultipartParseError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from workbook.lab.api.bodies import limited
from workbook.lab.errors import ApiError
from workbook.lab.quotas import Quotas

MAX_FILE = 512 * 2**20  # bytes, as OpenAI
_FRAME = 2**20  # bytes of a form beside its file

Form = dict[str, str | UploadFile]


@contextlib.asynccontextmanager
async def form(request: Request, folder: Path, quotas: Quotas) -> AsyncIterator[Form]:
    """The fields of a multipart body; an uploaded file that was not taken over is gone in the end.

    folder: on the disk where uploads stay; the system's temporary one may be small, or memory.
    quotas: whether what is announced, and what has come, may be stored.
    Raises ApiError (400, 413, 415, 429).
    """
    announced = int(request.headers.get("content-length") or 0)
    with contextlib.ExitStack() as rooms:
        # What is too large for everybody is told so first.
        if announced <= MAX_FILE + _FRAME:
            await run_in_threadpool(rooms.enter_context, quotas.room(announced))
        fields = await _read(request, folder)
        files = [field for field in fields.values() if isinstance(field, UploadFile)]
        try:
            if not announced:
                size = sum(file.size or 0 for file in files)
                await run_in_threadpool(rooms.enter_context, quotas.room(size))
            yield fields
        finally:
            for file in files:
                await file.close()


async def _read(request: Request, folder: Path) -> Form:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise ApiError(415, "Send the file as 'multipart/form-data'.", "unsupported_media_type")
    try:
        fields = await _UploadParser(request, folder).parse()
    except (MultiPartException, MultipartParseError, LookupError, ValueError) as error:
        raise ApiError(400, f"The form could not be read: {error}", "invalid_form") from None
    return dict(fields.items())


class _UploadParser(MultiPartParser):
    """Starlette's parser, but that the bytes of files go into a folder of ours."""

    def __init__(self, request: Request, folder: Path) -> None:
        stream = limited(request, MAX_FILE + _FRAME)
        super().__init__(request.headers, stream, max_files=1, max_fields=10)
        self._folder = folder

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        upload = self._current_part.file
        if upload is None:
            return
        upload.file.close()  # Starlette's, still empty: it would go where `tempfile` says
        spool = SpooledTemporaryFile(  # noqa: SIM115 - closed by whoever reads the form
            max_size=self.spool_max_size, dir=str(self._folder)
        )
        self._files_to_close_on_error.append(spool)
        upload.file = cast(BinaryIO, spool)  # has all of its methods, but is none by its type


def nested(form: Form) -> dict[str, Any]:
    """`expires_after[seconds]=3600` as an object, its number as a number."""
    whole: dict[str, Any] = {}
    for name, value in form.items():
        match = re.fullmatch(r"(\w+)\[(\w+)\]", name)
        if match and isinstance(value, str):
            inner = whole.setdefault(match[1], {})
            if isinstance(inner, dict):
                inner[match[2]] = int(value) if re.fullmatch(r"-?\d{1,12}", value) else value
                continue
        whole[name] = value
    return whole
