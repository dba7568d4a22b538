"""What comes before a job is sent: its files are checked, and its price is agreed to.

For command lines: says what it finds on standard error. Knows no options of theirs.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook import backends, confirm
from workbook.errors import WorkbookError
from workbook.prices import costs, registry

if TYPE_CHECKING:
    from workbook.doctor.report import Report

_SHOWN = 5  # findings that are printed
_SIZE = {"too-few", "few"}  # codes that don't matter for a validation file


class Refused(WorkbookError):
    """The file has errors, or nobody agreed to the price: nothing was sent."""


def checked(
    path: Path,
    model: str | None = None,
    *,
    job: Mapping[str, Any] | None = None,
    force: bool = False,
    validation: bool = False,
) -> "Report":
    """The doctor's report on a file. Raises Refused when there are errors, unless forced.

    job: suffix and metadata, checked too. validation: the file may have few examples.
    """
    from workbook import doctor
    from workbook.doctor import cli  # pandas takes its time, and `list` needs none

    try:
        known = model and registry.get(model).id
    except registry.UnknownModel:  # a host's own model: no limits or prices are known
        known = None
    report = doctor.check(path, known, job=job)
    wrong = [
        finding
        for finding in report.findings
        if finding.severity == "error" and not (validation and finding.code in _SIZE)
    ]
    for finding in wrong[:_SHOWN]:
        print(cli.text_of(finding, str(path), sys.stderr.isatty()), file=sys.stderr)
    print(report.summary, file=sys.stderr)
    if path.suffix.lower() != ".jsonl":
        raise WorkbookError(
            f"Jobs are trained on .jsonl files, and {path.name} is none. Make one: "
            f"workbook prepare {path}"
        )
    if wrong and not force:
        raise Refused(
            f"{path.name} has errors, so nothing was sent. All of them: workbook "
            f"check {path}. --force sends it as it is."
        )
    return report


def agree(
    backend: backends.Backend, training: "Report | str", n_epochs: int | None, yes: bool
) -> None:
    """Show the price of a hosted job and have it agreed to. Raises Refused when it is not.

    training: the report on the training file, or the id of an uploaded one. n_epochs: None for the
    number that the host chooses. yes: agreed to beforehand.
    """
    if backend.is_lab:
        return
    usd = _price(backend, training, n_epochs)
    price = "at a price that is not known here" if usd is None else f"about {costs.usd(usd)}"
    what = f"A job on {backend.model}"
    question = f"{what}: {price} on {backend.title}."
    if yes:
        print(question, file=sys.stderr)
    elif not _agrees(question):
        raise Refused("Not confirmed, so nothing was sent.")
    backend.confirm(what, usd, agreed=True)


def _agrees(question: str) -> bool:
    try:
        return confirm.agrees(question, "--yes agrees to the price beforehand.")
    except confirm.NobodyToAskError as error:
        raise Refused(str(error)) from None


def _price(
    backend: backends.Backend, training: "Report | str", n_epochs: int | None
) -> float | None:
    """USD, by the file's tokens under the model's limit; None where no price is known."""
    prefix = "azure/" if backend.name == "azure" else ""
    try:
        model = registry.get(prefix + backend.model).id
        report = _counted(backend, training, model)
        return report.cost(n_epochs).usd if len(report.counts) else None
    except (registry.UnknownModel, registry.NoPrice):
        return None


def _counted(backend: backends.Backend, training: "Report | str", model: str) -> "Report":
    """The report on the training file with its tokens counted for this model."""
    from workbook import doctor

    if not isinstance(training, str):
        path = training.source.path
        return training if training.model == model else doctor.check(path, model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.jsonl"
        path.write_bytes(backend.client.files.content(training).read())
        return doctor.check(path, model)
