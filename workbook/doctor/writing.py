"""Rows as bytes, and files that are whole or not there.

A file appears under its name only when all of it is written; another one of that name is kept.
`Spool` holds rows on the disk while they are worked on. Knows nothing of what rows mean.
"""

import contextlib
import filecmp
import json
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from workbook import files, paths
from workbook.errors import WorkbookError


class DatasetError(WorkbookError):
    """Data that can't be read, converted, split or written as asked."""


def encode(row: Any, number: int) -> bytes:
    """A row as a line of JSONL. Raises DatasetError for what JSON can't hold."""
    try:
        return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # half of a two-part character: only as an escape
        return (json.dumps(row, allow_nan=False) + "\n").encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise DatasetError(f"Row {number} can't be written as JSON: {error}.") from None


def write_files(contents: Mapping[Path, Iterable[bytes]]) -> None:
    """Write all to hidden files beside their paths, then move them there, all or none.

    What interrupts it (Ctrl-C, a full disk, a row that can't be written) leaves nothing behind. A
    file of other content that is there is kept as name.1.jsonl, … Raises DatasetError where the
    disk refuses.
    """
    whole: dict[Path, Path] = {}
    path = None
    try:
        with contextlib.ExitStack() as stack:
            for path, lines in contents.items():
                whole[path] = stack.enter_context(files.beside(path))
                with open(whole[path], "xb") as stream:
                    stream.writelines(lines)
            for path, scratch in whole.items():
                if path.exists():
                    if filecmp.cmp(path, scratch, shallow=False):
                        continue
                    _keep(path)
                os.replace(scratch, path)
    except OSError as error:
        raise DatasetError(
            f"{path} could not be written: {error.strerror or error}. Free some "
            "space, or set WORKBOOK_WORK to a folder you may write to."
        ) from None


def _keep(path: Path) -> None:
    """Move a file aside under the first free number."""
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    path.rename(kept)


class Spool(Sequence[Any]):
    """Rows in a file without a name in the work folder, in memory 8 bytes each.

    The file is gone when the spool is closed, and when the program ends, however it does. Each
    reader has a place of its own. Raises DatasetError where the disk refuses.
    """

    def __init__(self, rows: Iterable[Any]) -> None:
        self._starts = array("q", [0])
        try:
            self._file = tempfile.TemporaryFile(dir=paths.work())
            try:
                for number, row in enumerate(rows, start=1):
                    self._starts.append(self._starts[-1] + self._file.write(encode(row, number)))
                self._file.flush()
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise DatasetError(
                f"There is no room for a copy in {paths.work()}: "
                f"{error.strerror or error}. Free some space."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._starts) - 1

    def line(self, index: int) -> bytes:
        """A row as it stands in the file."""
        self._file.seek(self._starts[index])
        return self._file.read(self._starts[index + 1] - self._starts[index])

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return json.loads(self.line(index))

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))
