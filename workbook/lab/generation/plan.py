"""What becomes of a request for text: a plan, and an answer, whole or in chunks.

Knows which parts a plan has; what a body holds and how an answer looks, `chat` and `completions`
know.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from workbook.lab.errors import ApiError
from workbook.lab.serving.types import Completion, Request, TokenLogprob


class Chunks(Protocol):
    """An endpoint's objects for the stages of a stream.

    index: which of the answers.
    """

    named_events: bool  # whether events carry their type as a name
    ends_with_done: bool  # whether the stream's last event is [DONE]

    def begin(self, index: int) -> Iterable[dict[str, Any]]:
        """Before anything is written."""

    def text(
        self, index: int, piece: str, logprobs: list[TokenLogprob]
    ) -> Iterable[dict[str, Any]]:
        """After each piece of text."""

    def end(self, index: int, completion: Completion) -> Iterable[dict[str, Any]]:
        """When an answer is complete."""

    def close(self, completions: list[Completion]) -> Iterable[dict[str, Any]]:
        """When all are."""

    def failure(self, error: ApiError) -> dict[str, Any]:
        """What is sent last when the engine can't go on."""


class Plan(Protocol):
    """A checked request: what the engine is to do, and how its answers are to be shaped."""

    @property
    def requests(self) -> list[Request]:
        """For the engine; each gives one answer."""

    @property
    def stream(self) -> bool:
        """Whether the answer is to be sent as it is written."""

    def answer(self, completions: list[Completion]) -> dict[str, Any]:
        """The object that is sent when all is done."""

    def chunks(self) -> Chunks:
        """What is sent meanwhile, when the answer is streamed."""
