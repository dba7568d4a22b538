"""Findings for a terminal and for programs: as a compiler prints them, or as JSON.

Knows how findings are shown outside a notebook; makes none.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from workbook.doctor.check_result import CheckResult
from workbook.doctor.findings import Finding
from workbook.errors import WorkbookError
from workbook.prices import costs

SHOWN = 20
"""Findings of one code that are printed; JSON has all that the report keeps."""
_COLORS = {"error": "31", "warning": "33", "note": "36"}


def print_findings(findings: Iterable[Finding], totals: Mapping[str, int], file: str) -> None:
    """Print findings; of each code the first few, and why it matters only once.

    totals: how many there are of each code.
    """
    counts: Counter[str] = Counter()
    for finding in findings:
        code = finding.code
        counts[code] += 1
        if counts[code] <= SHOWN:
            is_first = counts[code] == 1
            print(text_of(finding, file, in_color=sys.stdout.isatty(), with_reason=is_first))
        elif counts[code] == SHOWN + 1:
            print(
                f"{file}: {finding.severity}[{code}]: … and {totals[code] - SHOWN:,} more; "
                "--format json lists them"
            )


def text_of(finding: Finding, file: str, in_color: bool = False, with_reason: bool = True) -> str:
    """One finding as a compiler would say it: place, severity, code, message, excerpt, help."""
    place = f"{file}:{finding.line}" if finding.line else file
    kind = f"{finding.severity}[{finding.code}]"
    if in_color:
        kind = f"\x1b[1;{_COLORS[finding.severity]}m{kind}\x1b[0m"
    lines = [f"{place}: {kind}: {finding.message}"]
    if finding.excerpt:
        lines.append(f"    | {finding.excerpt}")
    if with_reason:
        # What is a call in a notebook is an option here.
        fix = re.sub(r'report\.fix\("([\w-]+)"\)', r"prepare --fix \1", finding.fix)
        lines += [
            f"    = why: {finding.why}",
            f"    = help: {fix.replace('report.fix()', 'prepare')}",
        ]
    return "\n".join(lines)


def as_json(result: CheckResult, file: str) -> dict[str, Any]:
    """What a check found, as plain values."""
    return {
        "file": file,
        "ok": result.ok,
        "summary": result.summary,
        "kind": result.kind,
        "examples": len(result.counts),
        "codes": dict(result.codes),
        "labels": result.labels,
        "findings": findings_as_json(result.findings),
    }


def findings_as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as plain values."""
    names = ("code", "severity", "line", "message", "excerpt", "why", "fix")
    return [{name: getattr(finding, name) for name in names} for finding in findings]


def price(result: CheckResult) -> str:
    """One sentence: tokens, epochs and dollars of a job on what was checked, or why not."""
    try:
        estimate = result.cost()
    except WorkbookError as error:
        return str(error)
    sentence = (
        f"{result.name}: {estimate.tokens:,} tokens, {estimate.n_epochs} epochs, "
        f"{estimate.billed:,} billed: {costs.usd(estimate.usd)} with {result.model}."
    )
    return "\n".join([sentence, *(f"Take care. {notice}" for notice in estimate.notices())])
