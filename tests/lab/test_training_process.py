"""What a training process gets from the server that starts it."""

import os
import subprocess
import sys

import pytest

from workbook.lab.jobs import process


def test_a_trainer_gets_what_saves_memory_and_no_key(monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "secret")
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")  # what the user has set stays
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    variables = process.environment()
    assert "WORKBOOK_LAB_KEY" not in variables and variables["PATH"] == os.environ["PATH"]
    assert variables["LRU_CACHE_CAPACITY"] == "7"
    assert variables["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "100"


BEFORE_TORCH = """
import os, sys
from workbook.lab import serving_process
from workbook.lab.training import trainer

def stop(base):  # the server has set all that it sets, and is about to load its model
    print("torch" in sys.modules, os.environ["GOMP_SPINCOUNT"])
    trainer._lower_priority()
    print("torch" in sys.modules, os.environ["GOMP_SPINCOUNT"])
    sys.exit()

serving_process.bases.find = stop
serving_process._run(None, "", None, None, None, None, None)
"""


@pytest.mark.parametrize(("own", "expected"), [({}, "5000"), ({"GOMP_SPINCOUNT": "77"}, "77")])
def test_threads_of_the_server_and_of_a_training_wait_as_each_needs_it(own, expected) -> None:
    """libgomp reads it when torch is imported: too late after that."""
    rest = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_TORCH], capture_output=True, text=True, env=rest | own
    )
    assert done.stdout == f"False {expected}\nFalse 1000\n", done.stderr
