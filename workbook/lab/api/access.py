"""Access control: who is answered, for whom, and one line in the log for each request.

Knows host names, origins of pages and keys; nothing of paths, but that /health needs no key.
"""

import contextlib
import hmac
import logging
import time

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbook.lab.api import error_responses
from workbook.lab.errors import ApiError
from workbook.lab.ids import new_id
from workbook.lab.owner import acting_for
from workbook.lab.quotas import Quotas
from workbook.lab.reach import Reach
from workbook.lab.students import Students

_log = logging.getLogger("lab")


class AccessControl:
    """An application in front of another one: it lets through who calls it by its name and has
    the key."""

    def __init__(
        self,
        app: ASGIApp,
        key: str,
        reach: Reach,
        students: Students | None,
        quotas: Quotas,
    ) -> None:
        """key: the lab's own; students: who has another, and sees what is theirs."""
        self._app, self._key, self._reach = app, key.encode(), reach
        self._students, self._quotas = students, quotas

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id, began, status = new_id("req_"), time.monotonic(), 0
        student, is_logged = "", False

        def milliseconds() -> float:
            return (time.monotonic() - began) * 1000

        def log() -> None:
            nonlocal is_logged
            if is_logged:
                return
            is_logged = True
            # The raw path is percent-encoded: it can't break the line. No query, no body, no key.
            path = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
            line = (scope["method"], path, status or "-", milliseconds(), request_id)
            _log.info("%s %s %s %.0f ms %s%s", *line, student and f" {student}")

        async def send_and_log(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.body" and not message.get("more_body"):
                log()  # first: who has an answer finds its line
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", str(round(milliseconds())).encode()),
                ]
            await send(message)

        try:
            with contextlib.ExitStack() as meanwhile:
                app = self._app
                try:
                    student = self._caller(Request(scope))
                    meanwhile.enter_context(acting_for(student))
                    meanwhile.enter_context(self._quotas.request())
                except ApiError as refusal:
                    app = error_responses.response(refusal)
                await app(scope, receive, send_and_log)
        finally:
            log()

    def _caller(self, request: Request) -> str:
        """For whom a request is: a student, or "" for the lab's own key. Raises ApiError."""
        if not self._reach.allows(request.headers.get("host", "")):
            # A web page that points its own name at this machine must not reach the lab.
            more = "" if self._reach.is_loopback else " `--host-name` adds a name."
            message = f"The lab answers to {self._reach.hosts()} only.{more}"
            raise ApiError(403, message, "host_not_allowed")
        for origin in request.headers.getlist("origin"):
            # Also with the key: a page that has got hold of it is still not its owner.
            if not self._reach.allows_page(origin, request.headers.get("host", "")):
                shown = origin[:200]
                message = f"Pages of '{shown}' may not call the lab. `--cors` names who may."
                raise ApiError(403, message, "origin_not_allowed")
        if request.url.path == "/health":
            return ""
        key = _key_of(request)
        if not key:
            raise ApiError(
                401,
                "You didn't provide an API key. Send the lab's key in an "
                "Authorization header: 'Bearer KEY'.",
                None,
            )
        if hmac.compare_digest(key.encode("latin-1", "replace"), self._key):
            return ""
        if self._students and (student := self._students.of_key(key)):
            return student
        where = "The lab's key is in the file 'key' of its state folder."
        if self._students:
            where = "Ask whoever runs the lab for yours."
        message = f"Incorrect API key provided: {_masked(key)}. {where}"
        raise ApiError(401, message, "invalid_api_key")


def _key_of(request: Request) -> str:
    """The key as OpenAI's clients send it, or as Azure's do."""
    header = request.headers.get("authorization", "")
    if header[:7].lower() == "bearer ":
        return header[7:].strip()
    return request.headers.get("api-key", "").strip()


def _masked(key: str) -> str:
    return key[:4] + "*" * 8 + key[-4:] if len(key) > 16 else "*" * 8
