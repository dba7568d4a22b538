"""Two models on a file of examples: the report of `workbook compare`, for a page.

`workbook.evals.two_models` asks and grades. Knows no pages.
"""

import threading
from dataclasses import dataclass

from workbook import paths
from workbook.errors import WorkbookError
from workbook.evals import examples, graders, two_models
from workbook.evals.comparison import Report
from workbook.studio import ballots, datasets
from workbook.studio.host import Host

GRADERS = {
    "exact": "exact: the answer is the right one, white space aside",
    "same-word": "same-word: whatever the case and the punctuation around it",
    "contains": "contains: the right answer stands somewhere in it",
    "number-within": "number-within: at most so far from the right number",
    "one-of": "one-of: names the right label, and no other",
    "regex": "regex: a pattern is found in it",
}
WITH_VALUE = {"number-within": "1", "one-of": "positive|negative", "regex": "^[1-5]$"}
_ALONE = threading.Lock()  # the file of answers has one writer


@dataclass(frozen=True)
class Comparison:
    """What is compared. file: in the work folder; general: also 160 questions of something else."""

    a: str
    b: str
    file: str
    grader: str = "exact"
    value: str = ""
    max_tokens: int = 64
    limit: int | None = None
    general: bool = False

    @property
    def models(self) -> tuple[str, str]:
        return self.a, self.b


@dataclass(frozen=True)
class Part:
    """The report on one file, and how many of its questions each model was trained on."""

    title: str
    report: Report
    overlaps: dict[str, int | None]


def check(comparison: Comparison) -> None:
    """Raises WorkbookError for what can't be compared."""
    if comparison.a == comparison.b:
        raise WorkbookError("Choose two different models.")
    if not comparison.file:
        raise WorkbookError("Choose a file of examples; the page Data puts it into your folder.")
    grader(comparison)


def grader(comparison: Comparison) -> graders.Grader:
    """What says whether an answer is right. Raises EvaluationError."""
    needs_value = comparison.grader in WITH_VALUE
    return graders.by_name(
        f"{comparison.grader}={comparison.value}" if needs_value else comparison.grader
    )


def _files(comparison: Comparison) -> list[tuple[str, two_models.Rows, graders.Grader]]:
    own = datasets.path_of(comparison.file)
    rows = two_models.rows_of(own, comparison.limit)
    files = [(comparison.file, rows, grader(comparison))]
    if comparison.general:
        general = two_models.rows_of(paths.data("general.jsonl"), comparison.limit)
        files.append(
            ("What was forgotten? Simple questions of all kinds", general, graders.contains)
        )
    return files


def price(host: Host, comparison: Comparison) -> str:
    """What all answers cost at most, in a few words. Raises WorkbookError."""
    check(comparison)
    asked = [each for _, rows, _ in _files(comparison) for each in examples.from_rows(rows)]
    return ballots.price(host, comparison.models, asked, comparison.max_tokens)


def run(host: Host, comparison: Comparison) -> list[Part]:
    """Ask, grade and compare; answers on disk are not asked for again. Raises WorkbookError."""
    check(comparison)
    parts = []
    with _ALONE:
        for title, rows, right in _files(comparison):
            report = two_models.compare(
                host.patient,
                comparison.models,
                rows,
                right,
                comparison.max_tokens,
                paths.work() / "evaluations" / "compare.jsonl",
                progress=False,
            )
            overlaps = {
                name: two_models.overlap(host.client, model, rows)
                for name, model in zip(two_models.NAMES, comparison.models, strict=True)
            }
            parts.append(Part(title, report, overlaps))
    return parts
