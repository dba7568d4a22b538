"""Some room on the disk that is kept for deleting: a record of it takes a little, too.

Without it nobody could make room on a full disk. Knows one file; nothing of records.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from workbook import files

NAME, SIZE = "reserve", 2**20  # in the state folder; bytes

_Result = TypeVar("_Result")


class Reserve:
    """A file that takes room, and gives it when it is needed."""

    def __init__(self, folder: Path) -> None:
        """Takes the room if there is some."""
        self._path = folder / NAME
        self._take()

    def needed_for(self, work: Callable[[], _Result]) -> _Result:
        """Do what makes room; where that has none itself, once more with the reserve."""
        try:
            return work()
        except (OSError, sqlite3.OperationalError):
            if not self._path.exists():
                raise
            self._path.unlink()
            return work()
        finally:
            self._take()

    def _take(self) -> None:
        if not self._path.exists():
            with contextlib.suppress(OSError), files.replacing(self._path, private=True) as file:
                file.write(os.urandom(SIZE))  # zeros might take no room
