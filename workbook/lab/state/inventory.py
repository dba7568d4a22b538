"""What a state folder holds, told without a server: tuned models, counts, sizes.

Knows the store's tables and folders; changes nothing in them.
"""

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbook.errors import WorkbookError
from workbook.lab.ids import base_of
from workbook.lab.state.tables import DATABASE, TABLES


@dataclass(frozen=True)
class TunedModel:
    """A tuned model or checkpoint.

    bytes: of its weights on disk, which it shares with other names that it has.
    """

    id: str
    job_id: str
    created_at: int
    bytes: int

    @property
    def base(self) -> str:
        """The name of the base that it was tuned from."""
        return base_of(self.id)


def is_state(folder: Path) -> bool:
    """Whether a lab has kept its records here."""
    return (folder / DATABASE).exists()


def ids(folder: Path, name: str) -> list[str]:
    """The ids of all files, jobs or batches, as far as the records can be read."""
    if name not in TABLES.values():
        return []
    try:
        return [row[0] for row in _rows(folder, f"SELECT id FROM {name}")]
    except WorkbookError:
        return []


def tuned_models(folder: Path) -> list[TunedModel]:
    """The tuned models, oldest first."""
    sql = "SELECT id, job_id, created_at, folder FROM models ORDER BY number"
    return [
        TunedModel(id, job, created, size(folder / place))
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


def size(folder: Path) -> int:
    """Bytes of all files in a folder, in which others may tidy up; 0 when it is not there."""
    total = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(inside, name)).st_size
    return total


def _count(folder: Path, table: str) -> int:
    try:
        count: int = _rows(folder, f"SELECT count(*) FROM {table}")[0][0] if is_state(folder) else 0
    except WorkbookError:
        return 0  # a damaged database can be deleted, too
    return count


def _rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    if not is_state(folder):
        return []
    try:
        address = (folder / DATABASE).resolve().as_uri() + "?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            return database.execute(sql).fetchall()
    except sqlite3.Error as error:
        raise WorkbookError(f"The records in {folder} can't be read: {error}.") from None
