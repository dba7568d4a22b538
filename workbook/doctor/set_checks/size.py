"""Whether there are enough examples."""

from collections.abc import Iterator

from workbook.doctor.limits import ADVISED_EXAMPLES
from workbook.doctor.lines import Problem
from workbook.rows.rules import MIN_EXAMPLES


def size_problems(rows: int) -> Iterator[Problem]:
    """What is to be said of so many examples."""
    if not rows:
        yield "empty-file", "no example at all", ""
    elif rows < MIN_EXAMPLES:
        yield "too-few", f"only {rows} example{'' if rows == 1 else 's'}", ""
    elif rows < ADVISED_EXAMPLES:
        yield "few", f"{rows} examples", ""
