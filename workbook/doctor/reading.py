"""The rows of a file in any format, for use: the first that can't be read is an error here.

Knows files that are good. What is wrong with the others, `doctor.check` says.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbook.doctor.codes import CODES
from workbook.doctor.errors import DatasetError
from workbook.doctor.losses import Losses
from workbook.doctor.readers.source import open_source


def read(path: str | Path, **options: Any) -> list[Any]:
    """The rows of a file in any format of `workbook.doctor.readers`; a BOM and blank lines are
    passed over, rows in the forms of other tools become chat, pairs or preferences.

    options: columns names keys, as {"prompt": "Question"}; for WhatsApp exports: assistant,
    gap_hours, date_order, mask, system, consent and without (`readers.consent`).
    Warns (DataLossWarning) of what is left out. Raises DatasetError for a missing file, and for the
    first row that can't be read; `check` lists all of them.
    """
    return list(stream(path, **options))


def stream(path: str | Path, doing: str = "reading", **options: Any) -> Iterator[Any]:
    """As `read`, one row after the other.

    doing: stands before the bar of what takes long.
    """
    losses = Losses()
    for _, row in numbered(path, losses, doing, **options):
        yield row
    losses.warn()


def numbered(
    path: str | Path, losses: Losses, doing: str = "reading", **options: Any
) -> Iterator[tuple[int, Any]]:
    """As `stream`, each row with the number of its line.

    losses: counts what is left out.
    """
    source = open_source(path, **options)
    n_rows = 0
    for line in source.watched(doing):
        losses.note(line.problems, line.number)
        if line.readable:
            n_rows += 1
            yield line.number, line.value
        elif errors := [
            message for code, message, _ in line.problems if CODES[code].severity == "error"
        ]:
            raise DatasetError(
                f"{source.path.name}, line {line.number}: {errors[0]}. "
                "doctor.check lists everything that is wrong with the file."
            )
    losses.note(source.problems)
    if not n_rows and source.format == "nothing":
        raise DatasetError(f"{source.path.name} is {source.problems[0][1]}.")
