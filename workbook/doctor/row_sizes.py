"""How many tokens rows have, by the million: chats of texts by a short way, any other with care.

Both count the same. Knows the rules of counting from `workbook.prices`; judges no row.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

import psutil

from workbook.doctor.row_parts import is_system, objects_in
from workbook.prices import vocabularies
from workbook.prices.size import Size
from workbook.prices.sizes import Sizer
from workbook.prices.token_rules import TokenRules
from workbook.rows.rules import ROLES

_GROWTH = 128 * 1024 * 1024  # bytes of memory after which the counter is started anew
_ROLES = frozenset(ROLES)


class RowSize(NamedTuple):
    """The tokens of one row."""

    size: Size
    answers: int
    """Of its answers."""
    has_system: bool
    """Whether there is a system message."""


class RowCounter:
    """Counts rows by the rules of one model."""

    def __init__(self, rules: TokenRules) -> None:
        count = vocabularies.counter(rules.encoding)
        self._sizer = Sizer(rules, count)
        self._count_again = lru_cache(2_000)(self._sizer.tokens)
        self._memory = _memory()

    def plain(self, row: Any) -> RowSize | None:
        """The tokens of a chat of texts that ends with an answer; None for a row that is none, or
        that something may be wrong with: the careful functions look at it."""
        try:
            return self._plain(row)
        except Exception:  # not as usual, whatever it is
            return None

    def _plain(self, row: Any) -> RowSize | None:
        messages = row["messages"]
        if len(row) != 1 or type(messages) is not list or not messages:
            return None
        texts, answers, roles, rules = 0, 0, set(), self._sizer.rules
        marks = rules.conversation + rules.message * len(messages)
        if messages[0]["role"] not in ("system", "developer"):
            marks += rules.without_system
        for message in messages:
            role, content = message["role"], message["content"]
            if (
                len(message) != 2
                or type(content) is not str
                or role not in _ROLES
                or not content
                or content.isspace()
            ):
                return None
            # System messages and labels come again and again.
            comes_again = len(content) < (5_000 if role == "system" else 25)
            number = self._count_again(content) if comes_again else self._sizer.tokens(content)
            texts += self._count_again(role) + number
            if role == "assistant":
                answers += number
            roles.add(role)
        if role != "assistant" or "user" not in roles or "tool" in roles:
            return None
        has_system = "system" in roles or "developer" in roles
        size = Size(texts, texts + marks, texts + marks).within(rules.low, rules.high)
        return RowSize(size, answers, has_system)

    def any(self, row: Mapping[str, Any]) -> RowSize:
        """The tokens of a row in any format."""
        has_system = any(map(is_system, objects_in(row.get("messages"))))
        return RowSize(self._sizer.row(row), self._sizer.answers(row), has_system)

    def forget_if_large(self) -> None:
        """Have the next caller start anew where this one remembers too many words."""
        if _memory() > self._memory + _GROWTH:
            counter.cache_clear()


@cache
def counter(rules: TokenRules) -> RowCounter:
    """The counter of a model's rules.

    Raises WorkbookError where the vocabulary is not on this machine.
    """
    return RowCounter(rules)


def _memory() -> int:
    """Bytes that this process has in memory."""
    return psutil.Process().memory_info().rss
