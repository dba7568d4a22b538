"""Columns that the person names: an empty cell is that row's matter, a missing column an error."""

import json
from pathlib import Path

import openpyxl
import pandas as pd
import polars
import pytest

from workbook import doctor
from workbook.doctor import parallel

NAMES = {"prompt": "Frage", "completion": "Amt"}
ROWS = [("Hello?", "rent"), ("Who?", None), ("When?", "access")]


def csv(path: Path) -> None:
    path.write_text("Frage,Amt\n" + "".join(f"{q},{a or ''}\n" for q, a in ROWS))


def short_csv(path: Path) -> None:
    path.write_text("Frage,Amt\n" + "".join(f"{q},{a}\n" if a else f"{q}\n" for q, a in ROWS))


def excel(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [("Frage", "Amt"), *ROWS]:
        book.active.append(row)
    book.save(path)


def parquet(path: Path) -> None:
    polars.DataFrame(ROWS, schema=["Frage", "Amt"], orient="row").write_parquet(path)


def jsonl(path: Path) -> None:
    rows = [{"Frage": q} | ({"Amt": a} if a else {}) for q, a in ROWS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def jsonl_first(path: Path) -> None:
    path.write_text('{"Frage": "Who?"}\n{"Frage": "Hello?", "Amt": "rent"}\n')


def json_list(path: Path) -> None:
    path.write_text(json.dumps([{"Frage": q} | ({"Amt": a} if a else {}) for q, a in ROWS]))


@pytest.mark.parametrize(
    ("write", "name", "line"),
    [
        (csv, "a.csv", 3),
        (short_csv, "a.csv", 3),
        (excel, "a.xlsx", 3),
        (parquet, "a.parquet", 2),
        (jsonl, "a.jsonl", 2),
        (jsonl_first, "a.jsonl", 1),
        (json_list, "a.json", 2),
    ],
)
def test_a_cell_without_a_value_is_a_finding_of_its_row(tmp_path, write, name, line) -> None:
    write(path := tmp_path / name)
    rows = doctor.read(path, columns=NAMES)
    assert [row["prompt"] for row in rows if not row.get("completion")] == ["Who?"]
    findings = [
        finding.line
        for finding in doctor.check(path, columns=NAMES).findings
        if finding.code in ("completion", "empty-content")
    ]
    assert findings == [line]
    with pytest.raises(doctor.DatasetError, match="has no column `Antwort`"):
        doctor.check(path, columns=NAMES | {"completion": "Antwort"})
    with pytest.raises(doctor.DatasetError, match="No 'answer' among the names"):
        doctor.read(path, columns={"answer": "Amt"})


def test_an_empty_cell_of_another_column_is_left_out(tmp_path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("q,a,s\nHello?,rent,\nWho?,access,Be brief.\n")
    first, second = doctor.read(path, columns={"prompt": "q", "completion": "a", "system": "s"})
    assert first == {"prompt": "Hello?", "completion": "rent"}
    assert second["messages"][0] == {"role": "system", "content": "Be brief."}


def test_rows_in_memory_may_lack_a_key(tmp_path) -> None:
    rows = [{"Frage": "Who?"}, {"Frage": "Hello?", "Amt": "rent"}]
    assert doctor.check(rows, columns=NAMES).codes["completion"] == 1
    with pytest.raises(doctor.DatasetError, match="Line 1 has no column `Amt`"):
        doctor.check(rows[:1], columns=NAMES)


def test_numbers_are_text_and_null_is_an_empty_cell(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    values = [5, 2.5, True, None, "rent"]
    path.write_text("".join(json.dumps({"Frage": "Who?", "Amt": v}) + "\n" for v in values))
    rows = doctor.read(path, columns=NAMES)
    assert [row.get("completion") for row in rows] == ["5", "2.5", "true", None, "rent"]
    report = doctor.check(path, columns=NAMES)
    assert [f.line for f in report.findings if f.code == "completion"] == [4]


@pytest.mark.parametrize("empty", [None, float("nan")])
def test_an_empty_cell_of_a_table_in_memory_is_empty(empty) -> None:
    table = pd.DataFrame({"Frage": ["Who?", "Hello?"], "Amt": ["rent", empty]})
    findings = doctor.check(table, columns=NAMES).findings
    assert [(f.code, f.line) for f in findings if f.line] == [("completion", 2)]


def test_several_processes_hold_names_against_the_whole_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.jsonl"
    row = json.dumps({"Frage": "Hello? " * 20, "Amt": "rent"}) + "\n"
    path.write_text(row * 40 + '{"Frage": "Who?"}\n' + row * 40)
    monkeypatch.setattr(parallel, "_PART", 512)
    monkeypatch.setattr(parallel, "processes", lambda source: 2)
    report = doctor.check(path, columns=NAMES)
    assert [f.line for f in report.findings if f.code == "completion"] == [41]
    with pytest.raises(doctor.DatasetError, match="Line 1 has no column `Antwort`"):
        doctor.check(path, columns=NAMES | {"completion": "Antwort"})
