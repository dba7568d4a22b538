"""What a state folder holds, told or deleted while no server needs to run. Reads, but for `delete`.

Knows the store's tables and folders; changes nothing in them.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from workbook.errors import WorkbookError
from workbook.lab.state.store import FOLDERS, base_of

_DATABASE = "lab.sqlite3"


@dataclass(frozen=True)
class Tuned:
    """A tuned model or checkpoint. bytes: its weights on disk, shared with other names it has."""

    id: str
    job_id: str
    created_at: int
    bytes: int

    @property
    def base(self) -> str:
        return base_of(self.id)


def is_state(folder: Path) -> bool:
    """Whether a lab has kept its records here."""
    return (folder / _DATABASE).exists()


def tuned(folder: Path) -> list[Tuned]:
    """The tuned models, oldest first."""
    sql = "SELECT id, job_id, created_at, folder FROM models ORDER BY number"
    return [
        Tuned(id, job, created, size(folder / place))
        for id, job, created, place in _rows(folder, sql)
    ]


def summary(folder: Path) -> str:
    """Files, jobs, batches and tuned models, counted."""
    kinds = {
        "files": ("file", "files"),
        "jobs": ("job", "jobs"),
        "batches": ("batch", "batches"),
        "models": ("tuned model", "tuned models"),
    }
    counts = {table: _count(folder, table) for table in kinds}
    return ", ".join(f"{n:,} {kinds[table][n != 1]}" for table, n in counts.items())


def delete(folder: Path) -> None:
    """Delete records and bytes; the key stays. Only for whoever holds the folder."""
    for path in folder.glob(f"{_DATABASE}*"):  # first: bytes without a record are swept anyway
        path.unlink()
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)


def size(folder: Path) -> int:
    """Bytes of all files in a folder; 0 when it is not there. Others may tidy up in it meanwhile."""
    found = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                found += os.stat(os.path.join(inside, name)).st_size
    return found


def _count(folder: Path, table: str) -> int:
    try:
        return _rows(folder, f"SELECT count(*) FROM {table}")[0][0] if is_state(folder) else 0
    except WorkbookError:
        return 0  # a damaged database can be deleted, too


def _rows(folder: Path, sql: str) -> list[tuple]:
    if not is_state(folder):
        return []
    try:
        address = (folder / _DATABASE).resolve().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            return database.execute(sql).fetchall()
    except sqlite3.Error as error:
        raise WorkbookError(f"The records in {folder} can't be read: {error}.") from None
