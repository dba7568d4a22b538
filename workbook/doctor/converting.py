"""Many rows into another format: what is lost on the way, which rows can't go, and whether what
comes out would be accepted.

Knows rows with the numbers of their lines; knows neither files nor commands.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from workbook.doctor import conversion, profiles
from workbook.doctor.codes import CODES
from workbook.doctor.errors import ConversionError
from workbook.doctor.findings import Finding, Findings
from workbook.doctor.lines import Line
from workbook.doctor.losses import Losses
from workbook.doctor.partial_results import problems_of
from workbook.doctor.readers.source import formed
from workbook.rows.validator import format_of


class Conversion:
    """Rows on their way into the format `to`; into none, they stay as they were read.

    system: a system message for rows that have none.
    losses: counts what is left out; what reading leaves out may be counted there, too.
    """

    def __init__(
        self, to: str | None, system: str | None = None, losses: Losses | None = None
    ) -> None:
        self.to, self.system = to, system
        self.losses = Losses() if losses is None else losses
        self.failed = Losses()
        """Reasons for which rows could not be converted."""
        self._lines = array("q")

    def rows(self, numbered: Iterable[tuple[int, Any]]) -> Iterator[Any]:
        """The rows that can be converted.

        numbered: each row with the number of its line.
        """
        for number, row in numbered:
            self.losses.line = self.failed.line = number
            try:
                result = row
                if self.to:
                    result = conversion.convert(row, self.to, self.losses, self.system)
            except ConversionError as error:
                self.failed[str(error)] += 1
            else:
                self._lines.append(number)
                yield result

    def sentences(self) -> list[str]:
        """What was lost, and which rows were left out."""
        return [
            *self.losses.sentences(),
            *(
                f"left out: {count:,} example{'s' * (count != 1)} "
                f"(first line {self.failed.first[reason]:,}). {reason}"
                for reason, count in self.failed.items()
            ),
        ]

    def without_consent(self, consent: Iterable[str] = ()) -> list[str]:
        """What was lost or left out and nobody agreed to.

        consent: keys, or `all`.
        """
        return [
            *self.losses.without_consent(consent),
            *([] if "all" in set(consent) else self.failed),
        ]

    def placed(self, finding: Finding) -> Finding:
        """A finding about the rows that came out, under the line that its row came from."""
        if finding.line is None:
            return finding
        return replace(finding, line=self._lines[finding.line - 1])

    @property
    def host(self) -> str | None:
        """Whose rules the format is for, if it is for one host."""
        return self.to if self.to in profiles.all_profiles() else None

    def errors(self, rows: Sequence[Any], host: str | None = None) -> Findings:
        """What would be refused of the rows that came out, looked at one by one.

        host: whose rules hold; by default the format's host's, or OpenAI's.
        """
        findings = Findings()
        kinds: Counter[str | None] = Counter()
        for number, row in zip(self._lines, rows, strict=True):
            line = formed(Line(number, row), {})
            kinds[format_of(line.value)] += 1
            for code, message, value in (
                *line.problems,
                *problems_of(line, host or self.host, False),
            ):
                if CODES[code].severity == "error":
                    findings.add(code, number, message, value)
        if len(kinds) > 1:
            names = " and ".join(f"{count:,} of {kind}" for kind, count in kinds.items())
            findings.add("mixed-formats", None, f"rows of several formats: {names}", "")
        return findings
