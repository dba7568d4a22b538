"""Files that every machine of a Dask cluster can open, in ranges of bytes that end between lines.

Knows Dask and fsspec; knows nothing of what is looked for in the lines.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from workbook.doctor.progress import watched
from workbook.doctor.readers.bounded_lines import bounded_lines
from workbook.doctor.readers.source import Source, open_source
from workbook.errors import WorkbookError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

RANGE = 16 * 2**20
"""Bytes of a file that a worker looks at in one go."""

Span = tuple[int, int | None]
"""(start, end) in bytes; no end for a file that is read as a whole."""


def connect(scheduler: str) -> "Client":
    """A client of the scheduler at this address.

    Raises WorkbookError where Dask is not installed or does not answer.
    """
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


def open_file(file: str, options: Mapping[str, Any]) -> Source:
    """The file at a path or an address. Raises WorkbookError where it can't be opened."""
    import fsspec

    try:
        remote = fsspec.open(file, "rb")
        return open_source(PurePosixPath(file), remote=remote, **options)
    except (ImportError, ValueError, OSError) as error:  # an unknown protocol, or one that lacks
        raise WorkbookError(f"{file} can't be opened: {error}") from None  # its own package


def spans(source: Source, range_bytes: int) -> list[Span]:
    """The ranges of a file: one for what can't be read in parts."""
    if not source.plain:
        return [(0, None)]
    return [(start, start + range_bytes) for start in range(0, source.size, range_bytes)]


def watched_parts(parts: Sequence[T], source: Source) -> Iterable[T]:
    """What is worked on in parts, under a bar."""
    return watched(parts, f"checking {source.path.name}", " parts")


def raw_lines(file: str, start: int, end: int) -> Iterator[bytes]:
    """The lines that begin between two bytes."""
    import fsspec

    # What fsspec opens may not read lines up to a size: a buffer around it does.
    with fsspec.open(file, "rb") as remote, io.BufferedReader(remote) as stream:
        if start:  # the line that began before is another worker's
            stream.seek(start - 1)
            next(bounded_lines(stream), b"")
        yield from bounded_lines(stream, end - stream.tell())
