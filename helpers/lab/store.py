"""What the lab remembers: SQLite for records, a folder for the bytes of files and jobs.

Every change is on disk before the call returns. Knows nothing of HTTP, training or models' insides;
times are Unix seconds.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import sqlite3
import string
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from helpers.errors import WorkbookError

UNFINISHED = ("validating_files", "queued", "running", "paused")
FOLDERS = ("files", "jobs", "uploads")
_LETTERS = string.ascii_letters + string.digits

# One entry a version of the schema; a newer lab brings an older state up by running the rest.
_MIGRATIONS = (
    """
    CREATE TABLE files (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, filename TEXT NOT NULL,
        purpose TEXT NOT NULL, bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
        expires_at INTEGER);
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
        model TEXT NOT NULL, training_file TEXT NOT NULL, validation_file TEXT,
        suffix TEXT NOT NULL, seed INTEGER NOT NULL, hyperparameters TEXT NOT NULL, metadata TEXT,
        created_at INTEGER NOT NULL, finished_at INTEGER, estimated_finish INTEGER,
        trained_tokens INTEGER, fine_tuned_model TEXT, result_file TEXT, error TEXT);
    CREATE INDEX jobs_by_status ON jobs (status, number);
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
        type TEXT NOT NULL, data TEXT NOT NULL, step INTEGER, UNIQUE (job_id, step));
    CREATE TABLE checkpoints (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, step INTEGER NOT NULL, model TEXT NOT NULL,
        metrics TEXT NOT NULL, UNIQUE (job_id, step));
    CREATE TABLE models (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
        created_at INTEGER NOT NULL, folder TEXT NOT NULL);
    """,
    """
    ALTER TABLE jobs ADD COLUMN method TEXT NOT NULL DEFAULT 'supervised';
    """,
)


@dataclass(frozen=True)
class File:
    """An uploaded or made file; its bytes are at `Store.path(id)`."""

    id: str
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int | None = None


@dataclass(frozen=True)
class Job:
    """A fine-tuning job. hyperparameters: numbers or "auto"; error: code, message, param."""

    id: str
    status: str
    model: str
    training_file: str
    validation_file: str | None
    suffix: str
    seed: int
    hyperparameters: dict[str, Any]
    metadata: dict[str, str] | None
    created_at: int
    finished_at: int | None = None
    estimated_finish: int | None = None
    trained_tokens: int | None = None
    fine_tuned_model: str | None = None
    result_file: str | None = None
    error: dict[str, Any] | None = None
    method: str = "supervised"


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; type "metrics" carries the numbers of one step."""

    id: str
    job_id: str
    created_at: int
    level: str
    message: str
    type: str
    data: dict[str, Any]
    step: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A model saved at the end of an epoch."""

    id: str
    job_id: str
    created_at: int
    step: int
    model: str
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Model:
    """A tuned model or checkpoint; folder: where its adapter lies, absolute."""

    id: str
    job_id: str
    created_at: int
    folder: Path


Record = TypeVar("Record", File, Job, Event, Checkpoint, Model)
_TABLES: dict[type, str] = {
    File: "files",
    Job: "jobs",
    Event: "events",
    Checkpoint: "checkpoints",
    Model: "models",
}
_JSON = {"hyperparameters", "metadata", "error", "data", "metrics"}


class Unknown(KeyError):
    """There is no record with this id."""


def base_of(model: str) -> str:
    """The base that a model was tuned from, or the base itself."""
    return model.split(":")[1] if model.startswith("ft:") else model


def new_id(prefix: str, length: int = 24) -> str:
    """`prefix` and random letters and digits, as OpenAI forms its ids."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


def now() -> int:
    """Unix time in whole seconds."""
    return int(time.time())


class Store:
    """The state folder's records and files. Any thread may call any method."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._depth = 0
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            folder / "lab.sqlite3", isolation_level=None, check_same_thread=False
        )
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._migrate()
        self._sweep()

    def close(self) -> None:
        """No method may be called afterwards."""
        with self._lock:
            self._db.close()

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

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_MIGRATIONS):
            raise WorkbookError(
                f"The state in {self.folder} was written by a newer version of the lab: update the "
                "course, or give another folder with --state."
            )
        for number in range(version, len(_MIGRATIONS)):
            script = f"BEGIN; {_MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
            self._db.executescript(script)

    def _sweep(self) -> None:
        """Remove what interrupted calls left: bytes and folders without a record, half uploads."""
        known = {row["id"] for row in self._db.execute("SELECT id FROM files")}
        for path in (self.folder / "files").iterdir():
            if path.name not in known:
                path.unlink(missing_ok=True)
        for path in (self.folder / "uploads").iterdir():
            path.unlink(missing_ok=True)
        jobs = {row["id"]: row["status"] for row in self._db.execute("SELECT id, status FROM jobs")}
        for path in (self.folder / "jobs").iterdir():
            if path.name not in jobs:
                shutil.rmtree(path, ignore_errors=True)
            elif jobs[path.name] not in UNFINISHED:
                self.tidy_job(path.name)

    # Records of any kind

    def get(self, kind: type[Record], id: str) -> Record:
        """The record with this id. Raises Unknown."""
        row = self._one(f"SELECT * FROM {_TABLES[kind]} WHERE id = ?", id)
        if row is None:
            raise Unknown(id)
        return self._record(kind, row)

    def page(
        self,
        kind: type[Record],
        where: dict[str, Any] | None = None,
        after: str | None = None,
        limit: int = 20,
        newest_first: bool = True,
    ) -> tuple[list[Record], bool]:
        """Up to `limit` records following the one named `after`, and whether more follow.

        where: column or `metadata.KEY` to value. Raises Unknown when there is no record `after`.
        """
        clauses, values = ["1"], []
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
            row = self._one(f"SELECT number FROM {_TABLES[kind]} WHERE id = ?", after)
            if row is None:
                raise Unknown(after)
            clauses.append(f"number {'<' if newest_first else '>'} ?")
            values.append(row["number"])
        rows = self._all(
            f"SELECT * FROM {_TABLES[kind]} WHERE {' AND '.join(clauses)} "
            f"ORDER BY number {'DESC' if newest_first else 'ASC'} LIMIT ?",
            *values,
            limit + 1,
        )
        return [self._record(kind, row) for row in rows[:limit]], len(rows) > limit

    def add(self, record: File | Job | Event | Checkpoint | Model) -> bool:
        """Write a new record; False when one with its id (or its job and step) is there already."""
        columns = {k: self._to_column(k, v) for k, v in vars(record).items()}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        sql = f"INSERT OR IGNORE INTO {_TABLES[type(record)]} ({names}) VALUES ({marks})"
        return self._change(sql, *columns.values()) == 1

    def delete(self, kind: type, id: str) -> None:
        """Remove a record. Raises Unknown."""
        if not self._change(f"DELETE FROM {_TABLES[kind]} WHERE id = ?", id):
            raise Unknown(id)

    # Files

    def path(self, file_id: str) -> Path:
        """Where a file's bytes lie. The id is the lab's own, so it is never a path."""
        return self.folder / "files" / file_id

    def uploads(self) -> Path:
        """The folder for bytes that are still arriving; emptied at every start."""
        return self.folder / "uploads"

    def add_file(
        self, source: Path, filename: str, purpose: str, lifetime: int | None = None
    ) -> File:
        """Take over the bytes at `source` (moved, not copied). lifetime: seconds."""
        created = now()
        file = File(
            new_id("file-"),
            filename,
            purpose,
            source.stat().st_size,
            created,
            None if lifetime is None else created + lifetime,
        )
        _flush(source)
        os.replace(source, self.path(file.id))
        _flush(self.folder / "files")
        self.add(file)
        return file

    def delete_file(self, file_id: str) -> None:
        """Forget a file and remove its bytes. Raises Unknown."""
        self.delete(File, file_id)
        self.path(file_id).unlink(missing_ok=True)

    def expire_files(self) -> None:
        """Delete the files whose time is over."""
        for row in self._all("SELECT id FROM files WHERE expires_at <= ?", now()):
            with contextlib.suppress(Unknown):
                self.delete_file(row["id"])

    # Jobs

    def job_folder(self, job_id: str) -> Path:
        """Where a job's copies of its files, its progress and its checkpoints lie."""
        return self.folder / "jobs" / job_id

    def keep_for_job(self, job_id: str, file_id: str, name: str) -> None:
        """Give the job its own hold on a file's bytes, so that deleting the file is harmless."""
        folder = self.job_folder(job_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            os.link(self.path(file_id), folder / name)
        except FileNotFoundError:
            raise Unknown(file_id) from None
        except OSError:  # a file system without hard links
            shutil.copyfile(self.path(file_id), folder / name)

    def tidy_job(self, job_id: str) -> None:
        """Remove what an ended job needs no more: its copies of files, its state to resume from."""
        folder = self.job_folder(job_id)
        for name in ("training.jsonl", "validation.jsonl", "state.pt", "state.tmp"):
            (folder / name).unlink(missing_ok=True)
        for half_written in (folder / "checkpoints").glob(".step-*"):
            shutil.rmtree(half_written, ignore_errors=True)

    def first_job(self, *statuses: str, base: str) -> Job | None:
        """The oldest job in one of these states that trains this base, or a model tuned from it."""
        marks = ", ".join("?" * len(statuses))
        row = self._one(
            f"SELECT * FROM jobs WHERE status IN ({marks}) AND (model = ? OR model GLOB ?) "
            "ORDER BY number LIMIT 1",
            *statuses,
            base,
            f"ft:{base}:*",
        )
        return None if row is None else self._record(Job, row)

    def count_jobs(self, *statuses: str) -> int:
        """How many jobs are in one of these states."""
        marks = ", ".join("?" * len(statuses))
        return self._one(f"SELECT count(*) AS n FROM jobs WHERE status IN ({marks})", *statuses)[
            "n"
        ]

    def update_job(self, job_id: str, only_if: Iterable[str], **changes: Any) -> bool:
        """Change a job if its status is one of `only_if`; False when it is not."""
        allowed = list(only_if)
        sets = ", ".join(f"{name} = ?" for name in changes)
        marks = ", ".join("?" * len(allowed))
        sql = f"UPDATE jobs SET {sets} WHERE id = ? AND status IN ({marks})"
        values = [self._to_column(name, value) for name, value in changes.items()]
        return self._change(sql, *values, job_id, *allowed) == 1

    def add_event(
        self,
        job_id: str,
        message: str,
        level: str = "info",
        data: dict[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        """Append to a job's log; with `step`, as that step's metrics, once only."""
        kind = "message" if step is None else "metrics"
        self.add(Event(new_id("ftevent-"), job_id, now(), level, message, kind, data or {}, step))

    def metrics(self, job_id: str) -> list[dict[str, Any]]:
        """The numbers of every step that was trained, in order."""
        rows = self._all(
            "SELECT data FROM events WHERE job_id = ? AND step IS NOT NULL ORDER BY step", job_id
        )
        return [json.loads(row["data"]) for row in rows]

    def drop_checkpoints(self, job_id: str, keep: int) -> None:
        """Forget all but the last `keep` checkpoints of a job, with their models and weights."""
        rows = self._all(
            "SELECT id, model FROM checkpoints WHERE job_id = ? ORDER BY step DESC", job_id
        )
        for row in rows[keep:]:
            with self.transaction():
                self.delete(Checkpoint, row["id"])
                with contextlib.suppress(Unknown):
                    self.delete_model(row["model"])

    def delete_model(self, model_id: str) -> None:
        """Forget a tuned model; its weights go when no other name means them. Raises Unknown."""
        folder = self.get(Model, model_id).folder
        with self.transaction():
            self.delete(Model, model_id)
            relative = self._to_column("folder", folder)
            used = self._one("SELECT 1 FROM models WHERE folder = ?", relative)
        if used is None:
            shutil.rmtree(folder, ignore_errors=True)

    # Between records and rows

    def _record(self, kind: type[Record], row: sqlite3.Row) -> Record:
        names = [field.name for field in dataclasses.fields(kind)]
        return kind(**{name: self._from_column(name, row[name]) for name in names})

    def _to_column(self, name: str, value: Any) -> Any:
        if name in _JSON and value is not None:
            return json.dumps(value)
        if name == "folder":
            return Path(value).relative_to(self.folder).as_posix()
        return value

    def _from_column(self, name: str, value: Any) -> Any:
        if name in _JSON and value is not None:
            return json.loads(value)
        return self.folder / value if name == "folder" else value

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            return self._db.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _change(self, sql: str, *values: Any) -> int:
        with self._lock:
            return self._db.execute(sql, values).rowcount


def _flush(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, survive a power cut."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle for that
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
