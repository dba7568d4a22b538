"""What a training process gets from the server that starts it."""

import os

from workbook.lab.jobs import process


def test_a_trainer_gets_what_saves_memory_and_no_key(monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "secret")
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")  # what the user has set stays
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    variables = process.environment()
    assert "WORKBOOK_LAB_KEY" not in variables and variables["PATH"] == os.environ["PATH"]
    assert variables["LRU_CACHE_CAPACITY"] == "7"
    assert variables["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "100"
