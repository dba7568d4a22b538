"""From partial results to a report: they are put together in the order of the file.

Here the set's checks see the examples, whoever looked at the rows: this process, or a cluster.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from workbook.doctor import host_checks, model_checks, set_checks
from workbook.doctor.codes import CODES
from workbook.doctor.findings import Findings
from workbook.doctor.limits import SAMPLE
from workbook.doctor.lines import Line, Problem
from workbook.doctor.partial_results import PartialResult, check_lines, columns
from workbook.doctor.profiles import profile
from workbook.doctor.report import Report
from workbook.doctor.set_checks.balance import Labels
from workbook.doctor.set_checks.check import SetCheck
from workbook.doctor.set_checks.size import size_problems

_CHUNK = 256  # rows that are looked at before the set's checks see them


class ReportBuilder:
    """Takes partial results, shows the set's checks their examples, and makes the report.

    name: of what is checked, for the report's first words.
    leaks: finds what earlier files ask, too.
    host: whose rules for a whole file hold.
    """

    def __init__(
        self,
        name: str,
        model: str | None = None,
        leaks: SetCheck | None = None,
        host: str | None = None,
    ) -> None:
        self.name, self.model, self.host = name, model, profile(host, model)
        self._is_named = host is not None or model is not None
        self.lines = self._images = 0
        self._labels = Labels()
        self._checks: list[SetCheck] = [
            *set_checks.checks(self._labels),
            *([leaks] if leaks else []),
        ]
        self._findings = Findings()
        self._counts = {column: array("q") for column in columns(model)}
        self._kinds: Counter[str] = Counter()
        self._gaps: set[str] = set()

    @property
    def needs_texts(self) -> bool:
        """Whether the next part needs its examples' texts: near duplicates are sampled."""
        return len(self._counts["line"]) < SAMPLE

    def add(self, part: PartialResult, offset: int = 0) -> None:
        """The next part.

        offset: the number of lines before it, if it has counted from 1.
        """
        self.lines += part.lines
        self._findings.join(part.findings, offset)
        self._kinds.update(part.kinds)
        self._gaps |= part.gaps
        self._images += part.images
        for column, numbers in part.counts.items():
            if column == "line" and offset:
                numbers = array("q", (number + offset for number in numbers))
            self._counts[column].extend(numbers)
        for example in part.examples:
            if offset:
                example = replace(example, line=example.line + offset)
            for check in self._checks:
                for line, (code, message, value) in check.add(example):
                    self._findings.add(code, line, message, value)

    def report(
        self, file_problems: Iterable[Problem] = (), source: Any = None, size: int = 0
    ) -> Report:
        """What was found, once all parts are in.

        file_problems: of the file as a whole, and of the job it is for.
        source: what was checked, for a repair.
        size: of the file, in bytes.
        """
        rows, host = len(self._counts["line"]), self.host
        if not self._is_named and self._kinds.keys() == {"vertex"}:
            host = profile("vertex")  # one host's own form is that host's, where none is named
        file_problems = chain(
            file_problems,
            host_checks.of_file(host, self._kinds, self._images, size),
            model_checks.of_kinds(host, self._kinds, self.model),
        )
        for code, message, value in file_problems:
            self._findings.add(code, None, message, value)
        for check in self._checks:
            for line, (code, message, value) in check.end():
                self._findings.add(code, line, message, value)
        for code, message, value in size_problems(rows, host):
            self._findings.add(code, None, message, value)
        self._findings.sum_up("placeholder", "placeholders", rows)
        import numpy as np
        import pandas as pd  # here: the fast pass of large files needs none of it

        totals = self._findings.totals
        return Report(
            name=self.name,
            findings=self._findings.by_severity(),
            counts=pd.DataFrame(
                {column: np.array(numbers) for column, numbers in self._counts.items()}
            ),
            labels=self._labels.labels,
            model=self.model,
            codes={code: totals[code] for code in CODES if totals[code]},
            source=source,
            kinds=dict(self._kinds),
            gaps=frozenset(self._gaps),
        )


def build(
    name: str,
    lines: Iterable[Line],
    model: str | None = None,
    file_problems: Iterable[Problem] = (),
    source: Any = None,
    leaks: SetCheck | None = None,
    host: str | None = None,
    size: int = 0,
) -> Report:
    """Run every check over the lines, one after the other; none is kept.

    Parameters as for `ReportBuilder` and its `report`.
    Raises WorkbookError for an unknown model.
    """
    builder = ReportBuilder(name, model, leaks, host)
    remaining, host = iter(lines), builder.host.id
    while (part := check_lines(islice(remaining, _CHUNK), model, builder.needs_texts, host)).lines:
        builder.add(part)
    return builder.report(file_problems, source, size)
