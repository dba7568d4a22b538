"""Keys of students: made once, shown once, kept as hashes, renewed and taken away."""

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from filelock import FileLock

from workbook.cli import exits
from workbook.cli.app import main
from workbook.errors import WorkbookError
from workbook.lab import client, students
from workbook.lab.reach import reach
from workbook.lab.students import Students


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_keys_are_shown_once_and_kept_as_hashes(path: Path, capsys) -> None:
    assert main(["lab", "keys", "make", "20", "--file", str(path)]) == exits.DONE
    shown = capsys.readouterr()
    keys = dict(line.split("\t") for line in shown.out.splitlines())
    assert list(keys)[::19] == ["student-01", "student-20"] and len(set(keys.values())) == 20
    text = path.read_text()
    assert not any(key in text for key in keys.values())
    rows = json.loads(text)["students"]
    assert rows[0]["sha256"] == hashlib.sha256(keys["student-01"].encode()).hexdigest()
    assert f"workbook lab serve --host 0.0.0.0 --keys {path}" in shown.err
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    known = Students(path)
    assert [known.of_key(key) for key in keys.values()] == list(keys)
    assert known.of_key("lab-nobody") is None


def test_names_come_from_a_file_and_none_is_given_twice(path: Path, tmp_path: Path, capsys) -> None:
    names = tmp_path / "names.txt"
    names.write_text("﻿Ana López\n\nBen\n", encoding="utf-8")
    command = ["lab", "keys", "make", "--names", str(names), "--file", str(path)]
    assert main(command) == exits.DONE
    before = path.read_bytes()
    assert main(command) == exits.ERROR
    assert "Ana López, Ben already" in capsys.readouterr().err
    assert path.read_bytes() == before
    main(["lab", "keys", "list", "--file", str(path)])
    assert capsys.readouterr().out.splitlines() == ["Ana López", "Ben"]


def test_a_key_is_renewed_and_taken_away_while_the_lab_runs(path: Path) -> None:
    keys = students.make(path, ["ana", "ben"])
    known = Students(path)
    new = students.renew(path, "ana")
    assert known.of_key(keys["ana"]) is None and known.of_key(new) == "ana"
    students.remove(path, "ben")
    assert known.of_key(keys["ben"]) is None
    # Nobody else may come into what Ben has made.
    with pytest.raises(WorkbookError, match="a key for ben already"):
        students.make(path, ["ben"])
    path.write_text("{}")
    assert known.of_key(new) == "ana"  # those that were known stay


def test_new_keys_are_numbered_on(path: Path, capsys) -> None:
    main(["lab", "keys", "make", "2", "--file", str(path)])
    main(["lab", "keys", "remove", "student-01", "--file", str(path)])
    capsys.readouterr()
    main(["lab", "keys", "make", "1", "--file", str(path)])
    assert capsys.readouterr().out.startswith("student-03\t")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"students": 3}',
        '{"students": [{"name": "a", "sha256": "x"}]}',
        '{"students": [{"name": "", "sha256": null}]}',
        "\udcff",
    ],
)
def test_what_is_no_file_of_keys_is_named_and_left_alone(path: Path, text: str, capsys) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for command in (["make", "2"], ["renew", "a"], ["list"]):
        assert main(["lab", "keys", *command, "--file", str(path)]) == exits.ERROR
        error = capsys.readouterr().err
        assert str(path) in error or "no name for a student" in error
    assert path.read_bytes() == text.encode("utf-8", "surrogateescape")


def test_a_file_that_another_command_holds_is_not_waited_for_for_ever(path, monkeypatch) -> None:
    monkeypatch.setattr(students, "PATIENCE", 0.1)
    with (
        FileLock(path.with_name(f".{path.name}.lock")),
        pytest.raises(WorkbookError, match="another command"),
    ):
        students.make(path, ["ana"])
    assert not path.exists()


@pytest.mark.parametrize("name", ["", " ana", "a\nb", "x" * 65])
def test_a_name_is_a_short_line(path: Path, name: str) -> None:
    with pytest.raises(WorkbookError):
        students.make(path, [name])
    assert not path.exists()


def test_other_machines_need_keys_of_students_or_one_long_key_for_all() -> None:
    assert reach("0.0.0.0", (), (), None, has_students=True).host == "0.0.0.0"
    for key, has_students in ((None, False), ("short", False), ("short", True)):
        with pytest.raises(WorkbookError, match="workbook lab keys make 20"):
            reach("0.0.0.0", (), (), key, has_students)


def test_limits_without_keys_and_missing_files_are_refused(tmp_path: Path, capsys) -> None:
    serve = ["lab", "serve", "--state", str(tmp_path / "state")]
    assert main([*serve, "--max-jobs", "3"]) == exits.ERROR
    assert "--max-jobs is a limit for each student" in capsys.readouterr().err
    missing = str(tmp_path / "none.json")
    assert main([*serve, "--keys", missing]) == exits.ERROR
    assert "workbook lab keys make 20 --file" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "address", ["192.168.1.20:8321", "https://lab", "http://lab/x", "http://[", "x"]
)
def test_an_address_that_is_none_of_a_lab_is_named(address: str, monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_URL", address)
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "lab-key")
    with pytest.raises(WorkbookError, match="unset it to use your own lab"):
        client.connect()
    assert client.running() is None
