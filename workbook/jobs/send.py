"""Sending a job: its files are checked, its price is agreed to, then it is created.

For command lines: says what it finds on standard error. Prints no result. What a job costs stands
in `price`.
"""

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from workbook import backends, doctor, strict_json
from workbook.doctor import job_checks, terminal
from workbook.doctor.readers.jsonl import BOM
from workbook.errors import RefusedError, WorkbookError
from workbook.jobs import price
from workbook.prices import registry

if TYPE_CHECKING:
    from openai.types import FileObject
    from openai.types.fine_tuning import FineTuningJob

    from workbook.doctor.report import Report

_SHOWN = 5  # findings that are printed
_SIZE = {"too-few", "few"}  # codes that don't matter for a validation file
_METHODS = {"preference": "dpo", "reinforcement": "reinforcement"}  # by the kind of rows
_ROWS = {"dpo": "preferences", "reinforcement": "rows for reinforcement"}
TRAINING_TYPES = ("Standard", "GlobalStandard", "developerTier")  # of Azure
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
    grader: str | None = None  # of reinforcement: a path to the grader in JSON
    seed: int | None = None
    metadata: Mapping[str, str] | None = None
    training_type: str | None = None  # Azure: where it trains, and at which price
    force: bool = False  # also with errors in the files
    host: str | None = None  # whose rules the files are held to: a name of `doctor.profiles`


def create(
    options: JobOptions,
    connect: Callable[[], backends.Backend],
    *,
    agreed: bool = False,
    max_usd: float | None = None,
) -> "FineTuningJob":
    """Check the files, have the price agreed to, upload, and create the job.

    connect: gives the backend; not called before the files are known to be good
    agreed: the price was agreed to beforehand
    max_usd: the most that the job may cost
    Raises RefusedError for a file with errors, a price that nobody agreed to, and one above
    `max_usd`; WorkbookError for options that don't fit, and what the server refuses as the openai
    package does.
    """
    if options.beta is not None and options.method != "dpo":
        raise WorkbookError("--beta belongs to --method dpo.")
    grader = _grader(options)
    if options.training_type and options.host != "azure":
        raise WorkbookError("--training-type belongs to --backend azure.")
    _check_training(options)
    if options.validation and not _is_id(options.validation):
        path = Path(options.validation)
        check(path, force=options.force, validation=True, host=options.host)
    backend = connect()
    n_epochs = options.n_epochs if isinstance(options.n_epochs, int) else None
    if not backend.is_lab:
        training, validation = (
            price.content(backend, name, _is_id(name)) if name else b""
            for name in (options.file, options.validation)
        )
        bill = price.of_job(backend, training, validation, n_epochs)
        price.agree(backend, bill, agreed, max_usd)
    return backend.client.fine_tuning.jobs.create(**_body(options, backend, grader))


def _check_training(options: JobOptions) -> None:
    """Look at the training file and at what the job is given beside it.

    Raises RefusedError, and WorkbookError where the rows are not what the method trains on.
    """
    job = {"suffix": options.suffix, "metadata": options.metadata}
    if _is_id(options.file):
        for code, message, _ in job_checks.check({**job, "azure": options.host == "azure"}, None):
            raise WorkbookError(f"{message[0].upper()}{message[1:]} (--{code}). Nothing was sent.")
        return
    report = check(
        Path(options.file), options.model, job=job, force=options.force, host=options.host
    )
    method = _METHODS.get(report.kind or "", "supervised")
    if not options.force and options.method != method:
        rows = _ROWS[method if method != "supervised" else options.method]
        rows = rows if method != "supervised" else f"no {rows}"
        raise WorkbookError(f"{options.file} holds {rows}: that is for --method {method}.")


def _grader(options: JobOptions) -> dict[str, Any] | None:
    """What the answers of a reinforcement job are graded with. Raises WorkbookError."""
    if options.method != "reinforcement":
        if options.grader is not None:
            raise WorkbookError("--grader belongs to --method reinforcement.")
        return None
    for name, value in (("--grader", options.grader), ("--validation", options.validation)):
        if value is None:
            raise WorkbookError(f"--method reinforcement needs {name}: rewards come from there.")
    path = Path(options.grader or "")
    try:
        grader = strict_json.loads(path.read_bytes())
    except FileNotFoundError:
        raise WorkbookError(f"There is no file {path} to read the grader from.") from None
    except (OSError, ValueError) as error:
        raise WorkbookError(f"{path} can't be read as JSON: {error}.") from None
    if not isinstance(grader, dict):
        raise WorkbookError(f'{path} holds no grader: that is an object with a "type".')
    return grader


def _body(
    options: JobOptions, backend: backends.Backend, grader: dict[str, Any] | None
) -> dict[str, Any]:
    """The request; what was left to the server is left out."""
    settings = {
        "n_epochs": options.n_epochs,
        "batch_size": options.batch_size,
        "learning_rate_multiplier": options.learning_rate_multiplier,
        "beta": options.beta,
    }
    hyperparameters = {name: value for name, value in settings.items() if value is not None}
    method: dict[str, Any] | None = {"type": options.method}
    if grader is not None:
        settings_of_method = {"grader": grader, "hyperparameters": hyperparameters}
        method = {"type": options.method, options.method: settings_of_method}
    elif hyperparameters:
        method = {"type": options.method, options.method: {"hyperparameters": hyperparameters}}
    elif options.method == "supervised":  # what every host means when nothing is said
        method = None
    body = {
        "model": backend.model,
        "suffix": options.suffix,
        "seed": options.seed,
        "metadata": options.metadata,
        "method": method,
        "extra_body": options.training_type and {"trainingType": options.training_type},
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
    with _as_asked(backend, path) as stream:
        file = backend.client.files.create(file=(path.name, stream), purpose="fine-tune")
    if backend.name == "azure":  # a job on a file that is still being read is refused there
        file = backend.client.files.wait_for_processing(file.id)
    return file


@contextlib.contextmanager
def _as_asked(backend: backends.Backend, path: Path) -> Iterator[IO[bytes]]:
    """The file as the host wants it: Azure with a byte order mark first. The file itself stays."""
    with path.open("rb") as stream:
        if backend.name != "azure" or stream.read(len(BOM)) == BOM:
            stream.seek(0)
            yield stream
            return
        stream.seek(0)
        with tempfile.TemporaryFile() as marked:
            marked.write(BOM)
            shutil.copyfileobj(stream, marked)
            marked.seek(0)
            print(
                f"{path.name}: sent with the byte order mark that Azure asks for.", file=sys.stderr
            )
            yield marked


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
        prefix = "azure/" if host == "azure" else ""
        model = model and registry.get(prefix + model.removeprefix("azure/")).id
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
