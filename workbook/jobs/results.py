"""Jobs that have ended: the newest one with certain labels, and its result file.

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
    """The job's result file as it is, CSV. Raises WorkbookError for a job without one."""
    if not job.result_files:
        raise WorkbookError(
            f"Job {job.id} has no result file: its status is {job.status}. "
            "Only a job that succeeded writes one."
        )
    return decode(client.files.content(job.result_files[0]).read())


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
        labels = job.metadata or {}
        if job.status != "succeeded" or not job.fine_tuned_model:
            continue
        if all(labels.get(key) == value for key, value in metadata.items()):
            try:
                client.models.retrieve(job.fine_tuned_model)
            except openai.NotFoundError:
                continue
            return job
    return None
