"""The fast pass on a Dask cluster: a `Scan` of each range, put one after the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbook.doctor.cluster.ranges import (
    RANGE,
    Span,
    connect,
    open_file,
    raw_lines,
    spans,
    watched_parts,
)
from workbook.doctor.fast_pass import Scan, scan_lines
from workbook.doctor.lines import Problem
from workbook.doctor.profiles import Profile, profile
from workbook.doctor.readers.source import Source
from workbook.prices import registry
from workbook.prices.token_rules import TokenRules

if TYPE_CHECKING:
    from distributed import Future


def scan_files(
    files: Sequence[str],
    scheduler: str,
    model: str,
    range_bytes: int = RANGE,
    host: str | None = None,
) -> list[Scan]:
    """As `fast_pass.scan` for each of these files, on the cluster of this scheduler.

    Raises WorkbookError where Dask is not installed or does not answer, for a missing file, and
    for an unknown model.
    """
    rules, limit = registry.token_rules(model), registry.get(model).max_example_tokens
    asker = profile(host, model)
    with connect(scheduler) as client:
        sources = [open_file(file, {}) for file in files]
        # Not pure: a file of the same name may have changed since it was last looked at.
        futures = [
            [
                client.submit(scan_range, file, span, rules, limit, asker.id, pure=False)
                for span in spans(source, range_bytes)
            ]
            for file, source in zip(files, sources, strict=True)
        ]
        pairs = zip(sources, futures, strict=True)
        return [_joined(source, parts, asker, model) for source, parts in pairs]


def _joined(source: Source, futures: "list[Future]", host: Profile, model: str) -> Scan:
    whole, problems = Scan(), source.problems
    for future in watched_parts(futures, source):
        part, part_problems = future.result()
        problems = part_problems or problems
        whole.append(part)
    whole.end(problems, host, model, source.size)
    return whole


def scan_range(
    file: str, span: Span, rules: TokenRules, limit: int | None, host: str
) -> tuple[Scan, list[Problem]]:
    """On a worker: (structure and token counts of a range's lines, problems of the file)."""
    start, end = span
    if end is None:
        source = open_file(file, {})
        return scan_lines(source.raw_lines(), True, rules, limit, host), source.problems
    return scan_lines(raw_lines(file, start, end), start == 0, rules, limit, host), []
