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
from workbook.doctor.readers.source import open_source
from workbook.errors import WorkbookError


@pytest.fixture
def large(monkeypatch) -> None:
    """Some kilobytes count as large."""
    monkeypatch.setattr(parallel, "WORTH", 10_000)
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
    start, ask, tasks = subprocess.Popen, parallel._ask, []

    def starting(command: list[str], **options) -> subprocess.Popen:
        if how == "can't be started":
            raise OSError("no processes")
        if how == "die at once":
            command = [sys.executable, "-c", "print('hello')"]
        return start(command, **options)

    def dying(process: subprocess.Popen, task: parallel._Task) -> object:
        tasks.append(task)
        if how == "die at the second question" and len(tasks) > 2:
            process.kill()
        return ask(process, task)

    monkeypatch.setattr(subprocess, "Popen", starting)
    monkeypatch.setattr(parallel, "_ask", dying)
    assert content_of(doctor.check(file, MODEL)) == alone
    assert bool(tasks) == (how != "can't be started")


def test_no_process_is_left_when_somebody_stops(large, file, monkeypatch) -> None:
    start, processes = subprocess.Popen, []

    def starting(*arguments, **options) -> subprocess.Popen:
        processes.append(start(*arguments, **options))
        return processes[-1]

    def stop(self, part, before) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", starting)
    monkeypatch.setattr(parallel.ReportBuilder, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        doctor.check(file, MODEL)
    assert len(processes) == 2
    assert all(process.returncode is not None for process in processes)


@pytest.mark.parametrize(
    ("size", "number"), [(parallel.WORTH - 1, 1), (parallel.WORTH, 2), (2**40, 3)]
)
def test_a_small_file_is_worth_no_second_process(tmp_path, monkeypatch, size, number) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    (tmp_path / "rows.jsonl").write_text("{}\n")
    source = open_source(tmp_path / "rows.jsonl")
    source.size = size
    assert parallel.processes(source) == number


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
parallel.WORTH, parallel._PART = 10_000, 60_000
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
