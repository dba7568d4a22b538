"""Between bytes and paths: who may come in, bodies and queries read within limits, errors answered.

Knows HTTP and OpenAI's error shape; knows nothing of files, jobs or models.
"""

import asyncio
import codecs
import hmac
import logging
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

from python_multipart.exceptions import MultipartParseError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbook import strict_json
from workbook.lab.schema import ApiError
from workbook.lab.state.store import new_id

MAX_FILE = 512 * 2**20  # bytes, as OpenAI
MAX_BODY = 32 * 2**20  # bytes of a JSON request
HOSTS = {"127.0.0.1", "localhost", "[::1]"}

_log = logging.getLogger("lab")

# Reading requests


async def read_json(request: Request) -> Any:
    """The JSON that was sent. Raises ApiError (400, 413, 415)."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        raise ApiError(
            415,
            f"Unsupported media type '{kind[:80]}': send 'application/json'.",
            "unsupported_media_type",
        )
    text = b"".join([chunk async for chunk in _limited(request, MAX_BODY)])
    try:
        return strict_json.loads(text.removeprefix(codecs.BOM_UTF8), whole_numbers=True)
    except ValueError:
        raise ApiError(
            400,
            "We could not parse the JSON body of your request. Send a JSON object, "
            "with Content-Type: application/json.",
            "invalid_json",
        ) from None


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body's bytes as they come; ApiError (413) as soon as they are too many."""
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


async def read_form(request: Request) -> dict[str, Any]:
    """The fields of a multipart body; an upload goes to disk as it arrives, not into memory.

    Raises ApiError (400, 413, 415).
    """
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise ApiError(415, "Send the file as 'multipart/form-data'.", "unsupported_media_type")
    stream = _limited(request, MAX_FILE + 2**20)
    try:
        form = await MultiPartParser(request.headers, stream, max_files=1, max_fields=10).parse()
    except (MultiPartException, MultipartParseError, KeyError, UnicodeError) as error:
        raise ApiError(400, f"The form could not be read: {error}", "invalid_form") from None
    return dict(form.items())


def nested(fields: dict[str, Any]) -> dict[str, Any]:
    """`expires_after[seconds]=3600` as an object, its number as a number."""
    whole: dict[str, Any] = {}
    for name, value in fields.items():
        match = re.fullmatch(r"(\w+)\[(\w+)\]", name)
        inner = whole.setdefault(match[1], {}) if match and isinstance(value, str) else None
        if isinstance(inner, dict):
            inner[match[2]] = int(value) if re.fullmatch(r"-?\d{1,12}", value) else value
        else:
            whole[name] = value
    return whole


async def unless_gone(request: Request, futures: list[Future]) -> list[Any]:
    """The results, or ClientDisconnect (and no further work) when nobody waits for them."""
    answer = asyncio.gather(*[asyncio.wrap_future(future) for future in futures])
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        gone.cancel()
        answer.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# Answering errors


def _error(error: ApiError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers)


async def _api_error(request: Request, error: ApiError) -> Response:
    return _error(error)


async def _http_error(request: Request, error: HTTPException) -> Response:
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        message = f"Unknown request URL: {where}. Please check the URL for typos."
        return _error(ApiError(404, message, "unknown_url"))
    if error.status_code == 405:
        message = f"Not allowed: {where}."
        return _error(ApiError(405, message, "method_not_supported", headers=error.headers))
    return _error(ApiError(error.status_code, error.detail, "invalid_request"))


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=499)  # nobody reads it; the log does


async def _disk_error(request: Request, error: OSError | sqlite3.OperationalError) -> Response:
    _log.error("%s: %s", request.url.path, error)
    reason = error.strerror if isinstance(error, OSError) else error
    message = f"The lab could not read or write its state: {reason}."
    return _error(ApiError(500, message, "disk_error", kind="server_error"))


async def _server_error(request: Request, error: Exception) -> Response:
    message = "The lab made a mistake while it answered; its log says which."
    return _error(ApiError(500, message, "server_error", kind="server_error"))


HANDLERS = {
    ApiError: _api_error,
    HTTPException: _http_error,
    ClientDisconnect: _gone,
    OSError: _disk_error,
    sqlite3.OperationalError: _disk_error,
    Exception: _server_error,
}


class Door:
    """Who may come in, and one line in the log for each who does."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        number, began, status = new_id("req_"), time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                took = round((time.monotonic() - began) * 1000)
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", number.encode()),
                    (b"openai-processing-ms", str(took).encode()),
                ]
            await send(message)

        try:
            refusal = self._refusal(Request(scope))
            app = self._app if refusal is None else _error(refusal)
            await app(scope, receive, noted)
        finally:
            # The raw path is percent-encoded: it can't break the line. No query, no body, no key.
            path = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
            took = (time.monotonic() - began) * 1000
            _log.info("%s %s %s %.0f ms %s", scope["method"], path, status or "-", took, number)

    def _refusal(self, request: Request) -> ApiError | None:
        host = re.sub(r":\d+$", "", request.headers.get("host", ""))
        if host.lower() not in HOSTS:
            # A web page that points its own name at this machine must not reach the lab.
            return ApiError(
                403, f"The lab answers to {', '.join(sorted(HOSTS))} only.", "host_not_allowed"
            )
        if request.url.path == "/health":
            return None
        given = request.headers.get("authorization", "")
        given = given[7:] if given[:7].lower() == "bearer " else request.headers.get("api-key", "")
        if not given.strip():
            return ApiError(
                401,
                "You didn't provide an API key. Send the lab's key in an "
                "Authorization header: 'Bearer KEY'.",
                None,
            )
        if not hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._key):
            return ApiError(
                401,
                f"Incorrect API key provided: {_masked(given.strip())}. The lab's "
                "key is in the file 'key' of its state folder.",
                "invalid_api_key",
            )
        return None


def _masked(key: str) -> str:
    return key[:4] + "*" * 8 + key[-4:] if len(key) > 16 else "*" * 8
