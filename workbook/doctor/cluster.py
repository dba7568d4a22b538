"""The dataset doctor on a Dask cluster: many machines look at the rows, this one puts together.

Each worker reads a range of bytes of a JSONL file (other formats: the whole file) through fsspec,
looks at its rows, and sends back what `report.Part` holds: findings, numbers and fingerprints. The
checks of the set see these here, in the order of the file, so the report is that of one machine.
The fast pass (`scan`) sends a `Scan` of each range, and these are put one after the other.
A worker that dies is replaced by Dask, and its ranges are read again. Workers need this package.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from workbook.doctor import fast_pass, readers, report, set_checks
from workbook.doctor.codes import Line, Problem
from workbook.doctor.fast_pass import Scan
from workbook.doctor.report import Gather, Part, Report
from workbook.errors import WorkbookError
from workbook.prices import registry, tokens

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")

PART = 16 * 2**20
"""Bytes of a file that a worker looks at in one go."""
_NEAR = 64 * 2**20  # bytes at the start whose texts are sent at once: near duplicates are sampled

Span = tuple[int, int | None]
"""(start, end) in bytes; no end for a file that is read as a whole."""


def check_files(
    files: Sequence[str],
    scheduler: str,
    model: str | None = None,
    before: Sequence[Problem] = (),
    part: int = PART,
    **options: Any,
) -> list[Report]:
    """As `dataset.check_files`, on the cluster of this scheduler; files are paths or addresses
    that every worker can open.

    before   what is said of the job
    part     bytes of a range
    Raises WorkbookError where Dask is not installed or does not answer, and for a missing file.
    """
    with _client(scheduler) as client:
        leaks = set_checks.Leaks() if len(files) > 1 else None
        tasks = [_File(client, file, model, part, options) for file in files]
        return [task.report(leaks, before) for task in tasks]


def scan_files(files: Sequence[str], scheduler: str, model: str, part: int = PART) -> list[Scan]:
    """As `scan.scan` for each of these files, on the cluster. Raises as `check_files` does."""
    encoding, limit = tokens.encoding_for(model), registry.get(model).max_example_tokens
    with _client(scheduler) as client:
        sources = [_open(file, {}) for file in files]
        # Not pure, as in `_File`.
        tasks = [
            [
                client.submit(scan_range, file, span, encoding, limit, pure=False)
                for span in _spans(source, part)
            ]
            for file, source in zip(files, sources, strict=True)
        ]
        return [_scanned(*each) for each in zip(sources, tasks, strict=True)]


def _scanned(source: readers.Source, tasks: "list[Future]") -> Scan:
    whole, problems = Scan(), source.problems
    for task in _watched(tasks, source):
        found, problems_of_part = task.result()
        problems = problems_of_part or problems
        whole.append(found)
    whole.end(problems)
    return whole


def _client(scheduler: str) -> "Client":
    try:
        import fsspec  # noqa: F401 - opens the files
        from distributed import Client
    except ModuleNotFoundError as error:
        raise WorkbookError(
            f"--scheduler needs {error.name}, which is not installed: "
            '`pip install "dask[distributed]" fsspec` here and on the workers. '
            "Without --scheduler the check runs on this machine."
        ) from None
    try:
        return Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise WorkbookError(
            f"No Dask scheduler answers at {scheduler}: {error}. `dask scheduler` "
            "prints its address when it starts."
        ) from None


class _File:
    """One file, whose ranges are being looked at."""

    def __init__(
        self, client: "Client", file: str, model: str | None, part: int, options: Mapping[str, Any]
    ) -> None:
        self.client, self.file, self.model, self.options = client, file, model, options
        self.source = _open(file, options)
        self.spans = _spans(self.source, part)
        self.tasks = [self._submit(span, span[0] < _NEAR) for span in self.spans]

    def _submit(self, span: Span, near: bool) -> "Future":
        # Not pure: a file of the same name may have changed since it was last looked at.
        return self.client.submit(
            look, self.file, span, self.model, near, dict(self.options), pure=False
        )

    def report(self, leaks: set_checks.Leaks | None, before: Iterable[Problem]) -> Report:
        """What was found, once every range has been looked at."""
        if leaks:
            leaks.begin(self.file)
        gather = Gather(
            self.source.path.name, self.model, [*set_checks.checks(), *([leaks] if leaks else [])]
        )
        problems = self.source.problems
        for place, span in enumerate(_watched(self.spans, self.source)):
            part, problems_of_part = self.tasks[place].result()
            if gather.near and part.examples and part.examples[0].texts is None:
                part, _ = self._submit(span, near=True).result()  # long rows: the sample goes on
            self.tasks[place] = None  # the cluster can forget it
            problems = problems_of_part or problems
            gather.take(part, gather.lines - (span[0] > 0))
        return gather.report(chain(before, problems), self.source)


def _open(file: str, options: Mapping[str, Any]) -> readers.Source:
    import fsspec

    try:
        remote = fsspec.open(file, "rb")
        return readers.open_source(PurePosixPath(file), remote=remote, **options)
    except (ImportError, ValueError, OSError) as error:  # an unknown protocol, or one that lacks
        raise WorkbookError(f"{file} can't be opened: {error}") from None  # its own package


def _spans(source: readers.Source, part: int) -> list[Span]:
    if not source.plain:
        return [(0, None)]
    return [(start, start + part) for start in range(0, source.size, part)]


def _watched(parts: Sequence[T], source: readers.Source) -> Iterable[T]:
    return tqdm(parts, desc=f"checking {source.path.name}", unit=" parts", delay=2, leave=False)


# On a worker


def look(
    file: str, span: Span, model: str | None, near: bool, options: Mapping[str, Any]
) -> tuple[Part, list[Problem]]:
    """(What the lines hold that begin between two bytes, problems of the file).

    Lines are counted from 1, but from 2 in a range that does not open the file, whose first line
    is the only one that may have a byte order mark.
    """
    start, end = span
    if end is None:
        source = _open(file, options)
        return report.look(source.lines(), model, near), source.problems
    return report.look(_lines(file, start, end), model, near), []


def scan_range(
    file: str, span: Span, encoding: str, limit: int | None
) -> tuple[Scan, list[Problem]]:
    """As `look`, with structure and token counts only."""
    start, end = span
    if end is None:
        source = _open(file, {})
        return fast_pass.look(source.raw_lines(), True, encoding, limit), source.problems
    return fast_pass.look(_raw_lines(file, start, end), start == 0, encoding, limit), []


def _lines(file: str, start: int, end: int) -> Iterator[Line]:
    for number, raw in enumerate(_raw_lines(file, start, end), start=2 if start else 1):
        yield readers.line_of(number, raw)


def _raw_lines(file: str, start: int, end: int) -> Iterator[bytes]:
    import fsspec

    # What fsspec opens may not read lines up to a size: a buffer around it does.
    with fsspec.open(file, "rb") as remote, io.BufferedReader(remote) as stream:
        if start:  # the line that began before is another worker's
            stream.seek(start - 1)
            next(readers.cut_lines(stream), b"")
        yield from readers.cut_lines(stream, end - stream.tell())
