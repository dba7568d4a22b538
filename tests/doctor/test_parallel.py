"""A large file is checked by several processes, and the report is that of one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_cluster import content_of, text
from training_rows import MODEL

from workbook import doctor, paths
from workbook.doctor import parallel
from workbook.errors import WorkbookError


@pytest.fixture
def large(monkeypatch) -> None:
    """Some kilobytes count as large."""
    monkeypatch.setattr(parallel, "_WORTH", 10_000)
    monkeypatch.setattr(parallel, "_PART", 9_000)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("large") / "rows.jsonl"
    path.write_text(text(600))
    return path


@pytest.fixture(scope="module")
def alone(file: Path) -> tuple:
    return content_of(doctor.check(file, MODEL))


def test_several_processes_find_what_one_finds(large, file: Path, alone: tuple) -> None:
    report = doctor.check(file, MODEL)
    assert content_of(report) == alone
    assert {"bom", "bom-inside", "blank-line", "duplicate", "near-duplicate"} <= set(report.codes)


@pytest.mark.parametrize("how", ["die at once", "die at the second question", "can't be started"])
def test_without_them_it_is_done_here(large, file, alone, how, monkeypatch) -> None:
    ask, tasks = parallel._Worker._ask, []

    def dying(self: parallel._Worker, task: parallel._Task) -> object:
        tasks.append(task)
        if how == "can't be started":
            raise OSError("no processes")
        if how == "die at once" or len(tasks) > 2:
            if self._process:
                self._process.kill()
                self._process.wait()
            self._process = subprocess.Popen(
                [sys.executable, "-c", "print('hello')"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        return ask(self, task)

    monkeypatch.setattr(parallel._Worker, "_ask", dying)
    assert content_of(doctor.check(file, MODEL)) == alone
    assert tasks


def test_a_file_that_goes_away_is_named(large, file, tmp_path, monkeypatch) -> None:
    copy = tmp_path / "rows.jsonl"
    copy.write_bytes(file.read_bytes())
    parts = parallel._parts

    def gone(*arguments) -> Iterator:
        copy.unlink()
        return parts(*arguments)

    monkeypatch.setattr(parallel, "_parts", gone)
    with pytest.raises(WorkbookError, match=r"rows\.jsonl"):
        doctor.check(copy, MODEL)


def test_a_script_needs_no_guard(file: Path, tmp_path: Path) -> None:
    """What `multiprocessing` would run again and again."""
    script = tmp_path / "script.py"
    script.write_text(
        f"""
from workbook import doctor
from workbook.doctor import parallel
parallel._WORTH, parallel._PART = 10_000, 60_000
parallel.os.cpu_count = lambda: 2
print("checked", doctor.check({str(file)!r}).counts.shape[0])
"""
    )
    output = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {"PYTHONPATH": str(paths.ROOT)},
    )
    assert output.stdout.startswith("checked ") and output.stdout.count("checked") == 1
    assert not output.stderr
