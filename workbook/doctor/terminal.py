"""Findings for a terminal and for programs: as a compiler prints them, or as JSON.

Knows how findings are shown outside a notebook; makes none.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from workbook.doctor.report import Finding, Report
from workbook.errors import WorkbookError
from workbook.prices import costs

SHOWN = 20
"""Findings of one code that are printed; JSON has all that the report keeps."""
_COLORS = {"error": "31", "warning": "33", "note": "36"}


def print_findings(findings: Iterable[Finding], totals: Mapping[str, int], file: str) -> None:
    """Print findings; of each code the first few, and why it matters only once.

    totals: how many there are of each code.
    """
    shown: Counter[str] = Counter()
    for finding in findings:
        code = finding.code
        shown[code] += 1
        if shown[code] <= SHOWN:
            print(text_of(finding, file, sys.stdout.isatty(), explained=shown[code] == 1))
        elif shown[code] == SHOWN + 1:
            print(
                f"{file}: {finding.severity}[{code}]: … and {totals[code] - SHOWN:,} more; "
                "--format json lists them"
            )


def text_of(finding: Finding, file: str, colored: bool = False, explained: bool = True) -> str:
    """One finding as a compiler would say it: place, severity, code, message, excerpt, help."""
    place = f"{file}:{finding.line}" if finding.line else file
    kind = f"{finding.severity}[{finding.code}]"
    if colored:
        kind = f"\x1b[1;{_COLORS[finding.severity]}m{kind}\x1b[0m"
    lines = [f"{place}: {kind}: {finding.message}"]
    if finding.excerpt:
        lines.append(f"    | {finding.excerpt}")
    if explained:
        # What is a call in a notebook is an option here.
        fix = re.sub(r'report\.fix\("([\w-]+)"\)', r"prepare --fix \1", finding.fix)
        lines += [
            f"    = why: {finding.why}",
            f"    = help: {fix.replace('report.fix()', 'prepare')}",
        ]
    return "\n".join(lines)


def as_json(report: Report, file: str) -> dict[str, Any]:
    """A report as plain values."""
    return {
        "file": file,
        "ok": report.ok,
        "summary": report.summary,
        "kind": report.kind,
        "examples": len(report.counts),
        "codes": dict(report.codes),
        "labels": report.labels,
        "findings": listed(report.findings),
    }


def listed(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as plain values."""
    names = ("code", "severity", "line", "message", "excerpt", "why", "fix")
    return [{name: getattr(finding, name) for name in names} for finding in findings]


def price(report: Report) -> str:
    """One sentence: tokens, epochs and dollars of a job on what was checked, or why not."""
    try:
        bill = report.cost()
    except WorkbookError as error:
        return str(error)
    return (
        f"{report.name}: {bill.tokens:,} tokens, {bill.n_epochs} epochs, {bill.billed:,} "
        f"billed: {costs.usd(bill.usd)} with {report.model}."
    )
