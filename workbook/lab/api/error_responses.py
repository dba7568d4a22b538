"""Errors as answers: whatever goes wrong, the client gets OpenAI's status and shape.

Knows HTTP and which exceptions come up; knows nothing of what was asked.
"""

import logging
import sqlite3

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from workbook.grading.errors import GraderError
from workbook.lab.errors import ApiError

_log = logging.getLogger("lab")


def response(error: ApiError) -> Response:
    """The answer that tells a client of a refusal."""
    return JSONResponse(error.body(), error.status, error.headers)


async def respond(request: Request, error: Exception) -> Response:
    """The answer to a request that ended in an exception."""
    match error:
        case ApiError():
            return response(error)
        case GraderError():
            return response(ApiError(400, error.message, error.code, error.param))
        case RecursionError():
            return response(ApiError(400, "The request is nested too deeply.", "invalid_value"))
        case ClientDisconnect():
            return Response(status_code=499)  # nobody reads it; the log does
        case HTTPException():
            return response(_of_routing(request, error))
        case OSError() | sqlite3.OperationalError():
            _log.error("%s: %s", request.url.path, error)
            reason = error.strerror if isinstance(error, OSError) else error
            message = f"The lab could not read or write its state: {reason}."
            return response(ApiError(500, message, "disk_error", kind="server_error"))
        case _:
            message = "The lab made a mistake while it answered; its log says which."
            return response(ApiError(500, message, "server_error", kind="server_error"))


def _of_routing(request: Request, error: HTTPException) -> ApiError:
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        message = f"Unknown request URL: {where}. Please check the URL for typos."
        return ApiError(404, message, "unknown_url")
    if error.status_code == 405:
        message = f"Not allowed: {where}."
        return ApiError(405, message, "method_not_supported", headers=error.headers)
    return ApiError(error.status_code, error.detail, "invalid_request")


# Starlette looks for the handler of an exception's class, then of the classes above it.
HANDLERS = dict.fromkeys(
    (
        ApiError,
        GraderError,
        HTTPException,
        RecursionError,
        ClientDisconnect,
        OSError,
        sqlite3.OperationalError,
        Exception,
    ),
    respond,
)
