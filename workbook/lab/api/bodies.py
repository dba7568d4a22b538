"""Bodies of requests, read within limits as they arrive.

Knows HTTP and JSON; knows nothing of what a body asks for.
"""

import codecs
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from workbook import strict_json
from workbook.lab.errors import ApiError

LONG = 2**18  # bytes of a JSON request
MAX_BODY = 32 * 2**20  # bytes of a JSON request


async def read_json(request: Request) -> Any:
    """The JSON that was sent. Raises ApiError (400, 413, 415)."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        raise ApiError(
            415,
            f"Unsupported media type '{kind[:80]}': send 'application/json'.",
            "unsupported_media_type",
        )
    text = b"".join([chunk async for chunk in limited(request, MAX_BODY)])
    read = partial(strict_json.loads, text.removeprefix(codecs.BOM_UTF8), whole_numbers=True)
    try:  # what takes long is read beside the event loop, so that others are answered meanwhile
        return read() if len(text) < LONG else await run_in_threadpool(read)
    except ValueError:
        raise ApiError(
            400,
            "We could not parse the JSON body of your request. Send a JSON object, "
            "with Content-Type: application/json.",
            "invalid_json",
        ) from None


async def limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body's bytes as they come; ApiError (413) as soon as there are more than `limit`."""
    too_large = ApiError(
        413, f"The request is larger than {limit // 2**20} MB.", "request_too_large"
    )
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large
        yield chunk
