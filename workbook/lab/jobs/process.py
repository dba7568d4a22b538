"""The training process: how it is started and ended, and why it may have died.

Knows operating systems; knows nothing of jobs' states, or of what is trained.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from workbook import paths

FEW_SHAPES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "100", "LRU_CACHE_CAPACITY": "100"}
"""oneDNN, and PyTorch above it, would each keep code for a thousand shapes of batches: 150 MB more
in a training of 300 reviews, 420 in a server that is asked for six models. As fast with this."""


def environment() -> dict[str, str]:
    """Of a training process: the server's, without its key and with a word on memory."""
    variables = FEW_SHAPES | {k: v for k, v in os.environ.items() if k != "WORKBOOK_LAB_KEY"}
    # glibc would keep the large pieces that long examples take, in holes between small ones:
    # measured, 1.1 GB instead of 0.7 GB after one pass over 4,096 tokens.
    variables.setdefault("MALLOC_MMAP_THRESHOLD_", str(8 * 2**20))
    return variables


class TrainingProcess:
    """The trainer at work on a job's folder. It ends by itself when this server dies."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "workbook.lab.training.trainer", str(folder)]
        with open(folder / "trainer.log", "ab") as log:
            self._process = subprocess.Popen(
                [*command, "--until-stdin-closes"],  # a pipe that closes when this server dies
                cwd=paths.ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the server's terminal is for the server
            )

    def questions(self) -> Iterator[bytes]:
        """Lines that it writes, until it ends; each waits for an answer."""
        assert self._process.stdout is not None
        yield from self._process.stdout

    def answer(self, line: bytes) -> None:
        """Answer a question, if it is still there."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal has ended it."""
        return self._process.poll()

    def stop(self) -> None:
        """End it, if it has not ended, and wait until it has."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # what was not sent can't be any more
                self._process.stdin.close()


def cause_of_death(exit_code: int, folder: Path) -> str:
    """Why a training process died, as far as its exit code and its last words tell."""
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return (
            f"The training process was ended from outside ({name}), twice. Not enough memory "
            "is the usual reason: close other programs, or use a smaller batch_size."
        )
    lines = (folder / "trainer.log").read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no reason was given")
    return f"The training process ended with code {exit_code}: {last.strip()[:300]}"
