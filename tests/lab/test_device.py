"""Where the model computes: a GPU where there is one, unless somebody says otherwise."""

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
