"""Bars on standard error for what takes longer than two seconds.

Knows nothing of what is counted.
"""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from workbook import display

T = TypeVar("T")


def watched(items: Iterable[T], doing: str, unit: str = " rows") -> Iterable[T]:
    """The items, under a bar that counts them.

    doing: stands before the bar.
    unit: of what is counted, with a space before it.
    """
    return tqdm(items, desc=doing, unit=unit, delay=2, leave=False, disable=_is_log())


def byte_bar(total: int, doing: str) -> tqdm:
    """A bar for so many bytes, to be moved by hand."""
    return tqdm(
        total=total, desc=doing, unit="B", unit_scale=True, delay=2, leave=False, disable=_is_log()
    )


def _is_log() -> bool:
    """Whether what is written on stderr goes into a file or a pipe, where a bar is only noise."""
    return not (sys.stderr.isatty() or display.in_notebook())
