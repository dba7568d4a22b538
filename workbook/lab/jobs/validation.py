"""A job's files, checked before it is queued, and what "auto" is to mean for them.

Knows what a file must hold; knows nothing of the store, threads or how training works.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbook.lab.state.records import Job
from workbook.lab.training import defaults, training_file
from workbook.rows.rules import MIN_EXAMPLES

# By method and file, as OpenAI's guide to reinforcement fine-tuning has it.
MOST_EXAMPLES = {("reinforcement", "training"): 50_000, ("reinforcement", "validation"): 1_000}


class InvalidFileError(Exception):
    """A file that can't be trained on.

    code, param: OpenAI's code, and the parameter that names the file.
    """

    def __init__(self, code: str, message: str, param: str) -> None:
        super().__init__(message)
        self.code, self.param = code, param


def hyperparameters(
    job: Job, folder: Path, count: Callable[[dict[str, Any]], int], limit: int
) -> dict[str, Any]:
    """The job's hyperparameters as numbers, once its files have been checked.

    folder: the job's, with its files and their names.
    count: tokens of an example; may raise what is to end the check.
    limit: the most tokens that an example may have.
    Raises InvalidFileError.
    """
    examples = _check(job, folder, "training", count, limit, least=MIN_EXAMPLES)
    if job.validation_file is not None:
        _check(job, folder, "validation", count, limit, least=1)
    if job.method == "reinforcement":
        return defaults.auto_reinforcement(examples, job.hyperparameters)
    auto = defaults.auto_hyperparameters(examples)
    return {k: auto[k] if v == "auto" else v for k, v in job.hyperparameters.items()}


def _check(
    job: Job,
    folder: Path,
    kind: str,
    count: Callable[[dict[str, Any]], int],
    limit: int,
    least: int,
) -> int:
    """How many examples a file has. Raises InvalidFileError."""
    report = training_file.check(folder / f"{kind}.jsonl", count, limit, method=job.method)
    if report.bad_lines:
        filename = (folder / f"{kind}.name").read_text(encoding="utf-8")
        message = f"The job failed due to an invalid {kind} file. {report.describe(filename)}"
        raise InvalidFileError(f"invalid_{kind}_file", message, f"{kind}_file")
    if report.examples < least:
        message = (
            f"{kind.capitalize()} file has {report.examples} example(s), "
            f"but must have at least {least} example{'s' * (least > 1)}"
        )
        raise InvalidFileError("invalid_n_examples", message, f"{kind}_file")
    most = MOST_EXAMPLES.get((job.method, kind))
    if most is not None and report.examples > most:
        message = (
            f"{kind.capitalize()} file has {report.examples:,} examples; with method "
            f"'{job.method}' it may have {most:,}"
        )
        raise InvalidFileError("invalid_n_examples", message, f"{kind}_file")
    return report.examples
