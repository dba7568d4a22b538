"""What `doctor.check` returns: it shows itself in a notebook or a terminal, and offers a repair.

Knows how findings look. What can be wrong stands in `workbook.doctor.row_checks`.
"""

import html
import re
from typing import TYPE_CHECKING

from workbook import display
from workbook.doctor.check_result import CheckResult
from workbook.doctor.findings import Finding
from workbook.doctor.repair import Repair, repair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 50
"""Findings shown in a notebook; `report.findings` has them all."""
_SIGNS = {"error": "✘", "warning": "⚠", "note": "ℹ"}
_LEFT = 'style="text-align:left;vertical-align:top;white-space:normal"'
_HEADINGS = ("", "Line", "What", "Excerpt", "Why it matters", "What to do")


class Report(CheckResult):
    """What `doctor.check` found. `ok` means: no errors; there may be warnings and notes."""

    def fix(self, *codes: str) -> Repair:
        """The data with all safe fixes, and with those that are named by their code.

        Nothing is written: the result shows what would change, and `.write(name)` writes it to
        the work folder under a new name. `doctor.FIXES` lists the fixes.
        """
        return repair(self, codes)

    def figure(self) -> "Figure":
        """Messages and tokens an example, and labels, as a figure for `figures.show`."""
        from workbook.doctor.overview import overview  # brings matplotlib

        return overview(self.counts, self.labels)

    def __repr__(self) -> str:
        lines = [
            f"{finding.severity}[{finding.code}] "
            + (f"line {finding.line}: " if finding.line else "")
            + finding.message
            + (f" | {finding.excerpt}" if finding.excerpt else "")
            + f"\n    {finding.why} {finding.fix}"
            for finding in self.findings[:SHOWN]
        ]
        return "\n".join([self.summary, *lines, *self._more()])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" {_LEFT}>{heading}</th>' for heading in _HEADINGS)
        rows = "".join(map(_row_html, self.findings[:SHOWN]))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        sign = "✔" if self.ok else "✘"
        more = "".join(f"<p>{html.escape(text)}</p>" for text in self._more())
        summary = f"<p><b>{sign} {html.escape(self.summary)}</b></p>"
        return display.without_formulas(f"{summary}{table if rows else ''}{more}")

    def _more(self) -> list[str]:
        hidden = len(self.findings) - SHOWN
        return [f"… and {hidden} more: report.table() has them all."] if hidden > 0 else []


def _row_html(finding: Finding) -> str:
    excerpt = f"<code>{html.escape(finding.excerpt)}</code>" if finding.excerpt else ""
    cells = (
        f"<b>{_SIGNS[finding.severity]}&nbsp;{finding.severity}</b>",
        str(finding.line or "–"),
        f"{_marked(finding.message)}<br><small>{finding.code}</small>",
        excerpt,
        _marked(finding.why),
        _marked(finding.fix),
    )
    return f"<tr>{''.join(f'<td {_LEFT}>{cell}</td>' for cell in cells)}</tr>"


def _marked(text: str) -> str:
    """Escaped, with what stands between `…` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
