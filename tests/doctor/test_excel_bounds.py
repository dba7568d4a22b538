"""A workbook that lies about its size, or is made to fill the memory, ends in a finding, soon."""

import time
import zipfile
from pathlib import Path

import pytest

from workbook import doctor
from workbook.doctor.readers import excel

HEAD = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'


def book(folder: Path, sheet: str) -> Path:
    """A workbook whose sheet is this XML."""
    import openpyxl

    openpyxl.Workbook().save(folder / "plain.xlsx")
    with zipfile.ZipFile(folder / "plain.xlsx") as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts["xl/worksheets/sheet1.xml"] = (HEAD + sheet + "</worksheet>").encode()
    with zipfile.ZipFile(folder / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return folder / "a.xlsx"


def row(number: int, *texts: str, columns: str = "AB") -> str:
    cells = "".join(
        f'<c r="{column}{number}" t="inlineStr"><is><t>{text}</t></is></c>'
        for column, text in zip(columns.split() if " " in columns else columns, texts, strict=True)
    )
    return f'<row r="{number}">{cells}</row>'


@pytest.mark.parametrize(
    ("sheet", "rows"),
    [
        (f"<sheetData>{row(1, 'prompt', 'completion')}{row(2_000_000_000, 'a', 'b')}", 0),
        (f"<sheetData>{row(1, 'prompt', 'completion')}{row(1_048_576, 'a', 'b')}", 1),
        (
            '<dimension ref="A1:XFD1048576"/><sheetData>'
            f"{row(1, 'prompt', 'completion')}{row(2, 'a', 'b')}",
            1,
        ),
        (
            f"<sheetData>{row(1, 'prompt', 'completion')}"
            f"{row(2, 'a', 'b', columns='A XFD')}{row(3, 'a', 'b')}",
            1,
        ),
    ],
    ids=["row-2e9", "last-row", "used-range", "last-column"],
)
def test_a_far_cell_costs_no_time(tmp_path, sheet: str, rows: int) -> None:
    path = book(tmp_path, sheet + "</sheetData>")
    begin = time.monotonic()
    report = doctor.check(path)
    assert time.monotonic() - begin < 10
    assert len(report.counts) == rows
    if rows == 0:
        assert "beyond" in repr(report)


def test_a_text_of_gigabytes_is_not_unpacked(tmp_path, monkeypatch) -> None:
    path = book(tmp_path, f"<sheetData>{row(1, 'prompt', 'completion')}</sheetData>")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", " " * 3_000_000)
    assert "too-large" not in doctor.check(path).codes
    monkeypatch.setitem(excel._MAX_PART, "xl/sharedStrings.xml", 2_000_000)
    begin = time.monotonic()
    report = doctor.check(path)
    assert time.monotonic() - begin < 5
    assert report.codes["too-large"] == 1 and "save the sheet as CSV" in repr(report)


def test_the_sheet_with_headings_is_read_and_others_are_named(tmp_path) -> None:
    import openpyxl

    wb = openpyxl.Workbook()
    wb.active.title = "cover"
    wb.active.append(["Our questions of March"])
    sheet = wb.create_sheet("data")
    for cells in (["A list of ours", None], [None, None], ["Question", "Answer"], ["Why?", "So."]):
        sheet.append(cells)
    wb.save(tmp_path / "a.xlsx")
    report = doctor.check(tmp_path / "a.xlsx")
    assert report.fix().rows == [{"prompt": "Why?", "completion": "So."}]
    assert "only “data” is read" in repr(report) and "row 1, above the headings" in repr(report)


def test_an_uncached_formula_is_named_by_its_line_and_column(tmp_path) -> None:
    import openpyxl

    wb = openpyxl.Workbook()
    for cells in (
        ["prompt", "completion"],
        ["a", "=SUM(1,2)"],
        ["b", "=not a formula"],
        ["c", "#REF!"],
    ):
        wb.active.append(cells)
    wb.save(tmp_path / "a.xlsx")
    messages = [
        (f.line, f.message)
        for f in doctor.check(tmp_path / "a.xlsx").findings
        if f.code == "formula"
    ]
    assert messages[0] == (2, "column 2: a formula whose result was never stored")
    assert messages[-1] == (4, "column 2: #REF!, the mark of a formula that failed")
