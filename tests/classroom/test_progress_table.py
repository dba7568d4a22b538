"""`workbook class collect`: many progress files, one table, nothing lost in silence."""

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook import cli, paths
from workbook.classroom import progress
from workbook.cli import exits

IDS = progress.exercise_ids(paths.ROOT / "notebooks")
DAY = "2026-11-20"


def write(path: Path, record: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
    return path


def done(*ids: str, tries: int = 1) -> dict:
    return {id: {"tries": tries, "done": DAY} for id in ids}


def table(capsys, *files: Path) -> tuple[int, list[dict], str]:
    status = cli.main(["class", "collect", "--csv", *map(str, files)])
    out, err = capsys.readouterr()
    return status, list(csv.DictReader(io.StringIO(out))), err


def test_files_and_folders_become_one_table(tmp_path: Path, capsys) -> None:
    write(tmp_path / "all" / "Ben" / "work" / "exercises.json", done("00.1", "00.2", "01.1"))
    write(tmp_path / "all" / "Ben" / "work" / "learning_log.md", "# My log\n## 00\n## 01\n")
    ana = write(tmp_path / "ana.json", done("00.1", tries=3) | {"00.2": {"tries": 2, "done": None}})
    status, rows, err = table(capsys, ana, tmp_path / "all")
    assert status == exits.DONE and "2 files, 0 with a remark" in err
    assert [row["student"] for row in rows] == ["ana", "Ben"]
    assert rows[0]["00"] == f"1/{len(IDS['00'])}" and rows[0]["tries"] == "5"
    assert rows[0]["done"] == "1" and rows[0]["last"] == DAY and rows[0]["log entries"] == ""
    assert (rows[1]["done"], rows[1]["log entries"]) == ("3", "2")


def test_a_record_of_the_course_itself_is_read(tmp_path: Path, monkeypatch, capsys) -> None:
    from helpers.exercises import record

    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path / "ana" / "work"))
    record.add("00.1", "wrong")
    record.add("00.1", "right")
    status, [row], _ = table(capsys, tmp_path / "ana")
    assert status == exits.DONE and row["student"] == "ana"
    assert (row["done"], row["tries"], row["first"]) == ("1", "2", date.today().isoformat())


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no record of exercises"),
        ({"99.1": {"tries": 1, "done": DAY}}, "no exercise of the course: 99.1"),
        ({"00.1": {"tries": 0, "done": DAY}}, "00.1: 0 tries"),
        ({"00.1": {"tries": True, "done": DAY}}, "00.1: true tries"),
        ({"00.1": {"tries": 1, "done": "yes"}}, "which is no day"),
        ({"00.1": {"tries": 1, "done": "2099-01-01"}}, "when it could not be"),
        ({"00.1": {"tries": 1, "done": "2001-01-01"}}, "when it could not be"),
        ({"00.1": {"done": DAY}}, "not as the course writes it"),
        ('{"00.1": {"tries": 1, "done": null}, "00.1": {"tries": 1, "done": null}}', "twice"),
    ],
)
def test_what_the_course_never_writes_is_named(tmp_path: Path, record, says, capsys) -> None:
    good = write(tmp_path / "ben.json", done("00.1"))
    bad = write(tmp_path / "ana.json", record)
    status, rows, err = table(capsys, bad, good)
    assert status == exits.NO and str(bad) in err and says in err
    assert [row["student"] for row in rows] == ["ana", "ben"]
    assert says in rows[0]["remarks"] and not rows[1]["remarks"]


def test_twins_namesakes_and_missing_files_are_named_and_kept(tmp_path: Path, capsys) -> None:
    ana = write(tmp_path / "ana.json", done("00.1", "00.2"))
    copy = write(tmp_path / "ben.json", done("00.1", "00.2"))
    again = write(tmp_path / "late" / "ana.json", done("00.1"))
    (tmp_path / "empty").mkdir()
    files = (ana, ana, copy, again, tmp_path / "none.json", tmp_path / "empty")
    status, rows, _ = table(capsys, *files)
    remarks = {row["file"]: row["remarks"] for row in rows}
    assert status == exits.NO and len(rows) == 5
    assert f"word for word as {copy}" in remarks[str(ana)]
    assert f"word for word as {ana}" in remarks[str(copy)]
    assert f"also that of {again}" in remarks[str(ana)]
    assert "no such file" in remarks[str(tmp_path / "none.json")]
    assert "no such file" in remarks[str(tmp_path / "empty" / "exercises.json")]


def test_a_name_is_no_formula(tmp_path: Path, capsys) -> None:
    write(tmp_path / "=cmd" / "exercises.json", done("00.1"))
    assert table(capsys, tmp_path)[1][0]["student"] == "'=cmd"


@settings(max_examples=40)
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_a_row(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    [row] = progress.collect([path], IDS)
    assert row.remarks or json.loads(data) == {}
