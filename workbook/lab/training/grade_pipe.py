"""Grades from whoever started this process: a line of JSON goes out, a line comes in.

Graders are the server's: it may ask a model of its own, and the training process needs to know none
of them. Knows pipes; nothing of graders or of what is trained.
"""

import json
import os
import queue
from typing import Any

from workbook.lab.training.failures import UnrecoverableError

OUT = 1  # standard output; what the trainer has to say goes elsewhere


class GradePipe:
    """Asks for grades on standard output, and takes them from standard input."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def grade(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What came of each of some answers, {"item": row, "output": text}.

        Raises UnrecoverableError where the server could not grade at all.
        """
        text = json.dumps({"answers": answers}).encode() + b"\n"
        while text:
            text = text[os.write(OUT, text) :]
        reply = json.loads(self._lines.get())
        if "error" in reply:
            raise UnrecoverableError("grader_failed", reply["error"])
        grades: list[dict[str, Any]] = reply["grades"]
        return grades

    def listen(self) -> None:
        """Take in lines; end the process at once when the other end is gone, however it went."""
        rest = b""
        while piece := os.read(0, 2**16):  # not sys.stdin: Python aborts at an end while it reads
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._lines.put(line)
        os._exit(1)
