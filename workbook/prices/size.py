"""A number of tokens that no rule gives exactly: at least, expected, at most. Knows no texts."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Tokens of a row or a request.

    expected: what the published rules give
    at_least, at_most: what the bill can't go below or beyond, by what is known of the host
    gaps: what no rule counts, as words: "a sound"; with one, `at_most` holds for the rest only
    """

    at_least: int = 0
    expected: int = 0
    at_most: int = 0
    gaps: frozenset[str] = frozenset()

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.at_least + other.at_least,
            self.expected + other.expected,
            self.at_most + other.at_most,
            self.gaps | other.gaps,
        )

    def within(self, low: float, high: float) -> "Size":
        """The same for a vocabulary that is only like the model's: true counts lie between
        `low` and `high` times what was counted."""
        return Size(
            math.floor(self.at_least * low),
            self.expected,
            math.ceil(self.at_most * high),
            self.gaps,
        )


def exactly(tokens: int) -> Size:
    """A number that is known."""
    return Size(tokens, tokens, tokens)
