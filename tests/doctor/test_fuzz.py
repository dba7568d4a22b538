"""Rows that nobody would write end in findings: a minute's share of the longer benchmark."""

import subprocess
import sys

import pytest

from workbook import paths


@pytest.mark.full
def test_no_row_ends_in_an_error() -> None:
    script = str(paths.ROOT / "benchmarks" / "doctor_fuzz.py")
    process = subprocess.run(
        [sys.executable, script, "--rows", "20000", "--seconds", "30"],
        capture_output=True,
        text=True,
        check=False,
        cwd=paths.ROOT,
    )
    assert process.returncode == 0, process.stdout[-2000:]
    assert int(process.stdout.split(" rows in ")[0].split()[-1].replace(",", "")) >= 1000
