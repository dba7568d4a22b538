"""Beginning anew: what a reset deletes of the lab's state and bases, and in which order.

Knows the state folder and the registered bases; whether anybody has agreed, it does not know.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbook import files
from workbook.lab.model import bases, weights
from workbook.lab.state import inventory, mark, server_file
from workbook.lab.state.database import Database
from workbook.lab.state.tables import DATABASE


@dataclass(frozen=True)
class Reset:
    """A deletion that may be carried out: no lab uses the folder meanwhile."""

    folder: Path
    with_weights: bool

    def contents(self) -> str:
        """What would be lost, in words."""
        records = inventory.summary(self.folder)
        if not self.with_weights:
            return records
        return f"{records}, and the base models: {', '.join(bases.names())}"

    def carry_out(self) -> list[str]:
        """Delete records and bytes, and the base models where they are meant; the key stays.

        What others have put there stays, too: its names, below the folder, are the value.
        """
        doomed = [
            path
            for name in mark.FOLDERS
            for path in {
                *mark.own(self.folder, name),
                *(self.folder / name / id for id in inventory.ids(self.folder, name)),
            }
        ]
        for ending in ("", "-wal", "-shm", "-journal"):
            (self.folder / f"{DATABASE}{ending}").unlink(missing_ok=True)
        for path in doomed:
            files.remove(path)
        for name in mark.FOLDERS:
            with contextlib.suppress(OSError):  # somebody else's things are in it
                (self.folder / name).rmdir()
        if left := mark.foreign(self.folder):
            Database(self.folder).close()  # empty records: the folder is still the lab's
        if self.with_weights:
            for name in bases.names()[1:]:
                bases.remove(name)
            shutil.rmtree(bases.location(weights.MODEL), ignore_errors=True)
        return left


def is_needed(folder: Path, with_weights: bool) -> bool:
    """Whether there may be anything to delete."""
    return with_weights or mark.holds_anything(folder)


@contextlib.contextmanager
def holding(folder: Path, with_weights: bool) -> Iterator[Reset]:
    """Take the state folder for a reset.

    with_weights: the base models, too.
    Raises WorkbookError when a lab uses the folder, or when it is not the lab's.
    """
    with server_file.hold(folder, mark.check_reset):
        yield Reset(folder, with_weights)
