"""Fixes of what the dataset doctor finds, made row by row: the safe ones, the others by name.

Nothing is written before it is asked for, and the original never is. Knows how rows are mended one
after the other; what mends them stands in `workbook.doctor.fixes`.
"""

import html
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbook import display
from workbook.doctor import writing
from workbook.doctor.changes import Change, diff_html, diff_lines, parts_gone
from workbook.doctor.check_result import CheckResult
from workbook.doctor.fingerprints import example_of
from workbook.doctor.fixes import FIXES
from workbook.doctor.fixes.editing import Row
from workbook.doctor.lines import Line
from workbook.doctor.losses import Losses
from workbook.doctor.readers.source import Source, formed, open_source
from workbook.doctor.set_checks.check import SetCheck
from workbook.doctor.set_checks.repetition import Duplicates, NearDuplicates
from workbook.errors import WorkbookError

SHOWN = 8
"""Changes shown; `.changes` has them all."""
# And not just empty.
_UNREADABLE = ("not-json", "not-utf8", "long-line", "quote", "cells", "formula")
_REPETITION: dict[str, type[SetCheck]] = {
    "duplicate": Duplicates,
    "near-duplicate": NearDuplicates,
}


@dataclass
class _Tally:
    """What one run over the rows has done."""

    rows: int = 0
    changes: int = 0
    left_out: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    first: list[Change] = field(default_factory=list)
    read: Losses = field(default_factory=Losses)
    """What reading left out."""
    fixed: Losses = field(default_factory=Losses)
    """What the fixes took out of rows."""

    def add(self, row: Row | None, change: Change | None) -> None:
        self.rows += row is not None
        if change is None:
            return
        self.codes.update(change.codes)
        self.fixed.line = change.line
        for what in parts_gone(change):
            self.fixed[what] += 1
        if row is None:
            self.left_out += 1
        else:
            self.changes += 1
        if len(self.first) < SHOWN:
            self.first.append(change)


class Repair:
    """A file or rows, mended while they are read: nothing is kept of them but a few changes.

    Iterate for the mended rows. Shows its changes; `write` writes the rows.

    source: an opened file, or the rows.
    changes: what mends a row, by code, in the order in which it is done.
    named: the codes whose fixes were asked for.
    file_fixes: codes that writing the file anew mends.
    """

    def __init__(
        self,
        name: str,
        source: Any,
        changes: Mapping[str, Callable[[Row], Row]],
        named: Collection[str],
        file_fixes: Sequence[str] = (),
    ) -> None:
        self.name, self.source = name, source
        self.file_fixes = file_fixes
        self._changes, self._named = changes, named
        self._tally: _Tally | None = None

    def __iter__(self) -> Iterator[Row]:
        return (row for _, row in self.numbered())

    def numbered(self) -> Iterator[tuple[int, Row]]:
        """The mended rows, each with the number of its line."""
        return ((line, row) for line, row, _ in self._run("mending") if row is not None)

    @property
    def rows(self) -> list[Row]:
        """All mended rows."""
        return list(self)

    @property
    def changes(self) -> Iterator[Change]:
        """Every change, in the order of the lines."""
        return (change for _, _, change in self._run("comparing") if change)

    def _run(self, doing: str) -> Iterator[tuple[int, Row | None, Change | None]]:
        """(the number of the line, the mended row, the change) for each row; None for a row left
        out, and for no change."""
        checks = [(code, check()) for code, check in _REPETITION.items() if code in self._named]
        tally = _Tally()
        for line in _lines_of(self.source, doing, tally.read):
            tally.read.note(line.problems, line.number)
            if line.readable:
                row, codes = self._mended(line, checks)
                change = Change(line.number, codes, line.value, row) if codes else None
            else:
                codes = tuple(dict.fromkeys(code for code, _, _ in line.problems))
                if not set(codes) & set(_UNREADABLE):
                    continue  # an empty line
                self.require_fix(line.number, codes)
                row, change = None, Change(line.number, codes, line.problems[0][2], None)
            tally.add(row, change)
            yield line.number, row, change
        self._tally = tally

    def require_fix(self, line: int, codes: Sequence[str]) -> None:
        """Raise WorkbookError for a line that can't be read, unless its fix was asked for."""
        if not set(codes) & set(self._named):
            raise WorkbookError(
                f"Line {line} of {self.name} can't be read. Mend it by hand, or "
                f"leave such lines out: report.fix({codes[0]!r}), "
                f"--fix {codes[0]}."
            )

    def _mended(
        self, line: Line, checks: Sequence[tuple[str, SetCheck]]
    ) -> tuple[Row | None, tuple[str, ...]]:
        """(the row mended, or None where it is left out; the codes of what was done)."""
        row, codes = line.value, []
        for code, change in self._changes.items():
            new_row = change(row)
            if new_row is not row:
                codes.append(code)
                row = new_row
            if row is None:
                return None, tuple(codes)
        if checks and (example := example_of(Line(line.number, row))):
            for code, check in checks:
                if list(check.add(example)):
                    return None, (*codes, code)
        return row, tuple(codes)

    def _last_tally(self) -> _Tally:
        """What the last whole run over the rows has done; there is one now, if there was none."""
        if self._tally is None:
            for _ in self._run("mending"):
                pass
        assert self._tally is not None
        return self._tally

    @property
    def summary(self) -> str:
        """One sentence: rows changed, left out, kept."""
        tally = self._last_tally()
        numbers = f"{tally.changes} changed, {tally.left_out} left out, {tally.rows} to be written"
        counts = [f"{code} × {count}" for code, count in tally.codes.items() if code in FIXES]
        codes = ", ".join([*counts, *self.file_fixes])
        return f"{self.name}: {numbers}" + (f" ({codes})" if codes else "") + "."

    @property
    def losses(self) -> Losses:
        """What reading has left out, without being asked to."""
        return self._last_tally().read

    @property
    def diff(self) -> str:
        """The changes as a unified diff, without lines around them."""
        return "\n".join(text for change in self.changes for text in diff_lines(change))

    def write(self, name: str | None = None) -> Path:
        """Write the rows to the work folder, by default as NAME_fixed.jsonl.

        A file that is there is kept under another name, the original is never touched.
        """
        self.losses.warn()
        stem = Path(self.name).name.split(".")[0] or "rows"
        return writing.write(self, name or f"{stem}_fixed.jsonl")

    def __repr__(self) -> str:
        texts = [text for change in self._last_tally().first for text in diff_lines(change)]
        return "\n".join([self.summary, *texts, *self._more(), *self._lost()])

    def _lost(self) -> list[str]:
        tally = self._last_tally()
        return [*tally.read.sentences(), *tally.fixed.sentences()]

    def _repr_html_(self) -> str:
        changes = "".join(map(diff_html, self._last_tally().first))
        more = "".join(f"<p>{html.escape(text)}</p>" for text in [*self._more(), *self._lost()])
        return display.without_formulas(
            f"<p><b>{html.escape(self.summary)}</b></p>"
            f'<div style="font-family:monospace;white-space:pre-wrap">{changes}</div>{more}'
        )

    def _more(self) -> list[str]:
        tally = self._last_tally()
        hidden = tally.left_out + tally.changes - SHOWN
        return [f"… and {hidden} more: `.diff` has them all."] if hidden > 0 else []


def _lines_of(source: Any, doing: str, losses: Losses) -> Iterator[Line]:
    """The lines of what was checked, read again.

    losses: counts what of the file as a whole is left out.
    """
    if isinstance(source, Source):
        again = open_source(source.path, source.remote, **source.options)
        yield from again.watched(doing)
        losses.note(again.problems)
    else:
        for number, row in enumerate(source, start=1):
            yield formed(Line(number, row), {})


def repair(result: CheckResult, named: Collection[str] = ()) -> Repair:
    """All safe fixes, and the named ones, of what a check found.

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
            changes[code] = fix.learn(Repair(result.name, result.source, dict(changes), named))
        elif fix.change and (fix.safe or code in named):
            changes[code] = fix.change
    file_fixes = [
        code
        for code in result.codes
        if code in FIXES and FIXES[code].safe and not FIXES[code].change
    ]
    repairing = Repair(result.name, result.source, changes, named, file_fixes)
    for finding in result.findings:
        if finding.code in _UNREADABLE and finding.line:
            repairing.require_fix(finding.line, (finding.code,))
    return repairing
