"""One HTTP request with JSON and a token, for calls that no host's client has.

Knows HTTP and how hosts put an error; knows no host.
"""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from workbook.errors import WorkbookError

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RefusedRequestError(WorkbookError):
    """The host refused: `status`, and its own `code` where it gave one."""

    def __init__(self, message: str, status: int, code: str | None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def send(method: str, url: str, token: str, body: Any = None, seconds: float = 60) -> Any:
    """The JSON of the answer; None where it is empty.

    Raises RefusedRequestError with the host's own sentence, and WorkbookError without a connection
    or where the answer is no JSON: something else answers at that address.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")
    is_here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    open_ = _NO_PROXY.open if is_here else urllib.request.urlopen
    try:
        with open_(request, timeout=seconds) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise _refused(f"{method} {urlsplit(url).path}", error) from None
    except (OSError, http.client.HTTPException) as error:
        host = urlsplit(url).netloc
        reason = getattr(error, "reason", error)
        raise WorkbookError(f"{host} could not be reached: {reason}.") from None
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        start = text[:80].decode("utf-8", "replace")
        raise WorkbookError(
            f"{method} {urlsplit(url).path}: {urlsplit(url).netloc} answered with what is no JSON: "
            f"{start!r}. Is that the host's address?"
        ) from None


def _refused(what: str, error: urllib.error.HTTPError) -> RefusedRequestError:
    text = error.read().decode("utf-8", "replace")
    try:
        fault = json.loads(text)["error"]
        code, message = str(fault.get("code") or ""), str(fault["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = "", text.strip()[:300]
    named = f"{error.code} {code}".replace(f"{error.code} {error.code}", str(error.code)).strip()
    return RefusedRequestError(f"{what}: {named}: {message}", error.code, code or None)
