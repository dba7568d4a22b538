"""Tables in text, and Parquet, row by row. Knows cells; what they mean stands in `table_rows`."""

import csv
import re
from collections import deque
from collections.abc import Iterator

from workbook.doctor.lines import Line
from workbook.doctor.readers import columns, table_rows
from workbook.doctor.readers.bounded_lines import bounded_lines
from workbook.doctor.readers.data_file import DataFile
from workbook.rows.rules import MAX_LINE

SIGNS = ("\t", ";", ",", "|")
_SEP_LINE = re.compile(r"sep=(.)\s*$")
_RULE = re.compile(r":?-*:?")
_SAMPLED = 200  # lines that show whether quotes are signs or text
_QUOTE = "a quote at a cell's beginning has no end, or stands inside without being doubled"


def csv_rows(file: DataFile) -> Iterator[Line]:
    """Rows under the number of the line they start on; the first shows what parts cells."""
    yield from table_rows.lines(file, _cells(file))


class _Lines:
    """The lines of a table, of which those of the last row can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._waiting: deque[str] = deque()
        self.row: list[str] = []
        self.number = 0
        """Of lines before this row."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self.row.append(line)
        return line

    def begin(self) -> int:
        """A new row begins; the number of its first line."""
        self.number += len(self.row)
        self.row = []
        return self.number + 1

    def give_back(self, keep: int = 1) -> None:
        """All lines of this row but the first are read again."""
        self._waiting.extendleft(reversed(self.row[keep:]))
        del self.row[keep:]

    def peek(self, count: int) -> list[str]:
        """The next lines, which are read again."""
        for line in self._lines:
            self._waiting.append(line)
            if len(self._waiting) >= count:
                break
        return list(self._waiting)


def _cells(file: DataFile) -> Iterator[tuple[int, list[str]] | Line]:
    csv.field_size_limit(MAX_LINE)  # a quote that is never closed must not take the whole file
    with file.open_text() as stream:
        # A zero byte would end the reader; it is no text in any table.
        lines = _Lines(line.replace("\0", "") for line in bounded_lines(stream))
        sample = lines.peek(_SAMPLED)
        delimiter = ","
        if sample and (said := _SEP_LINE.match(sample[0])):
            delimiter = said[1]
            next(lines)
            lines.begin()
            sample = sample[1:]
        elif sample:
            bare = re.sub(r'"[^"]*"', "", sample[0])
            delimiter = max(SIGNS, key=bare.count) if any(sign in bare for sign in SIGNS) else ","
        as_text = _quotes_are_text(sample, delimiter)
        reader = _reader(lines, delimiter, as_text)
        while True:
            number = lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _unreadable(number, lines, error)
                reader = _reader(lines, delimiter, as_text)
                continue
            if delimiter == "|":  # a table of Markdown has spaces and a line around its cells
                cells = [cell.strip() for cell in cells]
                if all(map(_RULE.fullmatch, cells)):
                    continue
            if any(cell.strip() for cell in cells):
                yield number, cells
            else:
                yield Line.unreadable(number, ("blank-line", "the row is empty", ""))


def _reader(lines: _Lines, delimiter: str, quotes_are_text: bool) -> Iterator[list[str]]:
    if quotes_are_text:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _unreadable(number: int, lines: _Lines, error: csv.Error) -> Line:
    """The first line of a row that is none; the others are read again."""
    first = lines.row[0] if lines.row else ""
    if "field larger than" in str(error) and len(first) > MAX_LINE:
        return Line.unreadable(number, ("not-json", f"not a table: {error}", ""))
    lines.give_back()
    return Line.unreadable(number, ("quote", _QUOTE, first.strip()[:60]))


def _quotes_are_text(sample: list[str], delimiter: str) -> bool:
    """Whether quotes are text here: parted by tabs, a cell begins with one that has no end, though
    the line and the next are whole."""
    if delimiter != "\t":
        return False
    width = sample[0].count("\t") if sample else 0
    following = [*sample[1:], "\t" * width]
    for line, next_line in zip(sample, following, strict=True):
        for cell in line.rstrip("\r\n").split("\t"):
            whole = re.fullmatch(r'"(?:[^"]|"")*"', cell)
            if (
                cell.startswith('"')
                and not whole
                and line.count("\t") == width == next_line.count("\t")
            ):
                return True
    return False


def parquet_rows(file: DataFile) -> Iterator[Line]:
    """Rows counted from 1."""
    import polars  # here: few files need it

    number = 0
    names = file.options.get("columns") or {}
    with file.unpacked() as path:
        table = polars.scan_parquet(path)
        columns.require(names, 1, table.collect_schema().names())
        for batch in table.collect_batches(chunk_size=1_000, maintain_order=True):
            for row in batch.iter_rows(named=True):
                number += 1
                named = columns.renamed(row, names) if names else dict(row)
                yield Line(number, table_rows.shaped(named, []))
