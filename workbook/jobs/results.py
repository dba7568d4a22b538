"""Jobs found again: by their labels, running or done; their model, checkpoints and result file.

Works with any backend through the plain `openai` client. Knows how hosts send a result file;
creates no job and follows none.
"""

import base64
import contextlib
import io
from typing import TYPE_CHECKING

from workbook.errors import WorkbookError

if TYPE_CHECKING:
    import pandas as pd
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

ENDED = ("succeeded", "failed", "cancelled")


def results(client: "OpenAI", job: "FineTuningJob") -> "pd.DataFrame":
    """The job's result file as a table: step, train_loss, train_accuracy, valid_loss, ….

    OpenAI sends the CSV in base64, Azure as it is: both are read. Raises WorkbookError for a job
    without a result file.
    """
    import pandas as pd

    return pd.read_csv(io.StringIO(result_text(client, job)))


def result_text(client: "OpenAI", job: "FineTuningJob") -> str:
    """The job's result file as it is, CSV. Raises WorkbookError for a job without one, and where
    the host names one that it does not have."""
    import openai

    if not job.result_files:
        raise WorkbookError(
            f"Job {job.id} has no result file: its status is {job.status}. "
            "Only a job that succeeded writes one."
        )
    try:
        return decode(client.files.content(job.result_files[0]).read())
    except openai.NotFoundError:
        raise WorkbookError(
            f"Job {job.id} names {job.result_files[0]} as its result file, and the host has no "
            f"such file (any more). What else it says of the job: workbook jobs show {job.id}"
        ) from None


def decode(content: bytes) -> str:
    """The CSV text of a result file, whether it came in base64 or plain."""
    if not content.lstrip(b"\xef\xbb\xbf").startswith(b"step"):
        with contextlib.suppress(ValueError):  # neither: pandas will say what is wrong with it
            content = base64.b64decode(content, validate=True)
    return content.decode("utf-8-sig")


def find(client: "OpenAI", **metadata: str) -> "FineTuningJob | None":
    """The newest job that succeeded, carries this metadata and whose model is still there."""
    import openai

    for job in client.fine_tuning.jobs.list(limit=100):
        if job.status == "succeeded" and job.fine_tuned_model and _carries(job, metadata):
            try:
                client.models.retrieve(job.fine_tuned_model)
            except openai.NotFoundError:
                continue
            return job
    return None


def unfinished(client: "OpenAI", **metadata: str) -> "FineTuningJob | None":
    """The newest job with this metadata that has not ended: to be joined, not created again."""
    for job in client.fine_tuning.jobs.list(limit=100):
        if job.status not in ENDED and _carries(job, metadata):
            return job
    return None


def _carries(job: "FineTuningJob", metadata: dict[str, str]) -> bool:
    labels = job.metadata or {}
    return all(labels.get(key) == value for key, value in metadata.items())


def model_of(client: "OpenAI", job: "FineTuningJob") -> str:
    """The name of the job's tuned model, asked for afresh.

    Raises WorkbookError where there is none: the job still runs, failed, or was cancelled.
    """
    job = client.fine_tuning.jobs.retrieve(job.id)
    if job.status == "succeeded" and job.fine_tuned_model:
        return job.fine_tuned_model
    if job.status in ENDED:
        end = "was cancelled" if job.status == "cancelled" else job.status
        reason = f": {job.error.message}" if job.error and job.error.message else ""
        raise WorkbookError(f"Job {job.id} left no model, it {end}{reason}.")
    raise WorkbookError(
        f"Job {job.id} has no model yet, it is {job.status.replace('_', ' ')}. Run the cell that "
        "watches it again, wait for its end, then run this cell."
    )


def best_checkpoint(client: "OpenAI", job: "FineTuningJob") -> str:
    """The model chosen on validation: the checkpoint with the lowest loss on all of its rows.

    The job's own model where no checkpoint knows such a loss, as without a validation file.
    """
    losses = {
        point.fine_tuned_model_checkpoint: point.metrics.full_valid_loss
        for point in client.fine_tuning.jobs.checkpoints.list(job.id)
        if point.metrics.full_valid_loss is not None
    }
    return min(losses, key=lambda name: losses[name]) if losses else model_of(client, job)
