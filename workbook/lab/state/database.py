"""Records in SQLite: read, listed in pages, and changed in transactions.

Every change is on disk before the call returns. What is read and counted here is what the `owner`
of the work may see. Knows tables and columns; knows nothing of what a record's bytes are or what
its states mean.
"""

import contextlib
import dataclasses
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbook.errors import WorkbookError
from workbook.lab import owner
from workbook.lab.state.mark import APPLICATION_ID
from workbook.lab.state.records import Record, UnknownIdError
from workbook.lab.state.tables import DATABASE, JSON_COLUMNS, MIGRATIONS, OWN_COLUMN, OWNED, TABLES


class Database:
    """The records of a state folder. Any thread may call any method."""

    def __init__(self, folder: Path) -> None:
        """Raises WorkbookError when a newer lab wrote them, and sqlite3.DatabaseError."""
        self.folder = folder
        self._lock = threading.RLock()
        self._depth = 0  # of transactions
        self._db = sqlite3.connect(folder / DATABASE, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._migrate()

    def close(self) -> None:
        """No method may be called afterwards."""
        with self._lock:
            self._db.close()

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise WorkbookError(
                f"The state in {self.folder} was written by a newer version of the lab: update the "
                "course, or give another folder with --state."
            )
        for number in range(version, len(MIGRATIONS)):
            script = f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
            self._db.executescript(script)
        if self._db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside become visible and durable together, or none does."""
        with self._lock:
            if not self._depth:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
            except BaseException:  # the body's, or a full disk's
                if self._depth == 1 and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    # Records of any kind

    def get(self, kind: type[Record], id: str) -> Record:
        """The record with this id. Raises UnknownIdError, also where it is somebody else's."""
        mine, owners = of_owner(kind)
        row = self.first_row(f"SELECT * FROM {TABLES[kind]} WHERE id = ? AND {mine}", id, *owners)
        if row is None:
            raise UnknownIdError(id)
        return self.record(kind, row)

    def page(
        self,
        kind: type[Record],
        where: Mapping[str, Any] | None = None,
        after: str | None = None,
        limit: int = 20,
        newest_first: bool = True,
    ) -> tuple[list[Record], bool]:
        """Up to `limit` records, and whether more follow.

        where: column or `metadata.KEY` to value.
        after: the id of the record that they follow.
        Raises UnknownIdError when there is no record `after`.
        """
        mine, owners = of_owner(kind)
        clauses: list[str] = [mine]
        values: list[Any] = list(owners)
        for column, value in (where or {}).items():
            if column.startswith("metadata."):
                clauses.append(
                    "EXISTS (SELECT 1 FROM json_each(metadata) WHERE key = ? AND value = ?)"
                )
                values += [column.removeprefix("metadata."), value]
            else:
                clauses.append(f"{column} IS ?")
                values.append(value)
        if after is not None:
            sql = f"SELECT number FROM {TABLES[kind]} WHERE id = ? AND {mine}"
            row = self.first_row(sql, after, *owners)
            if row is None:
                raise UnknownIdError(after)
            clauses.append(f"number {'<' if newest_first else '>'} ?")
            values.append(row["number"])
        rows = self.rows(
            f"SELECT * FROM {TABLES[kind]} WHERE {' AND '.join(clauses)} "
            f"ORDER BY number {'DESC' if newest_first else 'ASC'} LIMIT ?",
            *values,
            limit + 1,
        )
        return [self.record(kind, row) for row in rows[:limit]], len(rows) > limit

    def add(self, record: Record) -> bool:
        """Write a new record; False when one with its id (or its job and step) is there already."""
        columns = {name: self.to_column(name, value) for name, value in vars(record).items()}
        if OWNED[type(record)] == OWN_COLUMN:
            columns["owner"] = owner.current()
        names, marks = ", ".join(columns), placeholders(columns)
        sql = f"INSERT OR IGNORE INTO {TABLES[type(record)]} ({names}) VALUES ({marks})"
        return self.change(sql, *columns.values()) == 1

    def count(self, kind: type, statuses: Iterable[str]) -> int:
        """How many records are in one of these states."""
        mine, owners = of_owner(kind)
        marks = placeholders(statuses)
        sql = f"SELECT count(*) AS n FROM {TABLES[kind]} WHERE status IN ({marks}) AND {mine}"
        [row] = self.rows(sql, *statuses, *owners)
        count: int = row["n"]
        return count

    def delete(self, kind: type[Record], id: str) -> None:
        """Remove a record. Raises UnknownIdError."""
        if not self.change(f"DELETE FROM {TABLES[kind]} WHERE id = ?", id):
            raise UnknownIdError(id)

    def update(
        self, kind: type[Record], id: str, only_if: Iterable[str], changes: Mapping[str, Any]
    ) -> bool:
        """Change a record's columns if its status is one of `only_if`; False when it is not."""
        statuses = list(only_if)
        sets = ", ".join(f"{name} = ?" for name in changes)
        sql = (
            f"UPDATE {TABLES[kind]} SET {sets} "
            f"WHERE id = ? AND status IN ({placeholders(statuses)})"
        )
        values = [self.to_column(name, value) for name, value in changes.items()]
        return self.change(sql, *values, id, *statuses) == 1

    # Rows and columns

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """All rows that a SELECT gives."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def first_row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first of them, or None."""
        with self._lock:
            row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return row

    def record(self, kind: type[Record], row: sqlite3.Row) -> Record:
        """A whole row as the record that it holds."""
        names = [field.name for field in dataclasses.fields(kind)]
        return kind(**{name: self._from_column(name, row[name]) for name in names})

    def to_column(self, name: str, value: Any) -> Any:
        """A record's value as its column holds it."""
        if name in JSON_COLUMNS and value is not None:
            return json.dumps(value)
        if name == "folder":  # the state folder may be moved
            return Path(value).relative_to(self.folder).as_posix()
        return value

    def _from_column(self, name: str, value: Any) -> Any:
        if name in JSON_COLUMNS and value is not None:
            return json.loads(value)
        return self.folder / value if name == "folder" else value

    def change(self, sql: str, *values: Any) -> int:
        """How many rows a statement has changed."""
        with self._lock:
            return self._db.execute(sql, values).rowcount


def of_owner(kind: type) -> tuple[str, list[str]]:
    """A condition on the rows of those whose work is being done, and its values."""
    name = owner.current()
    return (OWNED[kind], [name]) if name else ("1", [])


def placeholders(values: Iterable[Any]) -> str:
    """A question mark for each value, as SQL wants them."""
    return ", ".join("?" for _ in values)
