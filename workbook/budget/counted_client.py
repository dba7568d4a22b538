"""A copy of an `openai` client that tells of every request and answer; the same class and calls.

Knows how openai and httpx send, stream and fail. Knows nothing of money, and changes nothing in a
request or an answer.
"""

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from workbook.errors import WorkbookError

if TYPE_CHECKING:
    from openai import OpenAI

# openai 2 sends with httpx, openai 3 with httpx2: the same names, no class in common.
Request = Any
Response = Any


def counted(
    client: "OpenAI",
    before: Callable[[Request], None],
    after: Callable[[Request, Response], None],
    lost: Callable[[Request, Exception], None],
) -> "OpenAI":
    """The copy. Its connections are those of the plain client, which goes on as before.

    before: called ahead of each attempt; what it raises goes straight to the student
    after: called with every answer, those of failed attempts included; a streamed one is unread
    lost: called where no answer came
    Raises WorkbookError for an asynchronous client.
    """
    import openai

    if not isinstance(client, openai.OpenAI):
        raise WorkbookError("A budget goes around openai.OpenAI, not an asynchronous client.")
    plain = client._client

    class MeteredClient(type(plain)):  # type: ignore[misc]  # whatever class of httpx's it has
        plain_client = plain  # else it might be collected, and close the connections now

        def send(self, request: Request, **options: Any) -> Response:
            try:
                response = super().send(request, **options)
            except Exception as error:
                lost(request, error)
                raise
            after(request, response)
            return response

        def __del__(self) -> None:
            pass  # the connections are the plain client's, who closes them

    metered = copy.copy(plain)
    metered.__class__ = MeteredClient

    class CountedOpenAI(type(client)):  # type: ignore[misc]  # a student's own class stays one
        def _prepare_request(self, request: Request) -> None:
            super()._prepare_request(request)
            before(request)

    copied = client.copy(http_client=metered)
    copied.__class__ = CountedOpenAI
    return copied


def listen(response: Response, ended: Callable[[bytes, bool], None]) -> None:
    """Call `ended` once, when a streamed body was read or its reading broke off.

    ended: gets the body as far as it was read, and whether that is the whole
    """
    read, close = response.iter_bytes, response.close
    pieces: list[bytes] = []
    is_open = True

    def end(whole: bool) -> None:
        nonlocal is_open
        if is_open:
            is_open = False
            ended(b"".join(pieces), whole)

    def iter_bytes(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        for piece in read(*args, **kwargs):
            pieces.append(piece)
            if b"data: [DONE]" in b"".join(pieces[-2:]):
                end(True)  # a client may stop reading here
            yield piece
        end(True)

    def close_and_end() -> None:
        close()
        end(False)

    # What is open already can't be made anew around another stream.
    response.iter_bytes = iter_bytes
    response.close = close_and_end
