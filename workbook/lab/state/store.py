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
from pathlib import Path
from typing import Any

from workbook.errors import WorkbookError
from workbook.lab.state.records import (
    BATCH_UNFINISHED,
    JSON,
    MIGRATIONS,
    TABLES,
    UNFINISHED,
    Batch,
    Checkpoint,
    Event,
    File,
    Job,
    Model,
    Record,
)

FOLDERS = ("files", "jobs", "batches", "uploads")
_LETTERS = string.ascii_letters + string.digits


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
        if version > len(MIGRATIONS):
            raise WorkbookError(
                f"The state in {self.folder} was written by a newer version of the lab: update the "
                "course, or give another folder with --state."
            )
        for number in range(version, len(MIGRATIONS)):
            script = f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
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
        batches = {batch.id for batch in self.batches(*BATCH_UNFINISHED)}
        for path in (self.folder / "batches").iterdir():
            if path.name not in batches:
                self.tidy_batch(path.name)

    # Records of any kind

    def get(self, kind: type[Record], id: str) -> Record:
        """The record with this id. Raises Unknown."""
        row = self._one(f"SELECT * FROM {TABLES[kind]} WHERE id = ?", id)
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
            row = self._one(f"SELECT number FROM {TABLES[kind]} WHERE id = ?", after)
            if row is None:
                raise Unknown(after)
            clauses.append(f"number {'<' if newest_first else '>'} ?")
            values.append(row["number"])
        rows = self._all(
            f"SELECT * FROM {TABLES[kind]} WHERE {' AND '.join(clauses)} "
            f"ORDER BY number {'DESC' if newest_first else 'ASC'} LIMIT ?",
            *values,
            limit + 1,
        )
        return [self._record(kind, row) for row in rows[:limit]], len(rows) > limit

    def add(self, record: Record) -> bool:
        """Write a new record; False when one with its id (or its job and step) is there already."""
        columns = {k: self._to_column(k, v) for k, v in vars(record).items()}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        sql = f"INSERT OR IGNORE INTO {TABLES[type(record)]} ({names}) VALUES ({marks})"
        return self._change(sql, *columns.values()) == 1

    def delete(self, kind: type, id: str) -> None:
        """Remove a record. Raises Unknown."""
        if not self._change(f"DELETE FROM {TABLES[kind]} WHERE id = ?", id):
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
        """Give the job its own hold on a file's bytes. Raises Unknown."""
        self._hold(file_id, self.job_folder(job_id) / name)

    def _hold(self, file_id: str, path: Path) -> None:
        """Name a file's bytes at `path` too, so that deleting the file is harmless."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            _link(self.path(file_id), path)
        except FileNotFoundError:
            raise Unknown(file_id) from None

    def tidy_job(self, job_id: str) -> None:
        """Remove what an ended job needs no more: its copies of files, its state to resume from."""
        folder = self.job_folder(job_id)
        for name in ("training.jsonl", "validation.jsonl", "state.pt", ".state.pt.part"):
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
        return self._update("jobs", job_id, list(only_if), changes)

    def _update(self, table: str, id: str, allowed: list[str], changes: dict[str, Any]) -> bool:
        sets = ", ".join(f"{name} = ?" for name in changes)
        marks = ", ".join("?" * len(allowed))
        sql = f"UPDATE {table} SET {sets} WHERE id = ? AND status IN ({marks})"
        values = [self._to_column(name, value) for name, value in changes.items()]
        return self._change(sql, *values, id, *allowed) == 1

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

    # Batches

    def batch_folder(self, batch_id: str) -> Path:
        """Where a batch's input lies, and its answers so far."""
        return self.folder / "batches" / batch_id

    def add_batch(self, batch: Batch) -> None:
        """Write a new batch with its own hold on its input. Raises Unknown: there is no such file.

        The input lies in the batch's folder as `input.jsonl`.
        """
        self._hold(batch.input_file, self.batch_folder(batch.id) / "input.jsonl")
        self.add(batch)

    def batches(self, *statuses: str) -> list[Batch]:
        """All batches in one of these states, oldest first."""
        marks = ", ".join("?" * len(statuses))
        rows = self._all(
            f"SELECT * FROM batches WHERE status IN ({marks}) ORDER BY number", *statuses
        )
        return [self._record(Batch, row) for row in rows]

    def update_batch(self, batch_id: str, only_if: Iterable[str], **changes: Any) -> bool:
        """Change a batch if its status is one of `only_if`; False when it is not.

        A new status is noted in its times.
        """
        with self.transaction():
            if status := changes.get("status"):
                times = self.get(Batch, batch_id).times or {}
                changes["times"] = times | {f"{status}_at": now()}
            return self._update("batches", batch_id, list(only_if), changes)

    def add_result(self, batch: Batch, name: str) -> str | None:
        """The id of a new file with what the batch's folder holds as `name`; None if nothing."""
        source, copy = self.batch_folder(batch.id) / name, self.uploads() / f"{batch.id}_{name}"
        if not source.exists() or not source.stat().st_size:
            return None
        copy.unlink(missing_ok=True)
        _link(source, copy)
        return self.add_file(copy, copy.name, "batch_output", batch.lifetime).id

    def tidy_batch(self, batch_id: str) -> None:
        """Remove what an ended batch needs no more."""
        shutil.rmtree(self.batch_folder(batch_id), ignore_errors=True)

    # Between records and rows

    def _record(self, kind: type[Record], row: sqlite3.Row) -> Record:
        names = [field.name for field in dataclasses.fields(kind)]
        return kind(**{name: self._from_column(name, row[name]) for name in names})

    def _to_column(self, name: str, value: Any) -> Any:
        if name in JSON and value is not None:
            return json.dumps(value)
        if name == "folder":
            return Path(value).relative_to(self.folder).as_posix()
        return value

    def _from_column(self, name: str, value: Any) -> Any:
        if name in JSON and value is not None:
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


def _link(source: Path, target: Path) -> None:
    """A second name for the same bytes; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _flush(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, survive a power cut."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle for that
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
