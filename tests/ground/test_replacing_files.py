"""A file or folder is whole or not there, whatever interrupts the writing."""

import os
import stat
from pathlib import Path

import pytest

from workbook import files


def test_the_new_file_takes_the_old_ones_place(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    files.replace_text(path, "one")
    files.replace_text(path, "ñ")
    assert path.read_bytes() == "ñ".encode()
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("only_writer", [False, True])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, only_writer: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")

    def interrupted() -> None:
        with files.replacing(path, only_writer=only_writer) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_nobody_sees_a_half_written_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    with files.replacing(path) as stream:
        stream.write(b"half")
        assert not path.exists()
    assert path.read_text() == "half"


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    with files.replacing(path) as one, files.replacing(path) as two:
        one.write(b"one")
        two.write(b"two")
    assert path.read_text() == "one"  # the outer block ends last


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with files.beside(path, only_writer=True) as scratch:
        pass
    scratch.mkdir()
    (scratch / "weights").write_text("half")
    with files.beside(path, only_writer=True) as again:
        assert again == scratch and not again.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_private_file_is_its_owners_from_the_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with files.replacing(path, private=True) as stream:
        [scratch] = tmp_path.iterdir()
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o600
        stream.write(b"lab-x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_ordinary_file_is_as_open_as_any_other(tmp_path: Path) -> None:
    files.replace_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
