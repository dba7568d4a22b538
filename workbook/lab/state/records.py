"""The kinds of things that the lab remembers.

Knows nothing of how they are stored or what happens to them; times are Unix seconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

JobStatus = Literal[
    "validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"
]
UploadStatus = Literal["pending", "completed", "cancelled", "expired"]
RunStatus = Literal["queued", "in_progress", "completed", "failed", "canceled"]  # of an eval
BatchStatus = Literal[
    "validating",
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
]
Method = Literal["supervised", "dpo", "reinforcement"]  # of training
EventLevel = Literal["info", "warn", "error"]

UNFINISHED: tuple[JobStatus, ...] = ("validating_files", "queued", "running", "paused")
BATCH_UNFINISHED: tuple[BatchStatus, ...] = (
    "validating",
    "in_progress",
    "finalizing",
    "cancelling",
)


class UnknownIdError(KeyError):
    """There is no record with this id, which is the first argument."""


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
    """A fine-tuning job.

    hyperparameters: numbers, or "auto".
    error: code, message and param of what ended it.
    settings: what a method has besides hyperparameters: the grader, the form of an answer.
    owner: set when it is written; see `workbook.lab.owner`.
    """

    id: str
    status: JobStatus
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
    method: Method = "supervised"
    settings: dict[str, Any] | None = None
    owner: str = ""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; type "metrics" carries the numbers of one step."""

    id: str
    job_id: str
    created_at: int
    level: EventLevel
    message: str
    type: Literal["message", "metrics"]
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
    metrics: dict[str, float]


@dataclass(frozen=True)
class Model:
    """A tuned model or checkpoint.

    folder: where its adapter lies, absolute.
    """

    id: str
    job_id: str
    created_at: int
    folder: Path


@dataclass(frozen=True)
class Batch:
    """Many requests to one endpoint.

    lifetime: seconds that its results are kept; None: for ever.
    errors: what is wrong with the input.
    times: when it came to `in_progress_at`, … (see OpenAI's document).
    owner: as of a job.
    """

    id: str
    status: BatchStatus
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
    owner: str = ""


@dataclass(frozen=True)
class Upload:
    """A file that comes in parts.

    bytes: that were announced.
    lifetime: seconds that the file is kept; None: for ever.
    file: its id, once it is complete.
    """

    id: str
    status: UploadStatus
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int
    lifetime: int | None = None
    file: str | None = None


@dataclass(frozen=True)
class Part:
    """A part of an upload; its bytes are at `Store.path(id)`."""

    id: str
    upload_id: str
    bytes: int
    created_at: int


@dataclass(frozen=True)
class Eval:
    """What answers are to be judged by.

    config, criteria: as OpenAI's object has them.
    owner: as of a job.
    """

    id: str
    name: str
    config: dict[str, Any]
    criteria: list[dict[str, Any]]
    metadata: dict[str, str] | None
    created_at: int
    owner: str = ""


@dataclass(frozen=True)
class EvalRun:
    """An eval, carried out on some items.

    model: whose answers are judged; "" where the items bring theirs.
    data_source: as it was asked for.
    error: code and message of what ended it.
    """

    id: str
    eval_id: str
    status: RunStatus
    name: str
    model: str
    data_source: dict[str, Any]
    metadata: dict[str, str] | None
    created_at: int
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class EvalItem:
    """An item of a run.

    item: with what it brought along: {"item": …, "sample": …}.
    done: 1 once it was judged; then the rest is there.
    status: pass, fail or error.
    results, sample: as OpenAI's object has them.
    """

    id: str
    run_id: str
    place: int
    item: dict[str, Any]
    created_at: int
    done: int = 0
    status: str | None = None
    results: list[dict[str, Any]] | None = None
    sample: dict[str, Any] | None = None


@dataclass(frozen=True)
class Deployment:
    """A model under a name of its own, by which Azure's clients call it.

    id: that name.
    model: a tuned model, a checkpoint or the base, by the lab's name.
    sku: how it is billed at Azure; capacity: in thousands of tokens a minute, there.
    """

    id: str
    model: str
    sku: str
    capacity: int
    created_at: int


@dataclass(frozen=True)
class TuningJob:
    """A job that was asked for in Google's shape.

    id: a number.
    data: what was asked for, in Google's words.
    """

    id: str
    project: str
    location: str
    job_id: str
    data: dict[str, Any]
    created_at: int


Record = TypeVar(
    "Record",
    File,
    Job,
    Event,
    Checkpoint,
    Model,
    Batch,
    Upload,
    Part,
    Eval,
    EvalRun,
    EvalItem,
    Deployment,
    TuningJob,
)
