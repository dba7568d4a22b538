"""What every check of the set is: shown the examples one by one, it keeps numbers, not rows.

About 300 bytes a row for the first `REMEMBERED` rows, none for later ones. Knows nothing of files.
"""

from collections.abc import Iterator

from workbook.doctor.fingerprints import Example
from workbook.doctor.limits import REMEMBERED
from workbook.doctor.lines import Problem

LineProblem = tuple[int | None, Problem]
"""A problem under the number of its line; None where it is the whole set's."""


class SetCheck:
    """One check of the set."""

    def add(self, example: Example) -> Iterator[LineProblem]:
        """Look at the next example."""
        yield from ()

    def end(self) -> Iterator[LineProblem]:
        """Say what only the whole set shows."""
        yield from ()


class FirstSeen:
    """By fingerprint, where something was first seen; at most `REMEMBERED` are kept."""

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.is_full = False

    def place(self, key: int, here: int) -> int:
        """Where the same was first.

        here: where it is now.
        """
        if len(self.places) < REMEMBERED:
            return self.places.setdefault(key, here)
        self.is_full = self.is_full or key not in self.places
        return self.places.get(key, here)

    def limit(self, what: str) -> Iterator[LineProblem]:
        """That not everything was compared, if it was not."""
        if self.is_full:
            message = f"{what} were compared with the first {REMEMBERED:,} different ones only"
            yield None, ("sampled", message, "")
