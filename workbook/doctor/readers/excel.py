"""Workbooks of Excel: one sheet, row by row, its cells as a person sees them.

Sizes are looked at before anything is read. Knows cells; what they mean stands in `table_rows`.
"""

import datetime
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workbook.doctor.lines import Line
from workbook.doctor.readers import table_rows
from workbook.doctor.readers.data_file import DataFile
from workbook.quoting import excerpt

_MAX_PART = {"xl/sharedStrings.xml": 256 * 2**20}
"""Bytes, unpacked, of a part that is held in memory."""
_MAX_SHEET = 512 * 2**20
_MAX_ROW = 1_048_576
"""Rows of a sheet, by Excel's own limit."""
_PIECE = 2**20
_LOOKED_AT = 10  # rows by whose names the sheet is chosen
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]*\bref="([A-Z0-9:$]+)"')
_ROW = re.compile(rb'<(?:\w+:)?row\b[^>]{0,100}?\br="(\d{7,18})"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_CALL = re.compile(r"=\s*[+-]?[A-Z][A-Z0-9.]*\(|=\s*'?[\w .]+'?!\$?[A-Z]+\$?\d|=\$?[A-Z]{1,3}\$?\d")


def rows(file: DataFile) -> Iterator[Line]:
    """Rows of the sheet that has headings, or of the first, under their numbers there."""
    with file.unpacked() as path:
        if problem := _too_large(path):
            yield Line.unreadable(1, ("too-large", problem, ""))
            return
        yield from table_rows.lines(file, _sheet_rows(file, path))


def _too_large(path: Path) -> str:
    """What is larger than can be read, by the archive's own list."""
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            limit = _MAX_PART.get(part.filename, _MAX_SHEET)
            if part.file_size > limit:
                return (
                    f"{part.filename} of the workbook is {part.file_size / 2**20:,.0f} MB "
                    f"unpacked, more than {limit // 2**20} MB: save the sheet as CSV"
                )
    return ""


def _sheet_rows(file: DataFile, path: Path) -> Iterator[tuple[int, Sequence[Any]] | Line]:
    import openpyxl  # here: few files need it

    stream = path.open("rb")  # by its name openpyxl would judge what it is
    formulas = None
    try:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what it says of itself may be millions of empty cells
        sheet = _chosen(book.worksheets)
        others = [
            each.title for each in book.worksheets if each is not sheet and not _is_empty(each)
        ]
        if others:
            message = f"of {len(book.worksheets)} sheets only “{sheet.title}” is read"
            file.problems.append(("sheets", message, ", ".join(others)))
        has_formulas = _look_through(file, sheet)
        beside: Iterator[Any] = iter(())
        if has_formulas:
            formulas = openpyxl.load_workbook(stream, read_only=True)
            twin = formulas[sheet.title]
            twin.reset_dimensions()
            beside = twin.iter_rows(max_row=_MAX_ROW)
        number = 0
        for number, cells in enumerate(sheet.iter_rows(max_row=_MAX_ROW), start=1):
            twins = next(beside, ()) if has_formulas else ()
            if any(cell.value not in (None, "") for cell in (*cells, *twins)):
                yield _row(number, cells, twins)
    finally:
        stream.close()


def _is_empty(sheet: Any) -> bool:
    return not any(
        cell.value not in (None, "")
        for cells in sheet.iter_rows(max_row=_LOOKED_AT)
        for cell in cells
    )


def _chosen(sheets: list[Any]) -> Any:
    """The first sheet with headings that are known, or the first."""
    for sheet in sheets:
        for cells in sheet.iter_rows(max_row=_LOOKED_AT, values_only=True):
            names = {table_rows.name_of(cell) for cell in cells if cell not in (None, "")}
            if len(names & table_rows.KNOWN) > 1 or "messages" in names:
                return sheet
    return sheets[0]


def _look_through(file: DataFile, sheet: Any) -> bool:
    """Whether the sheet has formulas; merged cells, and rows that no sheet can have, are noted."""
    merged: list[str] = []
    beyond: set[int] = set()
    has_formulas, before = False, b""
    with sheet._get_source() as stream:
        while piece := stream.read(_PIECE):
            text = before + piece
            has_formulas = has_formulas or bool(_FORMULA.search(text))
            refs = [ref.decode() for ref in _MERGED.findall(text)]
            merged += [ref for ref in refs if ref not in merged[-20:]]
            beyond |= {number for ref in _ROW.findall(text) if (number := int(ref)) > _MAX_ROW}
            before = piece[-200:]
    if beyond:
        message = (
            f"{len(beyond):,} rows beyond the last that a sheet has, from row {min(beyond):,} on"
        )
        file.problems.append(("lost", f"lost: {message}", ""))
    if merged:
        more = f" and {len(merged) - 5} more" if len(merged) > 5 else ""
        message = (
            f"merged cells ({', '.join(merged[:5])}{more}): Excel keeps a value in the first of "
            "them only, the others are empty"
        )
        file.problems.append(("merged", message, ""))
    return has_formulas


def _row(
    number: int, cells: Sequence[Any], twins: Sequence[Any]
) -> tuple[int, Sequence[Any]] | Line:
    """The cells' texts; or the line that is in the place of a row with a cell without a value."""
    texts: list[Any] = []
    for place, cell in enumerate(cells):
        value = cell.value
        twin = twins[place].value if place < len(twins) else None
        if value is None and twin is not None:
            message = f"column {place + 1}: a formula whose result was never stored"
            return Line.unreadable(number, ("formula", message, excerpt(str(twin))))
        if getattr(cell, "data_type", "") == "e" or value in table_rows.ERRORS:
            message = f"column {place + 1}: {value}, the mark of a formula that failed"
            return Line.unreadable(number, ("formula", message, ""))
        if isinstance(value, str) and _CALL.match(value):
            message = f"column {place + 1}: a formula as text"
            return Line.unreadable(number, ("formula", message, excerpt(value)))
        texts.append(_text(value, getattr(cell, "number_format", "General")))
    return number, texts


def _text(value: Any, form: str) -> Any:
    """A cell's value as it is seen: dates without a time that nobody wrote, 25%, 007, TRUE."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime.datetime):
        has_time = re.search(r"[hs]", form.lower()) or value.time() != datetime.time()
        return value.isoformat(" ") if has_time else value.date().isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (int, float)):
        return _number(value, form)
    return value


def _number(value: int | float, form: str) -> Any:
    """A number by its format, where that is a plain one; else the number."""
    bare = form.split(";")[0]
    shown = None
    if percent := re.fullmatch(r"0(?:\.(0+))?%", bare):
        digits = f"{value * 100:.{len(percent[1] or '')}f}"
        shown = f"{digits if float(digits) == value * 100 else f'{value * 100:.12g}'}%"
    elif re.fullmatch(r"0{2,}", bare) and float(value).is_integer():
        shown = f"{int(value):0{len(bare)}d}"
    elif money := re.fullmatch(
        r'(?:"([^"]*)"|\[\$([^\]-]*)[^\]]*\]|([$€£¥]))?#,##0(?:\.(0+))?', bare
    ):
        digits = f"{value:,.{len(money[4] or '')}f}"
        sign = next((group for group in money.groups()[:3] if group), "")
        shown = sign + digits if float(digits.replace(",", "")) == value else None
    elif fixed := re.fullmatch(r"0\.(0+)", bare):
        digits = f"{value:.{len(fixed[1])}f}"
        shown = digits if float(digits) == value else None
    whole = isinstance(value, float) and value.is_integer()
    return shown or (int(value) if whole else value)
