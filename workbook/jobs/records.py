"""Jobs as lines of text: the newest ones, and all that one says of itself.

Knows how a job reads; sends and changes nothing.
"""

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

_SHOWN = 5  # events of a job


def newest(client: "OpenAI", limit: int) -> "list[FineTuningJob]":
    """The last jobs, the newest first."""
    return list(islice(client.fine_tuning.jobs.list(limit=min(100, limit)), limit))


def line(job: "FineTuningJob") -> str:
    """One line: id, status, when it was created, its model."""
    model = job.fine_tuned_model or job.model
    return f"{job.id}  {job.status:<16}  {_day(job.created_at)}  {model}"


def describe(client: "OpenAI", job: "FineTuningJob") -> str:
    """All that is known of a job, with its last events, a line each."""
    hyperparameters = _hyperparameters(job)
    fields = {
        "job": job.id,
        "status": job.status.replace("_", " "),
        "model": job.model,
        "fine-tuned model": job.fine_tuned_model,
        "method": job.method and job.method.type,
        "hyperparameters": ", ".join(f"{name} {value}" for name, value in hyperparameters.items()),
        "seed": job.seed,
        "training file": job.training_file,
        "validation file": job.validation_file,
        "created": _day(job.created_at),
        "finished": job.finished_at and _day(job.finished_at),
        "trained tokens": job.trained_tokens and f"{job.trained_tokens:,}",
        "metadata": job.metadata and ", ".join(f"{k}={v}" for k, v in job.metadata.items()),
        "result file": ", ".join(job.result_files),
        "error": job.error and job.error.message,
    }
    lines = [f"{name:<18}{value}" for name, value in fields.items() if value not in (None, "")]
    events = client.fine_tuning.jobs.list_events(job.id, limit=_SHOWN).data
    lines += [f"  {_day(event.created_at)}  {event.message}" for event in reversed(events)]
    return "\n".join(lines)


def _hyperparameters(job: "FineTuningJob") -> dict[str, Any]:
    """The settings, from `method` or from where they stood before."""
    method = getattr(job.method, job.method.type, None) if job.method else None
    settings = (method and method.hyperparameters) or job.hyperparameters
    return {name: value for name, value in settings.to_dict().items() if value is not None}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
