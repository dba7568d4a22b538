"""Beginning anew: what a reset deletes of the lab's state and bases, and in which order.

Knows the state folder and the registered bases; whether anybody has agreed, it does not know.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbook.lab.model import bases, weights
from workbook.lab.state import inventory, server_file
from workbook.lab.state.store import FOLDERS
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

    def carry_out(self) -> None:
        """Delete records and bytes, and the base models where they are meant; the key stays."""
        for path in self.folder.glob(f"{DATABASE}*"):  # first: bytes without a record are swept
            path.unlink()
        for name in FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        if self.with_weights:
            for name in bases.names()[1:]:
                bases.remove(name)
            shutil.rmtree(bases.location(weights.MODEL), ignore_errors=True)


def is_needed(folder: Path, with_weights: bool) -> bool:
    """Whether there may be anything to delete."""
    return with_weights or inventory.is_state(folder)


@contextlib.contextmanager
def holding(folder: Path, with_weights: bool) -> Iterator[Reset]:
    """Take the state folder for a reset.

    with_weights: the base models, too.
    Raises WorkbookError when a lab uses the folder.
    """
    with server_file.hold(folder):
        yield Reset(folder, with_weights)
