"""Files that are broken, or of another kind: what they are is said, and what is lost with it."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from training_rows import chat, jsonl, put

from workbook import cli, doctor, paths
from workbook.doctor.errors import DatasetError

ROWS = [chat(f"Where is room {n}?", f"Behind door {n * 7}.") for n in range(12)]
LINES = jsonl(ROWS)


def answers(rows: list[Any]) -> list[str]:
    return [row["messages"][-1]["content"] for row in rows]


def workbook_of(rows: list[list[Any]]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


def archive_of(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def tar_of(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


SHEET = workbook_of([["question", "answer"], *([f"q{n}", f"a{n}"] for n in range(12))])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("old.xls", b"\xd0\xcf\x11\xe0" + bytes(600), "before 2007"),
        ("paper.pdf", b"%PDF-1.7\n" + LINES.encode(), "a PDF document"),
        ("pointer.jsonl", b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "git lfs pull"),
        ("page.jsonl", b"<!DOCTYPE html>\n<html></html>\n", "not the page that shows it"),
        ("rows.tar.gz", gzip.compress(tar_of("a.jsonl", LINES.encode())), "a TAR archive"),
        ("rows.feather", b"ARROW1\0\0" + bytes(90), "save it as Parquet"),
    ],
)
def test_a_file_that_holds_no_rows_is_named(
    tmp_path: Path, name: str, content: bytes, words: str, capsys: pytest.CaptureFixture
) -> None:
    path = put(tmp_path, content, name)
    codes = doctor.check(path).codes
    assert codes.keys() == {"file-kind", "empty-file"}
    with pytest.raises(DatasetError, match=words):
        doctor.read(path)
    assert cli.main(["prepare", str(path)]) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content"), [("sheet.csv", SHEET), ("sheet.zip", archive_of("a.xlsx", SHEET))]
)
def test_a_workbook_is_one_whatever_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    rows = doctor.read(put(tmp_path, content, name))
    assert rows[3] == {"prompt": "q3", "completion": "a3"} and len(rows) == 12


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (lambda text: text.replace("Behind", "It\\'s behind"), "It's behind door 21."),
        (lambda text: text.replace("Behind", "Be\thind"), "Be\thind door 21."),
    ],
)
def test_json_with_a_wrong_escape_is_read_and_called_so(
    tmp_path: Path, change: Any, answer: str
) -> None:
    for name, text in (("rows.jsonl", LINES), ("rows.json", json.dumps(ROWS, indent=1))):
        path = put(tmp_path, change(text), name)
        if name.endswith("json") and "\\'" in change(text):
            continue  # a list is read by the standard alone
        report = doctor.check(path)
        assert "json-escape" in report.codes and "python" not in report.codes
        assert answers(report.fix().rows)[3] == answer


def test_a_backslash_that_is_no_escape_is_not_guessed_at(tmp_path: Path) -> None:
    path = put(tmp_path, LINES.replace("door 21", r"C:\apps\new"))
    finding = next(f for f in doctor.check(path).findings if f.code == "not-json")
    assert finding.line == 4 and r"`\a` at character" in finding.message


@pytest.mark.parametrize("message", ["no end on this line", "something follows the object"])
def test_what_is_wrong_with_a_line_is_said_in_words(tmp_path: Path, message: str) -> None:
    is_open = message.startswith("no end")
    broken = LINES.replace("room 3", "room\n3") if is_open else LINES.replace("]}\n", "]};\n")
    findings = [f.message for f in doctor.check(put(tmp_path, broken)).findings]
    assert any(message in text for text in findings)


def test_a_list_that_is_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    path = put(tmp_path, json.dumps(ROWS)[:-1], "rows.json")
    report = doctor.check(path)
    assert [f.line for f in report.findings if f.code == "not-json"] == [13]
    assert report.fix("not-json").rows == ROWS


@pytest.mark.parametrize("kind", ["list", "gzip"])
def test_what_stands_behind_a_break_is_lost_and_said_to_be(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture
) -> None:
    if kind == "list":
        broken = json.dumps(ROWS, indent=1).replace('door 21."', "door 21.")
        path = put(tmp_path, broken, "behind.json")
    else:
        rows = [chat(f"Where is {n * 7919}?", f"Behind {n * 104729}.") for n in range(4000)]
        packed = gzip.compress(jsonl(rows).encode())
        path = put(tmp_path, packed[: len(packed) // 2], "behind.jsonl.gz")
    assert "lost" in doctor.check(path).codes
    assert cli.main(["prepare", str(path), "--yes", "--fix", "not-json"]) == 1
    assert "lost: all that stands" in capsys.readouterr().out


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("names", [["data"], ["dataset", "train"]])
def test_a_list_is_found_in_the_objects_around_it(
    tmp_path: Path, indent: int | None, names: list[str]
) -> None:
    value: Any = ROWS
    for name in reversed(names):
        value = {name: value}
    path = put(tmp_path, json.dumps(value, indent=indent), "around.json")
    assert doctor.read(path) == ROWS


def test_rows_under_names_lose_the_names_and_say_so(tmp_path: Path) -> None:
    path = put(tmp_path, json.dumps({f"talk {n}": row for n, row in enumerate(ROWS)}), "names.json")
    with pytest.warns(doctor.DataLossWarning, match="`talk 0`"):
        assert doctor.read(path) == ROWS


@pytest.mark.parametrize(
    "answer",
    ['[{"text": "Ann", "label": "PERSON"}]', '{"role": "admin", "content": "x"}', "[1, 2]"],
)
def test_an_answer_in_json_stays_a_text_in_a_table(tmp_path: Path, answer: str) -> None:
    cell = '"' + answer.replace('"', '""') + '"'
    path = put(tmp_path, f"prompt,completion\nq,{cell}\n", "answers.csv")
    assert doctor.read(path) == [{"prompt": "q", "completion": answer}]


def test_a_table_names_what_excel_could_not_keep(tmp_path: Path) -> None:
    long = "x" * 32_767
    path = put(tmp_path, f"prompt,completion\na,b\nc,#REF!\nd,{long}\n", "cells.csv")
    findings = {f.code: f for f in doctor.check(path).findings}
    assert findings["formula"].line == 3 and "#REF!" in findings["formula"].message
    assert findings["lost-value"].line == 4 and "32,767" in findings["lost-value"].message


def test_a_way_on_is_named_where_no_row_can_be_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = put(tmp_path, [{"prompt": "q", "winner": "a", "loser": "b"}] * 12, "winners.jsonl")
    assert cli.main(["convert", str(path), "--to", "dpo"]) == 1
    assert "--columns prompt=prompt,completion=winner" in capsys.readouterr().out
    assert not (paths.work() / "winners_dpo.jsonl").exists()
