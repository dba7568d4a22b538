"""Sending a job: its files are checked, its price is agreed to, then it is created.

For command lines: says what it finds on standard error. Prints no result.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook import backends, confirm, doctor
from workbook.doctor import terminal
from workbook.errors import RefusedError, WorkbookError
from workbook.prices import costs, registry
from workbook.prices.model import NoPriceError

if TYPE_CHECKING:
    from openai.types import FileObject
    from openai.types.fine_tuning import FineTuningJob

    from workbook.doctor.report import Report

_SHOWN = 5  # findings that are printed
_SIZE = {"too-few", "few"}  # codes that don't matter for a validation file
Number = int | float | str | None  # "auto", or None to leave it to the server


@dataclass(frozen=True)
class JobOptions:
    """What is asked of a job. None leaves it to the backend."""

    file: str  # a path, or the id of an uploaded file
    model: str | None = None
    validation: str | None = None  # as `file`
    suffix: str | None = None
    n_epochs: Number = None
    batch_size: Number = None
    learning_rate_multiplier: Number = None
    method: str = "supervised"
    beta: Number = None  # of dpo
    seed: int | None = None
    metadata: Mapping[str, str] | None = None
    force: bool = False  # also with errors in the files
    host: str | None = None  # whose rules the files are held to: a name of `doctor.profiles`


def create(
    options: JobOptions, connect: Callable[[], backends.Backend], *, agreed: bool = False
) -> "FineTuningJob":
    """Check the files, have the price agreed to, upload, and create the job.

    connect: gives the backend; not called before the files are known to be good
    agreed: the price was agreed to beforehand
    Raises RefusedError for a file with errors or a price nobody agreed to, WorkbookError for
    options that don't fit, and what the server refuses as the openai package does.
    """
    if options.beta is not None and options.method != "dpo":
        raise WorkbookError("--beta belongs to --method dpo.")
    model = options.model
    if any(_is_id(name) for name in (options.file, options.validation) if name):
        model = model or connect().model  # else the files are looked at first
    training = _training_report(options, model)
    if options.validation and not _is_id(options.validation):
        path = Path(options.validation)
        check(path, force=options.force, validation=True, host=options.host)
    backend = connect()
    n_epochs = options.n_epochs if isinstance(options.n_epochs, int) else None
    agree(backend, training, n_epochs, agreed)
    return backend.client.fine_tuning.jobs.create(**_body(options, backend))


def _training_report(options: JobOptions, model: str | None) -> "Report | str":
    """The report on the training file, or its id.

    Raises RefusedError, and WorkbookError where its rows are not what the method trains on.
    """
    if _is_id(options.file):
        return options.file
    job = {"suffix": options.suffix, "metadata": options.metadata}
    report = check(Path(options.file), model, job=job, force=options.force, host=options.host)
    is_preference = report.kind == "preference"
    if not options.force and is_preference != (options.method == "dpo"):
        method, rows = ("dpo", "preferences") if is_preference else ("supervised", "no preferences")
        raise WorkbookError(f"{options.file} holds {rows}: that is for --method {method}.")
    return report


def _body(options: JobOptions, backend: backends.Backend) -> dict[str, Any]:
    """The request; what was left to the server is left out."""
    settings = {
        "n_epochs": options.n_epochs,
        "batch_size": options.batch_size,
        "learning_rate_multiplier": options.learning_rate_multiplier,
        "beta": options.beta,
    }
    hyperparameters = {name: value for name, value in settings.items() if value is not None}
    method: dict[str, Any] | None = {"type": options.method}
    if hyperparameters:
        method = {"type": options.method, options.method: {"hyperparameters": hyperparameters}}
    elif options.method == "supervised":  # what every host means when nothing is said
        method = None
    body = {
        "model": backend.model,
        "suffix": options.suffix,
        "seed": options.seed,
        "metadata": options.metadata,
        "method": method,
        "training_file": _file_id(options.file, backend),
        "validation_file": options.validation and _file_id(options.validation, backend),
    }
    return {key: value for key, value in body.items() if value is not None}


def _is_id(text: str) -> bool:
    return not Path(text).exists() and re.fullmatch(r"file-?[A-Za-z0-9_-]+", text) is not None


def _file_id(name: str, backend: backends.Backend) -> str:
    return name if _is_id(name) else upload(backend, Path(name)).id


def upload(backend: backends.Backend, path: Path) -> "FileObject":
    """Upload a training file, and wait where the host reads it first."""
    with path.open("rb") as stream:
        file = backend.client.files.create(file=(path.name, stream), purpose="fine-tune")
    if backend.name == "azure":  # a job on a file that is still being read is refused there
        file = backend.client.files.wait_for_processing(file.id)
    return file


def check(
    path: Path,
    model: str | None = None,
    *,
    job: Mapping[str, Any] | None = None,
    force: bool = False,
    validation: bool = False,
    host: str | None = None,
) -> "Report":
    """The doctor's report on a file. Raises RefusedError when there are errors, unless forced.

    job: suffix and metadata, checked too
    validation: the file may have few examples
    host: whose rules hold, too
    """
    try:
        model = model and registry.get(model).id
    except registry.UnknownModelError:  # a host's own model: no limits or prices are known
        model = None
    report = doctor.check(path, model, host=host, job=job)
    errors = [
        finding
        for finding in report.findings
        if finding.severity == "error" and not (validation and finding.code in _SIZE)
    ]
    for finding in errors[:_SHOWN]:
        print(terminal.text_of(finding, str(path), sys.stderr.isatty()), file=sys.stderr)
    print(report.summary, file=sys.stderr)
    if path.suffix.lower() != ".jsonl":
        raise WorkbookError(
            f"Jobs are trained on .jsonl files, and {path.name} is none. Make one: "
            f"workbook prepare {path}"
        )
    if errors and not force:
        raise RefusedError(
            f"{path.name} has errors, so nothing was sent. All of them: workbook "
            f"check {path}. --force sends it as it is."
        )
    return report


def agree(
    backend: backends.Backend, training: "Report | str", n_epochs: int | None, agreed: bool
) -> None:
    """Show the price of a hosted job and have it agreed to. Raises RefusedError when it is not.

    training: the report on the training file, or the id of an uploaded one
    n_epochs: None for the number that the host chooses
    agreed: beforehand
    """
    if backend.is_lab:
        return
    usd = _price(backend, training, n_epochs)
    price = "at a price that is not known here" if usd is None else f"about {costs.usd(usd)}"
    what = f"A job on {backend.model}"
    question = f"{what}: {price} on {backend.title}."
    if agreed:
        print(question, file=sys.stderr)
    elif not confirm.agrees(question, "--yes agrees to the price beforehand."):
        raise RefusedError("Not confirmed, so nothing was sent.")
    backend.confirm(what, usd, agreed=True)


def _price(
    backend: backends.Backend, training: "Report | str", n_epochs: int | None
) -> float | None:
    """USD, by the file's tokens under the model's limit; None where no price is known."""
    prefix = "azure/" if backend.name == "azure" else ""
    try:
        model = registry.get(prefix + backend.model).id
        report = _report_for(backend, training, model)
        return report.cost(n_epochs).usd if len(report.counts) else None
    except (registry.UnknownModelError, NoPriceError):
        return None


def _report_for(backend: backends.Backend, training: "Report | str", model: str) -> "Report":
    """The report on the training file with its tokens counted for this model."""
    if not isinstance(training, str):
        return training if training.model == model else doctor.check(training.source.path, model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.jsonl"
        path.write_bytes(backend.client.files.content(training).read())
        return doctor.check(path, model)
