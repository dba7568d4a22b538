"""Rows are written whole or not at all, no file is lost, and what was written is read again."""

import contextlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from row_strategies import FAST, ROWS
from training_rows import chat, sums

from workbook import doctor, paths
from workbook.doctor import writing
from workbook.doctor.forms.recognition import recognised
from workbook.doctor.spool import Spool


def test_no_file_is_ever_lost(home) -> None:
    first = doctor.write(sums(1), "mine.jsonl")
    assert first == paths.work() / "mine.jsonl"
    assert doctor.write(sums(1), "mine.jsonl") == first
    assert [path.name for path in paths.work().iterdir()] == ["mine.jsonl"]
    doctor.write(sums(2), "mine.jsonl")
    doctor.write(sums(3), "mine.jsonl")
    lengths = {path.name: len(doctor.read(path)) for path in paths.work().iterdir()}
    assert lengths == {"mine.1.jsonl": 1, "mine.2.jsonl": 2, "mine.jsonl": 3}


def test_text_is_written_as_it_is(home) -> None:
    path = doctor.write([chat("¿Cuántas?", "Siete 🙂"), chat("\ud83d")], "mine.jsonl")
    assert "¿Cuántas?" in path.read_text(encoding="utf-8") and "🙂" in path.read_text("utf-8")
    assert doctor.read(path)[1]["messages"][1]["content"] == "\ud83d"


@pytest.mark.parametrize("name", ["../mine.jsonl", "/tmp/mine.jsonl", "mine.txt", ".jsonl", ""])
def test_only_plain_names(home, name: str) -> None:
    with pytest.raises(doctor.DatasetError, match="plain file name"):
        doctor.write(sums(1), name)


def test_a_row_that_json_cannot_hold(home) -> None:
    with pytest.raises(doctor.DatasetError, match="Row 2"):
        doctor.write([{}, {"a": {1, 2}}], "mine.jsonl")
    assert list(paths.work().iterdir()) == []


def test_an_interrupted_write_leaves_what_was_there(home) -> None:
    first = doctor.write(sums(3), "mine.jsonl")

    def rows():
        yield from sums(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doctor.write(rows(), "mine.jsonl")
    assert [path.name for path in paths.work().iterdir()] == ["mine.jsonl"]
    assert doctor.read(first) == sums(3)


@FAST
@given(st.lists(ROWS.filter(lambda row: not isinstance(row, list)), max_size=3))
def test_what_was_written_is_read_again(home, rows) -> None:
    try:
        path = doctor.write([*rows, chat()], "any.jsonl")
    except doctor.DatasetError:
        written = repr(rows)
        assert "nan" in written or "NaN" in written or "inf" in written
    else:
        assert doctor.read(path) == [*(recognised(row)[0] for row in rows), chat()]


def test_a_spool_is_a_sequence_of_its_rows(home) -> None:
    with Spool(iter(sums(5))) as spool:
        assert list(spool) == sums(5) and spool[3] == sums(5)[3] and spool[1:4] == sums(5)[1:4]
        assert spool.line(0).endswith(b"}\n") and sums(1)[0] in spool
        with pytest.raises(IndexError):
            spool[5]
    assert list(paths.work().iterdir()) == []


def test_what_stops_between_two_files_leaves_neither(home, monkeypatch) -> None:
    doctor.write(sums(1), "b.jsonl")
    replace, calls = os.replace, []

    def stopped(*paths_of: object) -> None:
        calls.append(paths_of)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(*paths_of)

    monkeypatch.setattr(os, "replace", stopped)
    contents = {paths.work() / name: [b"{}\n"] for name in ("a.jsonl", "b.jsonl")}
    with pytest.raises(KeyboardInterrupt):
        writing.write_files(contents)
    assert [path.name for path in paths.work().iterdir()] == ["b.jsonl"]
    assert doctor.read(paths.work() / "b.jsonl") == sums(1)


def test_processes_that_write_one_name_at_once_lose_nothing(home) -> None:
    script = (
        "import sys; from workbook import doctor\n"
        "for n in range(20): doctor.write([{'by': sys.argv[1], 'n': n}], 'mine.jsonl')"
    )
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", script, name]))
            for name in ("one", "two")
        ]
        assert [process.wait() for process in running] == [0, 0]
    kept = [doctor.read(path)[0] for path in paths.work().glob("*.jsonl")]
    assert sorted((row["by"], row["n"]) for row in kept) == [
        (name, n) for name in ("one", "two") for n in range(20)
    ]
