"""Reads what the training process writes of its progress, while it is being written.

Knows a file that grows; what its lines mean, `runner` knows.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any


class ProgressReader:
    """The lines of a growing `progress.jsonl` that were not read yet; only whole ones."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._inode = path, 0, -1

    def new_entries(self) -> list[dict[str, Any]]:
        """What was added since the last call; all of it when there is another file."""
        try:
            with open(self._path, "rb") as file:
                # A resumed training puts a shorter file in its place, which may soon be longer.
                if (inode := os.fstat(file.fileno()).st_ino) != self._inode:
                    self._offset, self._inode = 0, inode
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole + newline)
        entries = []
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):  # half a line from a crash
                entries.append(json.loads(line))
        return entries
