"""Tables: CSV, TSV, the first sheet of a workbook, Parquet; the first row has the headings.

Knows cells; what a row of them means stands in `foreign_rows`. All are read row by row, but for a
workbook's table of texts.
"""

import csv
from collections.abc import Iterator
from itertools import chain
from typing import Any

from workbook.doctor.lines import Line
from workbook.doctor.readers.bounded_lines import bounded_lines
from workbook.doctor.readers.data_file import DataFile
from workbook.doctor.readers.foreign_rows import converted, row_of, shaped
from workbook.rows.rules import MAX_LINE


def csv_rows(file: DataFile) -> Iterator[Line]:
    """Rows under the number of the line they start on; the first line shows the delimiter."""
    csv.field_size_limit(MAX_LINE)  # a quote that is never closed must not take the whole file
    with file.open_text() as stream:
        # A zero byte would end the reader; it is no text in any table.
        lines = (line.replace("\0", "") for line in bounded_lines(stream))
        first = next(lines, "")
        counts = {sign: first.count(sign) for sign in ("\t", ";", ",")}
        delimiter = max(counts, key=lambda sign: counts[sign]) if any(counts.values()) else ","
        reader = csv.reader(chain([first], lines), delimiter=delimiter)
        headings: list[str] = []
        last_line = 0
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line.unreadable(last_line + 1, ("not-json", f"not a table: {error}", ""))
                last_line = reader.line_num
                continue
            number, last_line = last_line + 1, reader.line_num
            if not headings:
                headings = cells
            elif any(cell.strip() for cell in cells):
                yield row_of(number, headings, cells)
            else:
                yield Line.unreadable(number, ("blank-line", "the row is empty", ""))


def xlsx_rows(file: DataFile) -> Iterator[Line]:
    """Rows of the first sheet under their numbers there."""
    import openpyxl  # here: few files need it

    with file.unpacked() as path:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            names = book.sheetnames
            if len(names) > 1:
                message = f"of {len(names)} sheets only “{names[0]}” is read"
                file.problems.append(("sheets", message, ""))
            headings: list[Any] = []
            for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
                if not any(cell not in (None, "") for cell in cells):
                    continue
                if not headings:
                    headings = list(cells)
                else:
                    yield row_of(number, headings, list(cells))
        finally:
            book.close()


def parquet_rows(file: DataFile) -> Iterator[Line]:
    """Rows counted from 1."""
    import polars  # here: few files need it

    number = 0
    with file.unpacked() as path:
        for batch in polars.scan_parquet(path).collect_batches(
            chunk_size=1_000, maintain_order=True
        ):
            for row in batch.iter_rows(named=True):
                number += 1
                yield Line(number, converted(shaped(dict(row), [])))
