"""A project's report card: rules that stop it, rivals with intervals, costs, and what to do.

Filled while a project goes on, one call a step. Every step has a rule that was written down before
its number was known; where the rule fails the project stops, and the report says what to do
instead. Knows graded tables and figures that it is told. Measures nothing, knows no hosts; how the
page is written stands in `report_page`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook import display
from workbook.errors import WorkbookError
from workbook.evals import comparison, report_page, statistics
from workbook.evals.errors import EvaluationError
from workbook.evals.report_page import Block

if TYPE_CHECKING:
    import pandas as pd

ADVICE = {
    "train": "Use the tuned model, for the task below and no other.",
    "train, with a person": "Use the tuned model for proposals, and let a person confirm each.",
    "prompt": "Don't train: what costs no training is as good, or good enough.",
    "collect": "Collect more, or better, examples before anything is trained.",
    "stop": "Stop: as it stands, this project should not go on.",
    "undecided": "No model was held against a rule yet.",
}
"""What a project can be told to do, and the sentence that says so."""


class StopError(WorkbookError):
    """A rule that was made beforehand was not met. The report has been written."""


@dataclass(frozen=True)
class Gate:
    """One step's rule, what was measured, and what follows where it is not met."""

    step: str
    rule: str
    measured: str
    is_met: bool
    otherwise: str
    went_on: bool = False
    is_last: bool = False


@dataclass
class ReportCard:
    """What is known of a project so far.

    title, task: what it is, and in one sentence what goes in and what comes out
    never: what the result must not be used for
    path: the report's file, with the ending .md; the same page is written with .html
    """

    title: str
    task: str
    never: Sequence[str]
    path: Path
    day: str = ""
    data: dict[str, str] = field(default_factory=dict)
    gates: list[Gate] = field(default_factory=list)
    rivals: "dict[str, pd.DataFrame]" = field(default_factory=dict)
    results: dict[tuple[str, str], str] = field(default_factory=dict)
    costs: list[dict[str, str]] = field(default_factory=list)

    def describe(self, file: Path, rows: int, findings: Mapping[str, int], **more: object) -> None:
        """Note the data: its file with the hash, rows, what the doctor found, and more facts."""
        codes = [f"{count} {code}" for code, count in findings.items()]
        self.data = {
            "file": file.name,
            "SHA-256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "rows": f"{rows:,}",
            "findings": ", ".join(codes) or "none",
            **{name.replace("_", " "): str(value) for name, value in more.items()},
        }

    def gate(
        self,
        step: str,
        rule: str,
        measured: str,
        is_met: bool,
        otherwise: str = "stop",
        go_on: bool = False,
    ) -> None:
        """Hold the project against a rule, and show what came out.

        otherwise: what to do where the rule is not met, of `ADVICE`
        go_on: a person has decided to go on in spite of the rule; the report says so
        Raises StopError where the rule is not met, when the report has been written.
        """
        went_on = go_on and not is_met
        entry = self._note(Gate(step, rule, measured, bool(is_met), otherwise, went_on))
        if is_met or went_on:
            return _show(entry, "Go on." if is_met else "Not met; you go on all the same.")
        paths = self.write()
        raise StopError(
            f"{step}: {rule}. Measured: {measured}. {ADVICE[otherwise]} The report is in "
            f"{' and '.join(path.name for path in paths)}. To go on all the same: go_on=True."
        )

    def verdict(
        self, step: str, rule: str, measured: str, is_met: bool, otherwise: str = "collect"
    ) -> None:
        """A gate at the end, after which there is nothing to stop: noted and shown."""
        entry = self._note(Gate(step, rule, measured, bool(is_met), otherwise, is_last=True))
        _show(entry, "Met." if is_met else f"Not met: {otherwise}.")

    def _note(self, entry: Gate) -> Gate:
        """Keep a gate; one of the same step is replaced, as a cell may be run again."""
        options = [each for each in ADVICE if each not in ("train", "undecided")]
        if entry.otherwise not in options:
            raise EvaluationError(f"{entry.otherwise!r} is none of: {', '.join(options)}.")
        steps = [each.step for each in self.gates]
        place = steps.index(entry.step) if entry.step in steps else len(steps)
        self.gates = [*self.gates[:place], entry, *self.gates[place + 1 :]]
        return entry

    def compare(self, ours: str, theirs: str, score: str = "correct") -> comparison.Report:
        """Compare two rivals in pairs, and note the result in the place of an earlier one."""
        for name in (ours, theirs):
            if name not in self.rivals:
                raise EvaluationError(f"There is no rival {name!r}: {', '.join(self.rivals)}.")
        report = comparison.report((ours, theirs), (self.rivals[ours], self.rivals[theirs]), score)
        self.results[ours, theirs] = report.verdict
        return report

    def best(self, *names: str, score: str = "correct") -> str:
        """The rival with the highest mean score, of these or of all."""
        return max(names or self.rivals, key=lambda name: self.rivals[name][score].mean())

    @property
    def advice(self) -> str:
        """What to do, a key of `ADVICE`: that of the first rule not met, or else "train".

        Where a person went on in spite of a rule, the rule still counts. "undecided" as long as no
        verdict was given on a model.
        """
        last = "train" if any(each.is_last for each in self.gates) else "undecided"
        return next((each.otherwise for each in self.gates if not each.is_met), last)

    def blocks(self) -> list[Block]:
        """The page, part by part."""
        day = f" As of {self.day}." if self.day else ""
        why = next((each for each in self.gates if not each.is_met), None)
        reason = f" Not met: {why.rule}; measured: {why.measured}." if why else ""
        page: list[Block] = [
            ("title", self.title),
            ("strong", f"Recommendation: {self.advice}. {ADVICE[self.advice]}{reason}"),
            ("text", f"{self.task}{day}"),
            ("heading", "It must not be used for"),
            ("list", list(self.never)),
        ]
        if self.data:
            facts = [[name, value] for name, value in self.data.items()]
            page += [("heading", "Data"), ("table", [["What", "Value"], *facts])]
        if self.rivals:
            page += [
                ("heading", "Who did how well on the held-out rows"),
                ("table", self._shares()),
            ]
        page += [("text", text) for text in self.results.values()]
        if self.costs:
            table = [list(self.costs[0]), *([*row.values()] for row in self.costs)]
            page += [("heading", "What it costs, here and elsewhere"), ("table", table)]
        rules = [["Step", "Rule, made beforehand", "Measured", "Met"]]
        rules += [[each.step, each.rule, each.measured, _met(each)] for each in self.gates]
        return [*page, ("heading", "Rules"), ("table", rules)]

    def write(self) -> tuple[Path, Path]:
        """Write the page as Markdown and as HTML; the two files."""
        return report_page.write(self.path, self.title, self.blocks())

    def show(self) -> None:
        """Show the page in the notebook, or print it."""
        blocks = self.blocks()
        display.show(report_page.as_html(blocks), report_page.as_markdown(blocks))

    def _shares(self) -> list[list[str]]:
        rows: list[list[str]] = [["Who", "Right", "95 % interval", "Rows"]]
        for name, table in self.rivals.items():
            score: Any = table["correct"]
            low, high = statistics.of_scores(score)
            interval = f"{low:.2f} to {high:.2f}"
            rows.append([name, f"{score.mean():.2f}", interval, f"{len(table):,}"])
        return rows


def _show(gate: Gate, end: str) -> None:
    text = f"{gate.step}: {gate.rule}. Measured: {gate.measured}. {end}"
    display.box(text, "right" if gate.is_met else "warning")


def _met(gate: Gate) -> str:
    return "yes" if gate.is_met else "no, went on" if gate.went_on else "no"
