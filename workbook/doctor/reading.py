"""The rows of a file in any format, for use: the first that can't be read is an error here.

Knows files that are good. What is wrong with the others, `doctor.check` says.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbook.doctor.codes import CODES
from workbook.doctor.errors import DatasetError
from workbook.doctor.readers.source import open_source


def read(path: str | Path, **options: Any) -> list[Any]:
    """The rows of a file in any format of `workbook.doctor.readers`; a BOM and blank lines are
    passed over.

    options: for WhatsApp exports: assistant, gap_hours, date_order, mask, system.
    Raises DatasetError for a missing file, and for the first row that can't be read; `check` lists
    all of them.
    """
    return list(stream(path, **options))


def stream(path: str | Path, doing: str = "reading", **options: Any) -> Iterator[Any]:
    """As `read`, one row after the other.

    doing: stands before the bar of what takes long.
    """
    source = open_source(path, **options)
    for line in source.watched(doing):
        if line.readable:
            yield line.value
        elif errors := [
            message for code, message, _ in line.problems if CODES[code].severity == "error"
        ]:
            raise DatasetError(
                f"{source.path.name}, line {line.number}: {errors[0]}. "
                "doctor.check lists everything that is wrong with the file."
            )
