"""What the lab remembers: records, and a folder for the bytes of files, jobs and batches.

Knows what belongs together, and removes what nothing needs any more. Knows nothing of HTTP,
training or models' insides; times are Unix seconds.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from workbook.lab.ids import new_id, now
from workbook.lab.state import mark
from workbook.lab.state.database import Database, placeholders
from workbook.lab.state.mark import FOLDERS
from workbook.lab.state.records import (
    BATCH_UNFINISHED,
    UNFINISHED,
    Batch,
    BatchStatus,
    Checkpoint,
    Event,
    EventLevel,
    File,
    Job,
    JobStatus,
    Model,
    Part,
    UnknownIdError,
)
from workbook.lab.state.reserve import Reserve

_log = logging.getLogger("lab")
WithBytes = TypeVar("WithBytes", File, Part)

# In the folder of a job or batch that has not been recorded yet.
_BEFORE_THE_RECORD = {
    f"{kind}.{ending}" for kind in ("training", "validation") for ending in ("jsonl", "name")
}
_BEFORE_THE_RECORD |= {"input.jsonl"}
_OF_A_BATCH = ("input.jsonl", "output.jsonl", "errors.jsonl")
# In a job's folder: its own hold on its files, and the state to resume from with its scratch file
# (`state.tmp`: as labs before 0.2 called it).
_UNTIL_THE_END = ("training.jsonl", "validation.jsonl", "state.pt", ".state.pt.part", "state.tmp")


class Store(Database):
    """The state folder's records and files. Any thread may call any method."""

    def __init__(self, folder: Path) -> None:
        """Raises WorkbookError for what is no state of the lab, or a newer lab's, and
        sqlite3.DatabaseError."""
        mark.check(folder)
        for name in FOLDERS:
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(folder)
        self._reserve = Reserve(folder)
        self._arriving: list[str] = []  # files whose record is not written for good
        self._sweep()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """As of any database; files that were added in vain are gone, too."""
        with self._lock:
            try:
                with super().transaction():
                    yield
            except BaseException:
                if not self._depth:
                    for file_id in self._arriving:
                        self.path(file_id).unlink(missing_ok=True)
                raise
            finally:
                while not self._depth and self._arriving:
                    self._note(self._arriving.pop()).unlink(missing_ok=True)

    def _note(self, file_id: str) -> Path:
        """Stands while a file comes or goes: bytes without a record are then no loss."""
        return self.uploads() / file_id

    def _sweep(self) -> None:
        """Remove what interrupted calls left, and nothing else.

        That is what was still arriving, with the files that it names (see `_note`), and folders
        of jobs and batches without a record in which nothing has been done. Whatever else has no
        record stays, and the log tells of it: its record may have been lost.
        """
        ids = {
            name: {row["id"] for row in self.rows(f"SELECT id FROM {name}")}
            for name in ("files", "jobs", "batches")
        }
        ids["files"] |= {row["id"] for row in self.rows("SELECT id FROM parts")}
        for path in mark.own(self.folder, "uploads"):
            if path.is_file():
                if mark.is_file_id(path.name) and path.name not in ids["files"]:
                    self.path(path.name).unlink(missing_ok=True)
                path.unlink()
        for id in self._ended("jobs", UNFINISHED):
            self.tidy_job(id)
        for id in self._ended("batches", BATCH_UNFINISHED):
            self.tidy_batch(id)
        for name, known in ids.items():
            for path in mark.own(self.folder, name):
                if path.name in known:
                    continue
                if name != "files" and {p.name for p in path.iterdir()} <= _BEFORE_THE_RECORD:
                    shutil.rmtree(path)
                else:
                    _log.warning("%s has no record: it is left alone", path)

    def _ended(self, table: str, unfinished: tuple[str, ...]) -> list[str]:
        sql = f"SELECT id FROM {table} WHERE status NOT IN ({placeholders(unfinished)})"
        return [row["id"] for row in self.rows(sql, *unfinished)]

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
        """Take over the bytes at `source` (moved, not copied).

        lifetime: seconds until the file expires; None: never.
        """
        created_at = now()
        file = File(
            id=new_id("file-"),
            filename=filename,
            purpose=purpose,
            bytes=source.stat().st_size,
            created_at=created_at,
            expires_at=None if lifetime is None else created_at + lifetime,
        )
        self.keep(source, file)
        return file

    def keep(self, source: Path, record: WithBytes) -> None:
        """Write a record and take over its bytes at `source`, both or neither."""
        _flush(source)
        with self.transaction():
            self._note(record.id).touch()
            self._arriving.append(record.id)
            os.replace(source, self.path(record.id))
            _flush(self.folder / "files")
            self.add(record)

    def delete_file(self, file_id: str) -> None:
        """Forget a file and remove its bytes. Raises UnknownIdError."""
        self.delete_with_bytes(File, file_id)

    def delete_with_bytes(self, kind: type[WithBytes], file_id: str) -> None:
        """Forget what has bytes, and remove these. Raises UnknownIdError."""
        note = self._note(file_id)
        with contextlib.suppress(OSError):  # on a full disk, bytes may outlive their record
            note.touch()
        try:
            self._reserve.needed_for(lambda: self.delete(kind, file_id))
            self.path(file_id).unlink(missing_ok=True)
        finally:
            note.unlink(missing_ok=True)

    def expire_files(self) -> None:
        """Delete the files whose time is over."""
        for row in self.rows("SELECT id FROM files WHERE expires_at <= ?", now()):
            with contextlib.suppress(UnknownIdError):
                self.delete_file(row["id"])

    def _hold(self, file_id: str, path: Path) -> None:
        """Name a file's bytes at `path` too, so that deleting the file is harmless."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            _link(self.path(file_id), path)
        except FileNotFoundError:
            raise UnknownIdError(file_id) from None

    # Jobs

    def job_folder(self, job_id: str) -> Path:
        """Where a job's copies of its files, its progress and its checkpoints lie."""
        return self.folder / "jobs" / job_id

    def keep_for_job(self, job_id: str, file_id: str, name: str) -> None:
        """Give the job its own hold on a file's bytes. Raises UnknownIdError."""
        self._hold(file_id, self.job_folder(job_id) / name)

    def tidy_job(self, job_id: str) -> None:
        """Remove what an ended job needs no more: its copies of files, its state to resume from."""
        folder = self.job_folder(job_id)
        for name in _UNTIL_THE_END:
            (folder / name).unlink(missing_ok=True)
        for half_written in (folder / "checkpoints").glob(".step-*"):
            shutil.rmtree(half_written, ignore_errors=True)

    def first_jobs(self, status: JobStatus, base: str) -> list[Job]:
        """Each owner's oldest job in this state that trains this base, or a model tuned from it;
        the oldest of all is the first."""
        rows = self.rows(  # min() picks the row that the other columns are of, too
            "SELECT *, min(number) FROM jobs WHERE status = ? AND (model = ? OR model GLOB ?) "
            "GROUP BY owner ORDER BY number",
            status,
            base,
            f"ft:{base}:*",
        )
        return [self.record(Job, row) for row in rows]

    def update_job(self, job_id: str, only_if: Iterable[JobStatus], **changes: Any) -> bool:
        """Change a job if its status is one of `only_if`; False when it is not."""
        return self.update(Job, job_id, only_if, changes)

    def add_event(
        self,
        job_id: str,
        message: str,
        level: EventLevel = "info",
        data: dict[str, Any] | None = None,
        step: int | None = None,
    ) -> None:
        """Append to a job's log.

        step: of the training; its metrics, in `data`, are written once only.
        """
        event = Event(
            id=new_id("ftevent-"),
            job_id=job_id,
            created_at=now(),
            level=level,
            message=message,
            type="message" if step is None else "metrics",
            data=data or {},
            step=step,
        )
        self.add(event)

    def metrics(self, job_id: str) -> list[dict[str, Any]]:
        """The numbers of every step that was trained, in order."""
        rows = self.rows(
            "SELECT data FROM events WHERE job_id = ? AND step IS NOT NULL ORDER BY step", job_id
        )
        return [json.loads(row["data"]) for row in rows]

    # Checkpoints and models

    def drop_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Forget a checkpoint, with its model and weights."""
        with self.transaction():
            self.delete(Checkpoint, checkpoint.id)
            with contextlib.suppress(UnknownIdError):
                self.delete_model(checkpoint.model)

    def delete_model(self, model_id: str) -> None:
        """Forget a tuned model; its weights go when no other name means them.

        Raises UnknownIdError.
        """
        folder = self.get(Model, model_id).folder
        column = self.to_column("folder", folder)
        self._reserve.needed_for(lambda: self.delete(Model, model_id))
        namesake = self.first_row("SELECT 1 FROM models WHERE folder = ?", column)
        if namesake is None:
            shutil.rmtree(folder, ignore_errors=True)

    # Batches

    def batch_folder(self, batch_id: str) -> Path:
        """Where a batch's input lies, and its answers so far."""
        return self.folder / "batches" / batch_id

    def batch_input(self, batch_id: str) -> Path:
        """A batch's own hold on its input."""
        return self.batch_folder(batch_id) / "input.jsonl"

    def add_batch(self, batch: Batch) -> None:
        """Write a new batch with its own hold on its input. Raises UnknownIdError: no such file."""
        self._hold(batch.input_file, self.batch_input(batch.id))
        self.add(batch)

    def batches(self, *statuses: BatchStatus) -> list[Batch]:
        """All batches in one of these states, oldest first."""
        rows = self.rows(
            f"SELECT * FROM batches WHERE status IN ({placeholders(statuses)}) ORDER BY number",
            *statuses,
        )
        return [self.record(Batch, row) for row in rows]

    def update_batch(self, batch_id: str, only_if: Iterable[BatchStatus], **changes: Any) -> bool:
        """Change a batch if its status is one of `only_if`; False when it is not.

        A new status is noted in its times.
        """
        with self.transaction():
            if status := changes.get("status"):
                times = self.get(Batch, batch_id).times or {}
                changes["times"] = times | {f"{status}_at": now()}
            return self.update(Batch, batch_id, only_if, changes)

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
        folder = self.batch_folder(batch_id)
        for name in _OF_A_BATCH:
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is gone, or somebody else has put something there
            folder.rmdir()


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
