"""A job's progress log, `progress.jsonl`: what the trainer writes and the server reads meanwhile.

A line is an object with a `type`:

    start       steps, examples, tokens_per_epoch
    step        step, epoch, seconds (mean of a step), train_* and valid_* metrics; those of rewards
                have more names, see `reinforcement_metrics`
    checkpoint  step, folder (within the job's), metrics
    stopped     step, window (steps without anything to learn from)
    done        trained_tokens
    failed      code, message

Knows how lines get onto the disk; nothing of what is trained.
"""

import json
import os
from pathlib import Path
from typing import Any

from workbook import files


class Progress:
    """Lines that are only ever appended, each on disk before the next step."""

    def __init__(self, folder: Path) -> None:
        """folder: the job's."""
        self._path = folder / "progress.jsonl"

    def add(self, kind: str, **values: Any) -> None:
        """Append a line of this type."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"type": kind} | values) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rewind(self, step: int) -> None:
        """Drop what was written after a step: a resumed job will write it again."""
        if not self._path.exists():
            return
        lines = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # half a line from a crash
            if entry.get("step", 0) <= step and entry["type"] not in ("done", "failed"):
                lines.append(line + "\n")
        files.replace_text(self._path, "".join(lines), only_writer=True)
