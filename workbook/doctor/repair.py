"""Fixes of what the dataset doctor finds, made row by row: the safe ones, the others by name.

Nothing is written before it is asked for, and the original never is. Knows how rows are mended one
after the other and how that is shown; what mends them stands in `workbook.doctor.fixes`.
"""

import difflib
import html
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbook import quoting
from workbook.doctor import personal_data, readers, set_checks
from workbook.doctor.codes import Line
from workbook.doctor.fingerprints import example_of
from workbook.doctor.fixes import FIXES, Row
from workbook.doctor.report import Report
from workbook.errors import WorkbookError
from workbook.rows.validator import format_of

SHOWN = 8
"""Changes shown; `.changes` has them all."""
_UNREADABLE = ("not-json", "not-utf8", "long-line")  # and not just empty


@dataclass(frozen=True)
class Change:
    """What one fix did to one row; `after` is None where the row is left out."""

    line: int
    codes: tuple[str, ...]
    before: Any
    after: Any


class Repair:
    """A file or rows, mended while they are read: nothing is kept of them but a few changes.

    Iterate for the mended rows. Shows its changes; `write` writes the rows.
    """

    def __init__(
        self,
        name: str,
        source: Any,
        changes: dict[str, Callable[[Row], Row]],
        named: tuple[str, ...],
        file_fixes: tuple[str, ...],
    ) -> None:
        self.name, self.source = name, source
        self.file_fixes = file_fixes
        """Codes that writing the file anew mends."""
        self._changes, self._named = changes, named

    def __iter__(self) -> Iterator[Row]:
        return (row for row, _ in self._run("mending") if row is not None)

    @property
    def rows(self) -> list[Row]:
        """All mended rows."""
        return list(self)

    @property
    def changes(self) -> "Iterator[Change]":
        """Every change, in the order of the lines."""
        return (change for _, change in self._run("comparing") if change)

    def _run(self, doing: str) -> "Iterator[tuple[Row | None, Change | None]]":
        """(the mended row, the change) for each row; None for a row left out, and for no change."""
        set_checkers = [
            (code, check)
            for code, check in (
                ("duplicate", set_checks.Duplicates()),
                ("near-duplicate", set_checks.NearDuplicates()),
            )
            if code in self._named
        ]
        tally: Counter[str] = Counter()
        shown: list[Change] = []
        for line in lines_of(self.source, doing):
            change, row = None, line.value
            if not line.readable:
                codes = tuple(dict.fromkeys(code for code, _, _ in line.problems))
                if not set(codes) & set(_UNREADABLE):
                    continue  # an empty line
                self._may_go(line.number, codes)
                row, change = None, Change(line.number, codes, line.problems[0][2], None)
            else:
                row, done = self._mended(line, set_checkers)
                if done:
                    change = Change(line.number, tuple(done), line.value, row)
            if change:
                tally.update(change.codes)
                tally["", row is None] += 1
                if len(shown) <= SHOWN:
                    shown.append(change)
            tally["rows"] += row is not None
            yield row, change
        self._seen = tally, shown

    def _may_go(self, number: int, codes: tuple[str, ...]) -> None:
        if not set(codes) & set(self._named):
            raise WorkbookError(
                f"Line {number} of {self.name} can't be read. Mend it by hand, or "
                f"leave such lines out: report.fix({codes[0]!r}), "
                f"--fix {codes[0]}."
            )

    def _mended(
        self, line: Line, set_checkers: list[tuple[str, set_checks.Check]]
    ) -> tuple[Row | None, list[str]]:
        row, done = line.value, []
        for code, change in self._changes.items():
            mended = change(row)
            if mended is not row:
                done.append(code)
                row = mended
            if row is None:
                return None, done
        if set_checkers and format_of(row):
            example = example_of(Line(line.number, row))
            for code, check in set_checkers:
                if list(check.add(example)):
                    return None, [*done, code]
        return row, done

    @cached_property
    def _told(self) -> tuple[Counter[Any], list["Change"]]:
        """How many changes there are, and the first ones."""
        if not hasattr(self, "_seen"):
            for _ in self._run("mending"):
                pass
        return self._seen

    @property
    def summary(self) -> str:
        """One sentence: rows changed, left out, kept."""
        tally, _ = self._told
        parts = [
            f"{tally['', False]} changed",
            f"{tally['', True]} left out",
            f"{tally['rows']} to be written",
        ]
        codes = ", ".join(
            [
                *(f"{code} × {count}" for code, count in tally.items() if code in FIXES),
                *self.file_fixes,
            ]
        )
        return f"{self.name}: {', '.join(parts)}" + (f" ({codes})" if codes else "") + "."

    @property
    def diff(self) -> str:
        """The changes as a unified diff, without lines around them."""
        return "\n".join(text for change in self.changes for text in _diff(change))

    def write(self, name: str | None = None) -> Path:
        """Write the rows to the work folder, by default as NAME_fixed.jsonl.

        A file that is there is kept under another name, the original is never touched.
        """
        from workbook.doctor import checking

        stem = Path(self.name).name.split(".")[0] or "rows"
        return checking.write(self, name or f"{stem}_fixed.jsonl")

    def __repr__(self) -> str:
        shown = [text for change in self._told[1][:SHOWN] for text in _diff(change)]
        return "\n".join([self.summary, *shown, *self._more()])

    def _more(self) -> list[str]:
        tally, _ = self._told
        hidden = tally["", True] + tally["", False] - SHOWN
        return [f"… and {hidden} more: `.diff` has them all."] if hidden > 0 else []

    def _repr_html_(self) -> str:
        colours = {"-": "#d1605e", "+": "#2a9d6f", "@": "#8a8a8a"}
        shown = "".join(
            f'<div style="border-left:4px solid {colours[text[0]]};padding-left:.5em">'
            f"{html.escape(text)}</div>"
            for change in self._told[1][:SHOWN]
            for text in _diff(change)
        )
        more = "".join(f"<p>{html.escape(text)}</p>" for text in self._more())
        return (
            f"<p><b>{html.escape(self.summary)}</b></p>"
            f'<div style="font-family:monospace;white-space:pre-wrap">{shown}</div>{more}'
        )


def _diff(change: Change) -> Iterator[str]:
    yield f"@@ line {change.line}: {', '.join(change.codes)}"
    before, after = _shown(change.before), "" if change.after is None else _shown(change.after)
    if change.after is None or max(len(before), len(after)) <= 160:
        yield f"- {_cut(before)}"
        if after:
            yield f"+ {after}"
        return
    # Long rows: only the places that differ, with a few signs around.
    matcher = difflib.SequenceMatcher(None, before[:5000], after[:5000], autojunk=False)
    spots = [spot for spot in matcher.get_opcodes() if spot[0] != "equal"]
    start, end = max(0, spots[0][1] - 30), spots[-1][2] + 30
    start2, end2 = max(0, spots[0][3] - 30), spots[-1][4] + 30
    yield f"- …{_cut(before[start:end])}…"
    yield f"+ …{_cut(after[start2:end2])}…"


def _shown(row: Any) -> str:
    return personal_data.hide(quoting.excerpt(quoting.as_json(row, in_order=False), 10_000))


def _cut(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}…"


def lines_of(source: Any, doing: str) -> Iterator[Line]:
    """The lines of what was checked, read again."""
    if isinstance(source, readers.Source):
        again = readers.open_source(
            source.path,
            source.remote,
            **{key: value for key, value in source.options.items() if key != "chat"},
        )
        yield from again.watched(doing)
    else:
        for number, row in enumerate(source, start=1):
            yield Line(number, row)


def repair(report: Report, named: tuple[str, ...] = ()) -> Repair:
    """All safe fixes, and the named ones, of what a report holds.

    Raises WorkbookError for a name that is no fix, and for a line that can't be read and that
    nothing mends.
    """
    unknown = [name for name in named if name not in FIXES]
    if unknown:
        raise WorkbookError(f"There is no fix for {unknown[0]!r}. There are: {', '.join(FIXES)}.")
    # Also fixes for what only mending others brings up (a key with capitals hides the rest).
    changes: dict[str, Callable[[Row], Row]] = {}
    for code, fix in FIXES.items():
        if fix.learn and code in named:
            # What comes before it in the table is mended by then.
            changes[code] = fix.learn(Repair(report.name, report.source, changes, named, ()))
        elif fix.change and (fix.safe or code in named):
            changes[code] = fix.change
    file_fixes = tuple(
        code
        for code in report.codes
        if code in FIXES and FIXES[code].safe and not FIXES[code].change
    )
    mended = Repair(report.name, report.source, changes, named, file_fixes)
    for finding in report.findings:
        if finding.code in _UNREADABLE and finding.line:
            mended._may_go(finding.line, (finding.code,))
    return mended
