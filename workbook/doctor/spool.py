"""Rows on the disk while they are worked on, so that memory holds none of them.

Knows nothing of what rows mean.
"""

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, overload

from workbook import paths
from workbook.doctor.errors import DatasetError
from workbook.doctor.writing import encode


class Spool(Sequence[Any]):
    """Rows in a file without a name in the work folder, in memory 8 bytes each.

    The file is gone when the spool is closed, and when the program ends, however it does. Each
    reader has a place of its own. Raises DatasetError where the disk refuses.
    """

    def __init__(self, rows: Iterable[Any]) -> None:
        self._starts = array("q", [0])
        try:
            # Closed by `__exit__`.
            self._file = tempfile.TemporaryFile(dir=paths.work())  # noqa: SIM115
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

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return json.loads(self.line(index))

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self)))
