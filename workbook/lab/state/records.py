"""The kinds of things that the lab remembers, and the tables that hold them, version by version.

Knows nothing of how they are stored or what happens to them; times are Unix seconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

UNFINISHED = ("validating_files", "queued", "running", "paused")
BATCH_UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")

# One entry a version of the schema; a newer lab brings an older state up by running the rest.
MIGRATIONS = (
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
    """
    CREATE TABLE batches (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
        endpoint TEXT NOT NULL, input_file TEXT NOT NULL, completion_window TEXT NOT NULL,
        created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, model TEXT, metadata TEXT,
        lifetime INTEGER, output_file TEXT, error_file TEXT, errors TEXT, counts TEXT, usage TEXT,
        times TEXT);
    CREATE INDEX batches_by_status ON batches (status, number);
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


@dataclass(frozen=True)
class Batch:
    """Many requests to one endpoint. lifetime: seconds that its results are kept, None: for ever.

    errors: what is wrong with the input. times: when it came to `in_progress_at`, … (see the spec).
    """

    id: str
    status: str
    endpoint: str
    input_file: str
    completion_window: str
    created_at: int
    expires_at: int
    model: str | None = None
    metadata: dict[str, str] | None = None
    lifetime: int | None = None
    output_file: str | None = None
    error_file: str | None = None
    errors: list[dict[str, Any]] | None = None
    counts: dict[str, int] | None = None
    usage: dict[str, Any] | None = None
    times: dict[str, int] | None = None


Record = TypeVar("Record", File, Job, Event, Checkpoint, Model, Batch)
TABLES: dict[type, str] = {
    File: "files",
    Job: "jobs",
    Event: "events",
    Checkpoint: "checkpoints",
    Model: "models",
    Batch: "batches",
}
# Columns that hold JSON.
JSON = {"hyperparameters", "metadata", "error", "data", "metrics"}
JSON |= {"errors", "counts", "usage", "times"}
