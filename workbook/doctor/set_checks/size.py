"""Whether there are enough examples."""

from collections.abc import Iterator

from workbook.doctor.limits import ADVISED_EXAMPLES
from workbook.doctor.lines import Problem
from workbook.doctor.profiles import Profile
from workbook.rows.rules import MIN_EXAMPLES


def size_problems(rows: int, host: Profile) -> Iterator[Problem]:
    """What is to be said of so many examples.

    host: who takes them from a number on.
    """
    least = host.value("min_examples") or 1
    if not rows:
        yield "empty-file", "no example at all", ""
    elif rows < least:
        demand = "" if least == MIN_EXAMPLES else f": {host.label} asks for {least:,}"
        yield "too-few", f"only {rows} example{'' if rows == 1 else 's'}{demand}", ""
    elif rows < ADVISED_EXAMPLES:
        yield "few", f"{rows} examples", ""
