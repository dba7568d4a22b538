"""Where the model computes: a GPU where there is one, unless somebody says otherwise."""

import subprocess
import sys
import time

import pytest
import torch

from workbook.errors import WorkbookError
from workbook.lab.model import device


@pytest.mark.parametrize(
    ("setting", "available", "expected"),
    [
        (None, (), "cpu"),
        ("auto", ("mps",), "mps"),
        ("", ("cuda", "mps"), "cuda"),
        ("cpu", ("cuda",), "cpu"),
        ("cuda", (), "no such device"),
        ("gpu", (), "it can be auto"),
    ],
)
def test_a_gpu_is_used_where_there_is_one_unless_it_is_switched_off(
    setting, available, expected, monkeypatch
):
    monkeypatch.delenv(device.VARIABLE, raising=False)
    if setting is not None:
        monkeypatch.setenv(device.VARIABLE, setting)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in available)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in available)
    if expected in device.NAMES:
        assert device.choose() == torch.device(expected)
    else:
        with pytest.raises(WorkbookError, match=expected):
            device.choose()


def test_busy_programs_beside_it_change_nothing_in_the_format():
    quiet = device.fastest_dtype()
    busy = "import torch; x = torch.randn(800, 800)\nwhile True: x @ x"
    programs = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(3)]
    try:
        time.sleep(3)  # they import torch
        found = {device.fastest_dtype() for _ in range(25)}
    finally:
        for program in programs:
            program.kill()
            program.wait()
    assert found == {quiet}
