"""`doctor.check_files` on a Dask cluster: the report is that of one machine.

The checks of the set see here, in the order of the file, what the workers send of its rows.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workbook.doctor.cluster.ranges import (
    RANGE,
    Span,
    connect,
    open_file,
    raw_lines,
    spans,
    watched_parts,
)
from workbook.doctor.lines import Line, Problem
from workbook.doctor.partial_results import PartialResult, check_lines
from workbook.doctor.readers.jsonl import value_of
from workbook.doctor.readers.source import formed
from workbook.doctor.report import Report
from workbook.doctor.report_builder import ReportBuilder
from workbook.doctor.set_checks.leaks import Leaks

if TYPE_CHECKING:
    from distributed import Client, Future

_SAMPLE = 64 * 2**20  # bytes at the start whose texts are sent at once


def check_files(
    files: Sequence[str],
    scheduler: str,
    model: str | None = None,
    job_problems: Sequence[Problem] = (),
    range_bytes: int = RANGE,
    host: str | None = None,
    **options: Any,
) -> list[Report]:
    """As `doctor.check_files`, on the cluster of this scheduler; files are paths or addresses that
    every worker can open.

    job_problems: what is said of the job.
    Raises WorkbookError where Dask is not installed or does not answer, and for a missing file.
    """
    with connect(scheduler) as client:
        leaks = Leaks() if len(files) > 1 else None
        checks = [_FileCheck(client, file, model, host, range_bytes, options) for file in files]
        return [check.report(leaks, job_problems) for check in checks]


class _FileCheck:
    """One file, whose ranges are being looked at."""

    def __init__(
        self,
        client: "Client",
        file: str,
        model: str | None,
        host: str | None,
        range_bytes: int,
        options: Mapping[str, Any],
    ) -> None:
        self.client, self.file, self.options = client, file, options
        self.model, self.host = model, host
        self.source = open_file(file, options)
        self.source.require_columns()
        self.spans = spans(self.source, range_bytes)
        self.futures = deque(self._submit(span, span[0] < _SAMPLE) for span in self.spans)

    def _submit(self, span: Span, with_texts: bool) -> "Future":
        # Not pure: a file of the same name may have changed since it was last looked at.
        return self.client.submit(
            check_range,
            self.file,
            span,
            self.model,
            self.host,
            with_texts,
            dict(self.options),
            pure=False,
        )

    def report(self, leaks: Leaks | None, job_problems: Iterable[Problem]) -> Report:
        """What was found, once every range has been looked at."""
        if leaks:
            leaks.begin(self.file)
        builder = ReportBuilder(self.source.path.name, self.model, leaks, self.host)
        problems = self.source.problems
        for span in watched_parts(self.spans, self.source):
            # Not kept here: the cluster can forget it.
            part, part_problems = self.futures.popleft().result()
            lacks_texts = part.examples and all(item.texts is None for item in part.examples)
            if builder.needs_texts and lacks_texts:
                part, _ = self._submit(span, with_texts=True).result()  # long rows
            problems = part_problems or problems
            builder.add(part, builder.lines - (span[0] > 0))
        return builder.report(chain(job_problems, problems), self.source, self.source.size)


def check_range(
    file: str,
    span: Span,
    model: str | None,
    host: str | None,
    with_texts: bool,
    options: Mapping[str, Any],
) -> tuple[PartialResult, list[Problem]]:
    """On a worker: (what the lines hold that begin between two bytes, problems of the file).

    Lines are counted from 1, but from 2 in a range that does not open the file, whose first line
    is the only one that may have a byte order mark.
    """
    start, end = span
    if end is None:
        source = open_file(file, options)
        return check_lines(source.lines(), model, with_texts, host), source.problems
    return check_lines(lines(file, start, end, options), model, with_texts, host), []


def lines(
    file: str, start: int, end: int, options: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Line]:
    """The lines that begin between two bytes, read."""
    for number, raw in enumerate(raw_lines(file, start, end), start=2 if start else 1):
        yield formed(value_of(number, raw), options.get("columns") or {})
