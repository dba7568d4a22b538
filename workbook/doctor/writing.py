"""Rows as lines of JSONL, in files that are whole or not there.

A file appears under its name only when all of it is written; another one of that name is kept.
Knows nothing of what rows mean.
"""

import contextlib
import filecmp
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbook import files, paths
from workbook.doctor.errors import DatasetError
from workbook.doctor.readers.jsonl import BOM


def write(rows: Iterable[Mapping[str, Any]], name: str, *, bom: bool = False) -> Path:
    """Write rows as JSONL (UTF-8, one a line) to `name` in the student's work folder.

    A file of that name is never lost: with the same content it stays as it is, with another one it
    is kept as name.1.jsonl, name.2.jsonl, …

    bom: write a byte order mark first, as Azure asks for.
    Raises DatasetError for a row that JSON can't hold and for a name that is no plain file name
    ending in .jsonl.
    """
    if Path(name).name != name or not name.endswith(".jsonl") or name == ".jsonl":
        raise DatasetError(f"{name!r} is no plain file name ending in .jsonl.")
    path = paths.work() / name
    lines = (encode(row, number) for number, row in enumerate(rows, start=1))
    write_files({path: chain([BOM] if bom else [], lines)})
    return path


def encode(row: Any, number: int) -> bytes:
    """A row as a line of JSONL. Raises DatasetError for what JSON can't hold."""
    try:
        return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # half of a two-part character: only as an escape
        return (json.dumps(row, allow_nan=False) + "\n").encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise DatasetError(f"Row {number} can't be written as JSON: {error}.") from None


def write_files(contents: Mapping[Path, Iterable[bytes]]) -> None:
    """Write all to hidden files beside their paths, then move them there, all or none.

    What interrupts it (Ctrl-C, a full disk, a row that can't be written) leaves nothing behind. A
    file of other content that is there is kept as name.1.jsonl, … Raises DatasetError where the
    disk refuses.
    """
    whole: dict[Path, Path] = {}
    path = None
    try:
        with contextlib.ExitStack() as stack:
            for path, lines in contents.items():
                whole[path] = stack.enter_context(files.beside(path))
                with open(whole[path], "xb") as stream:
                    stream.writelines(lines)
            if whole:
                stack.enter_context(_alone(next(iter(whole)).parent))
            with contextlib.ExitStack() as undo:
                for path, scratch in whole.items():
                    if path.exists():
                        if filecmp.cmp(path, scratch, shallow=False):
                            continue
                        aside = _aside(path)
                        undo.callback(_back, aside, path)
                        path.rename(aside)
                    undo.callback(path.unlink, missing_ok=True)
                    os.replace(scratch, path)
                undo.pop_all()  # all are in their places
    except OSError as error:
        raise DatasetError(
            f"{path} could not be written: {error.strerror or error}. Free some "
            "space, or set WORKBOOK_WORK to a folder you may write to."
        ) from None


def _alone(folder: Path) -> FileLock:
    """While it is held, no other process puts files into this folder: between a look for a free
    name and a move there another could take it."""
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return FileLock(Path(tempfile.gettempdir()) / f"workbook-{user}-{name}.lock")


def _aside(path: Path) -> Path:
    """The first free name with a number, for the file that is there."""
    number = 1
    while (aside := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return aside


def _back(aside: Path, path: Path) -> None:
    if aside.exists():
        aside.rename(path)
