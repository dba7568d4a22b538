"""A copy of an `openai` client that tells of every request and answer; the same class and calls.

Knows how openai and httpx send, stream and fail, also asynchronously. Knows nothing of money, and
changes nothing in a request or an answer.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbook.errors import WorkbookError

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

# openai 2 sends with httpx, openai 3 with httpx2: the same names, no class in common.
Request = Any
Response = Any


@dataclass(frozen=True)
class Hooks:
    """What is told of a client's calls.

    before: called ahead of each attempt; what it raises goes straight to the student
    after: called with every answer, those of failed attempts included; a streamed one is unread
    lost: called where no answer came
    """

    before: Callable[[Request], None]
    after: Callable[[Request, Response], None]
    lost: Callable[[Request, Exception], None]


def counted(client: "OpenAI", hooks: Hooks) -> "OpenAI":
    """The copy. Its connections are those of the plain client, which goes on as before.

    Raises WorkbookError for an asynchronous client.
    """
    import openai

    if not isinstance(client, openai.OpenAI):
        raise WorkbookError(
            "A budget goes around openai.OpenAI, not an asynchronous client: it has one of its "
            "own, budget.async_client."
        )
    plain = client._client

    class MeteredClient(type(plain)):  # type: ignore[misc]  # whatever class of httpx's it has
        plain_client = plain  # else it might be collected, and close the connections now

        def send(self, request: Request, **options: Any) -> Response:
            try:
                response = super().send(request, **options)
            except Exception as error:
                hooks.lost(request, error)
                raise
            hooks.after(request, response)
            return response

        def __del__(self) -> None:
            pass  # the connections are the plain client's, who closes them

    class CountedOpenAI(_over_http_only(type(client))):  # type: ignore[misc]
        def _prepare_request(self, request: Request) -> None:
            super()._prepare_request(request)
            hooks.before(request)

    return _with_classes(client, MeteredClient, CountedOpenAI)


def counted_async(client: "OpenAI", hooks: Hooks) -> "AsyncOpenAI":
    """An asynchronous client that calls the same host; the hooks run in a thread, as they read
    files. Raises WorkbookError for a client of Azure's own class."""
    import openai

    if isinstance(client, openai.AzureOpenAI):
        raise WorkbookError("Use the plain OpenAI client with Azure's address, …/openai/v1/.")
    twin = openai.AsyncOpenAI(
        api_key=client.api_key,
        base_url=client.base_url,
        organization=client.organization,
        project=client.project,
        timeout=client.timeout,
        max_retries=client.max_retries,
        default_headers=client._custom_headers,
        default_query=client._custom_query,
    )
    plain = twin._client

    class MeteredClient(type(plain)):  # type: ignore[misc]
        plain_client = plain

        async def send(self, request: Request, **options: Any) -> Response:
            try:
                response = await super().send(request, **options)
            except Exception as error:
                await asyncio.to_thread(hooks.lost, request, error)
                raise
            await asyncio.to_thread(hooks.after, request, response)
            return response

        def __del__(self) -> None:
            pass

    class CountedAsyncOpenAI(_over_http_only(openai.AsyncOpenAI)):  # type: ignore[misc]
        async def _prepare_request(self, request: Request) -> None:
            await super()._prepare_request(request)
            await asyncio.to_thread(hooks.before, request)

    return _with_classes(twin, MeteredClient, CountedAsyncOpenAI)


def _with_classes(client: Any, metered_class: type, counted_class: type) -> Any:
    metered = copy.copy(client._client)
    metered.__class__ = metered_class
    copied = client.copy(http_client=metered)
    copied.__class__ = counted_class
    return copied


def _over_http_only(base: type) -> Any:
    """A client's class without the calls that would open a connection past the counted one."""

    class OverHTTPOnly(base):
        def copy(self, *args: Any, http_client: Any = None, **options: Any) -> Any:
            if http_client is not None:
                raise WorkbookError(
                    "A budget counts on its own connections: give http_client to the plain client."
                )
            return super().copy(*args, **options)

        with_options = copy

        def _prepare_url(self, url: str) -> Any:
            if str(url).startswith(("ws:", "wss:")):
                _refuse()
            return super()._prepare_url(url)

        @cached_property
        def responses(self) -> Any:
            resource = super().responses
            resource.connect = _refuse
            return resource

        @property
        def realtime(self) -> Any:
            return _refuse()

    return OverHTTPOnly


def _refuse(*_: Any, **__: Any) -> None:
    raise WorkbookError(
        "Nothing was sent: a budget can't count what goes over a WebSocket. Use requests."
    )


def listen(response: Response, read_whole: Callable[[bytes], None]) -> None:
    """Call `read_whole` with a streamed body when it has been read to its end.

    Not when its reading broke off: then nobody knows how the answer went on.
    """
    body = bytearray()
    is_open = True

    def end() -> None:
        nonlocal is_open
        if is_open:
            is_open = False
            read_whole(bytes(body))

    def take(piece: bytes) -> None:
        body.extend(piece)
        # A client may stop reading here. JSON holds no bare line break, so no text can say this.
        if _DONE in body[-len(piece) - len(_DONE) :] or body.startswith(_DONE[1:]):
            end()

    # What is open already can't be made anew around another stream.
    if hasattr(response.stream, "__iter__"):
        read = response.iter_bytes

        def iter_bytes(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            for piece in read(*args, **kwargs):
                take(piece)
                yield piece
            end()

        response.iter_bytes = iter_bytes
    else:
        aread = response.aiter_bytes

        async def aiter_bytes(*args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
            async for piece in aread(*args, **kwargs):
                take(piece)
                yield piece
            end()

        response.aiter_bytes = aiter_bytes


_DONE = b"\ndata: [DONE]"
