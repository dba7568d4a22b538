"""What reading yields and what checking yields: a numbered row, and a problem.

Knows neither how rows are read nor what may be wrong with them.
"""

from dataclasses import dataclass
from typing import Any, Self

Problem = tuple[str, str, Any]
"""(code, message, the value to quote)."""


@dataclass(frozen=True)
class Line:
    """One row as it was read: its number (from 1), its value, and what reading it brought up."""

    number: int
    value: Any = None
    problems: tuple[Problem, ...] = ()
    readable: bool = True
    size: int = 0
    """Bytes of a line of JSONL; 0 where it was none."""

    @classmethod
    def unreadable(cls, number: int, *problems: Problem) -> Self:
        """A line without a value: it can't be read, or there is nothing on it."""
        return cls(number, None, problems, readable=False)
