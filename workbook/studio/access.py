"""Who may see the Studio: this machine's own browser, with the token that the address brings.

The first request has `?token=…`; the answer keeps it in a cookie that scripts can't read, and leads
to the address without it. Knows HTTP and web sockets; knows no pages.
"""

import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_LOCKED = (
    "This is the Studio of the Fine-Tuning Workbook, and it opens with the whole address, token "
    "included, that `workbook studio` has printed where it was started. In a frame, use the same "
    "name of this machine (127.0.0.1 or localhost) as the page around it."
)
# Scripts, styles, pictures and calls come from here alone, whatever a text in the page says.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self' "
)
_LOCAL_FRAMES = "http://127.0.0.1:* http://localhost:*"
_COLAB_FRAMES = "https://colab.research.google.com https://*.googleusercontent.com"


class Access:
    """ASGI middleware that lets nobody in without the token.

    port: the cookie is named by it: cookies of one machine are shared by all of its ports
    colab: the page is shown through Colab's proxy, inside a page of another address, by HTTPS
    """

    def __init__(self, app: Any, token: str, port: int, colab: bool = False) -> None:
        self._app, self._token, self._colab = app, token, colab
        self._cookie = f"workbook-studio-{port}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not self._is_from_here(scope, headers):
            await _refuse(scope, send)
        elif scope["type"] == "http" and self._fits(dict(query).get("token", "")):
            await self._let_in(scope["path"], query, send)
        elif self._fits(self._kept(headers.get("cookie", ""))):
            await self._app(scope, receive, self._guarded(send))
        else:
            await _refuse(scope, send)

    def _fits(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _kept(self, header: str) -> str:
        try:
            cookie = SimpleCookie(header).get(self._cookie)
        except CookieError:
            return ""
        return cookie.value if cookie else ""

    def _is_from_here(self, scope: Any, headers: dict[str, str]) -> bool:
        """Whether this machine's own name was called, and by a page of the Studio.

        A name that leads here only by somebody's DNS is another page's way in.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._colab:  # its proxy writes both anew
            return True
        if _name(host) not in LOOPBACK:
            return False
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        return not changes or origin is None or urlsplit(origin).netloc == host

    async def _let_in(self, path: str, query: Iterable[tuple[str, str]], send: Any) -> None:
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        site = "SameSite=None; Secure; Partitioned" if self._colab else "SameSite=Lax"
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; {site}"
        # One slash: two would name another machine.
        place = "/" + path.lstrip("/\\") + (f"?{rest}" if rest else "")
        headers = [("location", place), ("set-cookie", cookie), ("referrer-policy", "no-referrer")]
        await _answer(send, 303, "", headers)

    def _guarded(self, send: Any) -> Any:
        frames = _COLAB_FRAMES if self._colab else _LOCAL_FRAMES

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = {
                    "content-security-policy": _POLICY + frames,
                    "referrer-policy": "no-referrer",
                    "x-content-type-options": "nosniff",
                }
                message = {
                    **message,
                    "headers": [*message.get("headers", []), *_encoded(more.items())],
                }
            await send(message)

        return with_headers


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _refuse(scope: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await _answer(send, 403, _LOCKED, [("content-type", "text/plain; charset=utf-8")])


async def _answer(send: Any, status: int, text: str, headers: list[tuple[str, str]]) -> None:
    body = text.encode()
    whole = [*headers, ("content-length", str(len(body))), ("cache-control", "no-store")]
    await send({"type": "http.response.start", "status": status, "headers": _encoded(whole)})
    await send({"type": "http.response.body", "body": body})
