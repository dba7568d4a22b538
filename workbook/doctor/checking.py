"""Checking data: files in any format or rows in memory, alone or against each other.

Knows what is checked, and in which order. What can be wrong with a row stands in
`workbook.doctor.row_checks`, with a set in `workbook.doctor.set_checks`, with a file in
`workbook.doctor.readers`; how the findings become a report, in `workbook.doctor.report_builder`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from workbook.doctor import job_checks, parallel
from workbook.doctor.cluster import checks as cluster_checks
from workbook.doctor.fingerprints import Example, example_of
from workbook.doctor.lines import Line, Problem
from workbook.doctor.profiles import profile
from workbook.doctor.progress import watched
from workbook.doctor.readers.columns import in_rows, renamed_line
from workbook.doctor.readers.source import formed, open_source
from workbook.doctor.readers.tables_in_memory import rows_of
from workbook.doctor.report import Report
from workbook.doctor.report_builder import build
from workbook.doctor.set_checks.leaks import Leaks
from workbook.doctor.set_checks.meaning import Meanings
from workbook.errors import WorkbookError

Data = str | Path | Iterable[Any]
"""A file, or rows."""


def check(
    path_or_rows: Data,
    model: str | None = None,
    *,
    host: str | None = None,
    job: Mapping[str, Any] | None = None,
    against: Mapping[str, Data] | None = None,
    meaning: bool = False,
    **options: Any,
) -> Report:
    """Check a file in any format, or rows in memory, and report every finding with its line.

    model: an id of the registry: tokens are counted, and examples beyond its limit are found.
    host: whose rules hold, by its short name (`profiles.all_profiles()`): "openai", "azure", …; by
        default the model's host, or OpenAI.
    job: what the job will be given: `suffix`, `metadata`, `on` (a date), `azure` (True).
    against: other data by name, {"train": …}: rows that ask the same as one of theirs are leaks.
    meaning: also find questions that mean the same in other words (needs the extra `meaning`).
    options: as for `read`: columns; for WhatsApp exports more.

    In a notebook the report shows itself as a table; `report.ok`, `.summary`, `.findings`,
    `.table()`, `.stats()` and `.counts` say the same to a program.
    No content of the data raises an error; a missing file or an unknown model does (WorkbookError).
    """
    leaks = _comparison(bool(against), meaning)
    if leaks and against:
        for name, data in against.items():
            leaks.begin(name)
            for example in _examples(data):
                list(leaks.add(example))  # who leaks into whom among these is not asked
    if leaks:
        leaks.begin("")
    job_problems = _job_problems(job, model, profile(host, model).id)
    return _check(path_or_rows, model, host, job_problems, leaks, options)


def check_files(
    files: Sequence[str | Path],
    model: str | None = None,
    *,
    host: str | None = None,
    job: Mapping[str, Any] | None = None,
    scheduler: str | None = None,
    meaning: bool = False,
    **options: Any,
) -> list[Report]:
    """Check several files, each also for what leaks into it from those before it.

    scheduler: the address of a Dask cluster that does it; files may then be addresses, too.
    Else as `check`.
    """
    problems = _job_problems(job, model, profile(host, model).id)
    if scheduler and meaning:
        raise WorkbookError("Meaning is compared on this machine only: leave one of both out.")
    if scheduler:
        names, host = list(map(str, files)), profile(host, model).id
        return cluster_checks.check_files(names, scheduler, model, problems, host=host, **options)
    leaks = _comparison(len(files) > 1, meaning)
    reports = []
    for file in files:
        if leaks:
            leaks.begin(str(file))
        reports.append(_check(file, model, host, problems, leaks, options))
    return reports


def _comparison(several: bool, meaning: bool) -> Leaks | Meanings | None:
    """What compares the examples with earlier ones, and with those of other data."""
    leaks = Leaks() if several else None
    return Meanings(leaks) if meaning else leaks


def _job_problems(job: Mapping[str, Any] | None, model: str | None, host: str) -> list[Problem]:
    if job is None:
        return []
    return list(job_checks.check({"azure": host == "azure", **job}, model))


def _check(
    data: Data,
    model: str | None,
    host: str | None,
    job_problems: Sequence[Problem],
    leaks: Leaks | Meanings | None,
    options: Mapping[str, Any],
) -> Report:
    if not isinstance(data, (str, Path)):
        rows = rows_of(data)
        if names := options.get("columns"):
            named = in_rows((Line(*item) for item in enumerate(rows, start=1)), names)
            rows = [renamed_line(line, names).value for line in named]
        watching = enumerate(watched(rows, "checking"), start=1)
        lines = (formed(Line(*item), {}) for item in watching)
        return build("rows", lines, model, job_problems, rows, leaks, host)
    source = open_source(data, **options)
    if (number := parallel.processes(source)) > 1:
        return parallel.build(source, number, model, job_problems, leaks, host)
    # What is wrong with the file as a whole is known once it has been read.
    problems = chain(job_problems, source.problems)
    name, watched_lines = source.path.name, source.watched("checking")
    return build(name, watched_lines, model, problems, source, leaks, host, source.size)


def _examples(data: Data) -> Iterator[Example]:
    lines = (
        open_source(data).lines()
        if isinstance(data, (str, Path))
        else (formed(Line(number, row), {}) for number, row in enumerate(rows_of(data), start=1))
    )
    for line in lines:
        if line.readable and (example := example_of(line)):
            yield example
