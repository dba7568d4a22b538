"""The page Compare: which of two models is better on a file of examples, and how sure that is.

Knows how that looks; asking and grading stand in `workbook.studio.comparisons`.
"""

from functools import partial
from typing import Any

from workbook.errors import WorkbookError
from workbook.quoting import excerpt
from workbook.studio import comparisons, datasets
from workbook.studio.comparisons import GRADERS, WITH_VALUE, Comparison, Part
from workbook.studio.host import Host
from workbook.studio.pages import two_models
from workbook.studio.pages.charts import interval
from workbook.studio.pages.two_models import TwoModels
from workbook.studio.pages.widgets import (
    Field,
    Table,
    agreed,
    attempt,
    box,
    button,
    failure,
    notice,
    section,
    text,
)

_LONG = 300  # characters of an answer that are shown


def add(host: Host) -> None:
    """Make the page."""
    words = (
        "Both models answer every example of a file; each answer is right or wrong, and the "
        "difference has an interval."
    )
    two_models.add(host, "/compare", "Compare", words, _Compare)


class _Compare:
    def __init__(self, host: Host, models: TwoModels) -> None:
        self._host = host
        files = [("", "Choose …"), *((name, name) for name in datasets.files())]
        with section("Who, and on what"):
            with box("fields"):
                self._a, self._b = models.fields()
                self._file = Field(
                    "Examples",
                    "",
                    kind="select",
                    options=files,
                    hint="Conversations that end with the right answer; neither model has learned "
                    "from them.",
                )
            with box("fields"):
                self._grader = Field(
                    "An answer is right where it is",
                    "exact",
                    kind="select",
                    options=list(GRADERS.items()),
                    on_change=self._fit,
                )
                self._value = Field("Of the grader", "")
                self._max_tokens = Field("Most tokens of an answer", "64", kind="number")
                self._limit = Field("Only the first", "", kind="number", placeholder="all")
            self._general = Field(
                "Also ask 160 simple questions: what was forgotten?", False, kind="check"
            )
            self._problems = box("stack")
            with box("actions"):
                button("Compare", self._run, "primary")
        self._result = box("stack").props("aria-live=polite")
        self._fit()

    def _fit(self) -> None:
        kind = self._grader.value
        self._value.set_visibility(kind in WITH_VALUE)
        self._value.value = WITH_VALUE.get(kind, "")

    def _comparison(self) -> Comparison:
        """Raises WorkbookError."""
        return Comparison(
            self._a.value,
            self._b.value,
            self._file.value,
            self._grader.value,
            self._value.value,
            self._max_tokens.number(1, whole=True) or 64,
            self._limit.number(2, whole=True),
            self._general.value,
        )

    async def _run(self) -> None:
        self._problems.clear()
        try:
            comparison = self._comparison()
        except WorkbookError as error:
            failure(self._host, self._problems, error)
            return
        price = await attempt(self._host, self._problems, comparisons.price, self._host, comparison)
        if price is None:
            return
        backend = self._host.backend
        if not backend.is_lab:
            if not await agreed(f"Ask both models on {backend.title}?", "Compare", [price]):
                return
            backend.confirm("Answers for a comparison", None, agreed=True)
        self._result.clear()
        with self._result:
            notice("Both are answering. Every answer is kept: you may leave, and come back later.")
        parts = await attempt(self._host, self._result, comparisons.run, self._host, comparison)
        if parts is None or self._result.is_deleted:
            return
        self._result.clear()
        with self._result:
            for part in parts:
                _show(part, comparison)


def _show(part: Part, comparison: Comparison) -> None:
    report, result = part.report, part.report.comparison
    with section(f"{part.title}: {result.n:,} examples"):
        tone = "note" if result.verdict == "no difference" else "good"
        notice(report.verdict, tone)
        for name, model, (mean, low, high) in zip(
            report.names, comparison.models, report.shares, strict=True
        ):
            with box("score"):
                text(f"{name}: {mean:.3f} ({low:.3f} to {high:.3f}) · {model}", "p")
                if 0 <= low <= high <= 1:
                    interval(mean, low, high, f"{name} scores {mean:.3f}")
        text(f"Better for A: {result.only_a:,} examples, for B: {result.only_b:,}.", "p")
        for name, count in part.overlaps.items():
            if count:
                notice(
                    f"Beware: {name} was trained on {count:,} of these questions; it may know them "
                    "by heart.",
                    "warning",
                )
        flips = report.flips.to_dict("records")
        if flips:
            text("Where they differ", "h3")
            Table(("Example", "Right", "A", "B", "Better"), flips, _cells, "differences", 10)


def _cells(flip: dict[str, Any]) -> Any:
    answers = (excerpt(flip[side], _LONG) if flip[side] is not None else "–" for side in "ab")
    better = flip["better"].upper()
    badge = partial(text, better, "span", "badge note")
    return (str(flip["id"]), excerpt(str(flip["label"]), _LONG), *answers, badge)
