"""Findings: a problem under its line, as a report has it. Collects them; makes none, shows none."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from workbook.doctor import secret_keys
from workbook.doctor.codes import CODES, SEVERITIES
from workbook.doctor.limits import MAX_FINDINGS
from workbook.quoting import as_json, excerpt
from workbook.rows.rules import MIN_EXAMPLES

_EXCERPT = 1_000  # characters that are searched for keys before the first 60 are shown


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `line` is None when it is about the whole file."""

    code: str
    line: int | None
    message: str
    excerpt: str = ""

    @property
    def severity(self) -> str:
        return CODES[self.code].severity

    @property
    def why(self) -> str:
        return CODES[self.code].why

    @property
    def fix(self) -> str:
        return CODES[self.code].fix


@dataclass
class Findings:
    """Findings as they come; of each code the first `MAX_FINDINGS` are kept, all are counted. What
    is told `once` is kept once, with the number of its rows."""

    totals: Counter[str] = field(default_factory=Counter)
    items: list[Finding] = field(default_factory=list)
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(code, message) of what is told once: how often."""

    def add(self, code: str, line: int | None, message: str, value: Any) -> None:
        """One more, with the value to quote; keys are hidden in what is shown."""
        if CODES[code].once:
            self.rows[code, message] += 1
            if self.rows[code, message] > 1:
                return
        self.totals[code] += 1
        if self.totals[code] <= MAX_FINDINGS:
            text = value if isinstance(value, str) else as_json(value, in_order=False)
            start = excerpt(secret_keys.hide(text[:_EXCERPT]))
            self.items.append(Finding(code, line, secret_keys.hide(message), start))

    def join(self, later: "Findings", offset: int) -> None:
        """Add those of what comes next.

        offset: is added to the numbers of their lines.
        """
        room = {code: MAX_FINDINGS - self.totals[code] for code in later.totals}
        for finding in later.items:
            if CODES[finding.code].once and (finding.code, finding.message) in self.rows:
                self.totals[finding.code] -= 1
                continue
            room[finding.code] -= 1
            if room[finding.code] >= 0:
                line = None if finding.line is None else finding.line + offset
                self.items.append(replace(finding, line=line) if offset else finding)
        self.totals.update(later.totals)
        self.rows.update(later.rows)

    def _all(self) -> list[Finding]:
        """The findings, with the number of rows in those that are told once."""
        return [
            replace(finding, message=f"{finding.message} ({number:,} rows, this is the first)")
            if finding.line and (number := self.rows[finding.code, finding.message]) > 1
            else finding
            for finding in self.items
        ]

    def sum_up(self, code: str, summary: str, rows: int) -> None:
        """Say once, under another code, what is found in most rows: there it is no accident."""
        lines = {finding.line for finding in self.items if finding.code == code}
        if len(lines) < MIN_EXAMPLES or 2 * len(lines) < rows:
            return
        first = next(finding for finding in self.items if finding.code == code)
        self.items = [finding for finding in self.items if finding.code != code]
        del self.totals[code]
        message = (
            f"{len(lines):,} of {rows:,} rows, the first on line {first.line}: {first.message}"
        )
        self.add(summary, None, message, first.excerpt)

    def by_severity(self) -> tuple[Finding, ...]:
        """The worst first, then by line."""
        return tuple(
            sorted(
                self._all(),
                key=lambda finding: (SEVERITIES.index(finding.severity), finding.line or 0),
            )
        )

    def by_line(self) -> tuple[Finding, ...]:
        """Those of the whole file first, then by line."""
        return tuple(sorted(self._all(), key=lambda finding: finding.line or 0))
