"""What a training process gets from the server that starts it."""

import os
import subprocess
import sys

from workbook.lab.jobs import process


def test_a_trainer_gets_what_saves_memory_and_no_key(monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "secret")
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")  # what the user has set stays
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    variables = process.environment()
    assert "WORKBOOK_LAB_KEY" not in variables and variables["PATH"] == os.environ["PATH"]
    assert variables["LRU_CACHE_CAPACITY"] == "7"
    assert variables["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "100"


def test_threads_of_the_server_and_of_a_training_wait_as_each_needs_it() -> None:
    """libgomp reads it when torch is imported: too late after that."""
    script = (
        "import os, sys\n"
        "from workbook.lab import serving_process\n"
        "from workbook.lab.training import trainer\n"
        "os.environ |= serving_process.WAITING\n"
        "trainer._lower_priority()\n"
        "print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False 1000\n", done.stderr
