"""Two models on a file of examples, from their names to a report: what `workbook compare` shows.

Knows jobs and models by name, and training files. Knows no options, prices or how a report looks.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook import doctor
from workbook.errors import WorkbookError
from workbook.evals import asking, comparison, examples, results
from workbook.evals.comparison import Report
from workbook.evals.graders import Grader

if TYPE_CHECKING:
    from openai import OpenAI

Rows = Sequence[Mapping[str, Any]]
NAMES = ("A", "B")  # several models on one disk may share a long name


def model_of(client: "OpenAI", name: str) -> str:
    """The id of a model, or of the model that a job has made. Raises WorkbookError."""
    if not name.startswith("ftjob-"):
        return name
    job = client.fine_tuning.jobs.retrieve(name)
    if job.fine_tuned_model is None:
        raise WorkbookError(f"Job {name} has made no model: it is {job.status}.")
    return job.fine_tuned_model


def rows_of(path: Path | str, limit: int | None = None) -> Rows:
    """The examples of a file, or the first of them.

    Raises WorkbookError for fewer than two, and for a row that is none.
    """
    rows = doctor.read(path)[:limit]
    if len(rows) < 2:
        raise WorkbookError(f"{path} has {len(rows)} examples; a comparison needs at least two.")
    examples.from_rows(rows)  # refused here, before anybody agrees to a price
    return rows


def compare(
    client: "OpenAI",
    models: tuple[str, str],
    rows: Rows,
    grader: Grader,
    max_tokens: int,
    answers: Path,
    progress: bool = True,
) -> Report:
    """Ask both about every example, grade, and say which is better.

    answers: the file that keeps them; what is there is not asked again
    Raises EvaluationError as `asking.run`.
    """
    asked = examples.from_rows(rows)
    a, b = (
        results.grade(
            asked,
            asking.run(
                client,
                model,
                asked,
                answers,
                progress=progress,
                temperature=0,
                max_completion_tokens=max_tokens,
            ),
            {"score": grader},
        )
        for model in models
    )
    return comparison.report(NAMES, (a, b), "score")


def overlap(client: "OpenAI", source: str, rows: Rows) -> int | None:
    """How many of these rows ask what a job's training file asks; None where nobody knows.

    source: the job, or the model that it has made
    """
    import openai

    jobs = client.fine_tuning.jobs
    try:
        if source.startswith("ftjob-"):
            job = jobs.retrieve(source)
        else:
            job = next(each for each in jobs.list(limit=100) if each.fine_tuned_model == source)
        text = client.files.content(job.training_file).text
        trained = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (StopIteration, openai.OpenAIError, ValueError):  # a table, on some hosts
        return None
    known = {doctor.question_of(row) for row in trained if isinstance(row, Mapping)}
    return sum(doctor.question_of(row) in known for row in rows)
