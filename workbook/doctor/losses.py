"""What a reading, a fix or a conversion leaves out of rows: what, how often, and where first.

A counter, so that whoever leaves something out only counts it. Knows nothing of rows.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Any

from workbook.doctor.lines import Problem

LOSS_CODES = ("lost", "sheets", "repeated-key")
"""Codes of what reading a file leaves out."""
TOLD_CODES = ("lost-value", "speakers", "app-language", "merged")
"""Codes of what reading decided, and whoever uses the rows should know."""
CALL_IDS = "ids of tool calls (they are paired by their order)"
SEPARATORS = "signs at the end of prompts that only said where the answer begins"
_OF_FORM = (CALL_IDS, SEPARATORS)


class DataLossWarning(UserWarning):
    """Something of the data did not come along."""


def count_unused(value: Any, used: Set[str], lost: Counter[str], of: str = "messages") -> None:
    """Count the keys of a message, or of what `of` says, that hold something and have no place in
    another form; what is no object has none."""
    if not isinstance(value, Mapping):
        return
    for key in sorted(map(str, value.keys() - used)):
        if value.get(key) is not None:
            lost[f"`{key}` of {of}"] += 1


class Losses(Counter[str]):
    """How often each thing was left out; `line` is set to the row that is being worked on."""

    def __init__(self) -> None:
        super().__init__()
        self.line: int | None = None
        self.first: dict[str, int] = {}
        self.told: list[str] = []
        """What reading decided, in words."""

    def __setitem__(self, what: str, count: int) -> None:
        if self.line is not None:
            self.first.setdefault(what, self.line)
        super().__setitem__(what, count)

    def note(self, problems: Iterable[Problem], line: int | None = None) -> None:
        """Count what reading left out, among the problems of a line or a file."""
        self.line = line
        for code, message, _ in problems:
            if code in TOLD_CODES:
                self.told.append(message)
            if code in LOSS_CODES:
                self[message.removeprefix("lost: ")] += 1

    def sentences(self) -> list[str]:
        """Each thing that was left out, how often, and on which line first."""
        return [
            f"lost: {what} ({count:,} ×"
            + (f", first on line {self.first[what]:,})" if what in self.first else ")")
            for what, count in self.items()
        ]

    def without_consent(self, consent: Iterable[str] = ()) -> list[str]:
        """What was left out and nobody agreed to; what only the form asks for is not among it.

        consent: keys, or `all`.
        """
        names = {name.lower() for name in consent}
        if "all" in names:
            return []
        return [
            what
            for what in self
            if what not in _OF_FORM and not any(f"`{name}`" in what.lower() for name in names)
        ]

    def warn(self) -> None:
        """Say it as a warning of Python, for those who call functions."""
        for sentence in self.sentences():
            warnings.warn(sentence, DataLossWarning, stacklevel=3)
