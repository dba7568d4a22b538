"""Whose a folder is: the lab's own mark, what stands in its state folder, and under which names.

Only reads. What carries no mark and holds something is not the lab's, and is refused: nothing in
it is made, moved or deleted. Knows nothing of what records and bytes mean.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from workbook.errors import WorkbookError
from workbook.lab.state.records import Checkpoint, Event, File, Job, Model
from workbook.lab.state.tables import DATABASE, MIGRATIONS, TABLES

# SQLite keeps it for the program that a file belongs to: https://www.sqlite.org/fileformat.html
APPLICATION_ID = int.from_bytes(b"FTWL")
FOLDERS = ("files", "jobs", "batches", "uploads")

# What stands in a state folder beside FOLDERS; a name with .part is `files.replacing`'s.
_BESIDE = re.compile(
    rf"{re.escape(DATABASE)}(-wal|-shm|-journal)?|key|lock|starting\.lock|server\.json|lab\.log"
    r"|reserve|\.(key|server\.json|reserve)(\.[0-9a-f]+)?\.part"
)
# `new_id` gives 24 letters and digits. What is on its way is called by an id, 32 hex digits, or as
# Python calls its temporary files.
_OWN = {
    "files": re.compile(r"(file-|part_)[0-9A-Za-z]{24}"),
    "jobs": re.compile(r"ftjob-[0-9A-Za-z]{24}"),
    "batches": re.compile(r"batch_[0-9A-Za-z]{24}"),
    "uploads": re.compile(
        r"([a-z]+[-_])?[0-9A-Za-z]{24}(_[a-z]+\.jsonl)?|[0-9a-f]{32}|tmp[0-9a-z_]{8}"
    ),
}
_Records = Literal["ours", "foreign", "blank", "none"]


def check(folder: Path) -> None:
    """Raise WorkbookError unless the lab may keep its state here: its own folder, or an empty one.

    Also where the records are lost and what they told of is still there: nothing would account
    for it any more.
    """
    if not folder.exists() or _records(folder) == "ours":
        return
    _check_own(folder)
    lost = [path for name in ("files", "jobs", "batches") for path in own(folder, name)]
    if lost:
        what = "is missing" if _records(folder) == "none" else "is empty"
        raise WorkbookError(
            f"The records in {folder} are lost: {DATABASE} {what}, but {len(lost):,} of the lab's "
            f"files and folders are there ({lost[0].relative_to(folder)}). Nothing was deleted. "
            f"Put {DATABASE} back from a backup, give another folder with --state, or delete what "
            f"is left and begin anew: workbook lab reset --state {folder}"
        )


def check_reset(folder: Path) -> None:
    """Raise WorkbookError unless the folder is the lab's, with or without its records."""
    if folder.exists() and _records(folder, damaged="ours") != "ours":
        _check_own(folder)


def check_writable(folder: Path) -> None:
    """Raise WorkbookError where the folder, or what the lab would change in it, is read-only.

    Whoever has set it so wants it kept as it is: it is not made writable.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    inside = (
        [folder / name for name in (*FOLDERS, DATABASE, "key", "lock")] if folder.exists() else []
    )
    for path in (existing, *inside):
        if path.exists() and not os.access(path, os.W_OK):
            raise WorkbookError(
                f"{path} is read-only for you, and the lab writes there. Nothing was changed. Make "
                "it writable, or give another folder with --state."
            )


def own(folder: Path, name: str) -> Iterator[Path]:
    """What one of FOLDERS holds under names as only the lab gives them."""
    place = folder / name
    return (path for path in _inside(place) if _OWN[name].fullmatch(path.name))


def is_file_id(name: str) -> bool:
    """Whether a name is an id as the lab gives them to files."""
    return bool(_OWN["files"].fullmatch(name))


def holds_anything(folder: Path) -> bool:
    """Whether there are records, or bytes that have lost them."""
    return (folder / DATABASE).exists() or any(
        any(True for _ in own(folder, name)) for name in FOLDERS
    )


def foreign(folder: Path) -> list[str]:
    """What a state folder holds that the lab did not write, by its names."""
    names = [
        path.name
        for path in _inside(folder)
        if not (_BESIDE.fullmatch(path.name) or (path.name in FOLDERS and path.is_dir()))
    ]
    for name in FOLDERS:
        expected = set(own(folder, name))
        names += [f"{name}/{p.name}" for p in _inside(folder / name) if p not in expected]
    return names


def _check_own(folder: Path) -> None:
    """Raise WorkbookError for a folder without records of the lab that holds what is not its."""
    if not folder.is_dir():
        raise WorkbookError(f"{folder} is no folder: give a new or an empty one with --state.")
    others = [DATABASE] if _records(folder, "blank") == "foreign" else foreign(folder)
    if others:
        more = f" and {len(others) - 3:,} more" * (len(others) > 3)
        raise WorkbookError(
            f"{folder} is no state folder of the lab: it holds {', '.join(others[:3])}{more}, "
            "which the lab did not write, and no records of the lab. Nothing there was touched. "
            "Give a new or an empty folder with --state."
        )


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _records(folder: Path, damaged: _Records | None = None) -> _Records:
    """Whose records are in a folder.

    damaged: what to say of records that can't be read; None: WorkbookError.
    """
    path = folder / DATABASE
    if not path.exists():
        return "none"
    try:
        with closing(sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True)) as database:
            [mark] = database.execute("PRAGMA application_id").fetchone()
            [version] = database.execute("PRAGMA user_version").fetchone()
            names = {row[0] for row in database.execute("SELECT name FROM sqlite_schema")}
    except sqlite3.Error as error:
        if damaged:
            return damaged
        raise WorkbookError(
            f"The state in {folder} can't be read: {error}. Nothing was touched. Give another "
            f"folder with --state, or begin anew: workbook lab reset --state {folder}"
        ) from None
    # Labs before 0.2 left no mark; their first version had these tables only.
    first = {TABLES[kind] for kind in (File, Job, Event, Checkpoint, Model)}
    old = version and names >= first
    if mark == APPLICATION_ID or old or (mark == 0 and version > len(MIGRATIONS)):
        return "ours"
    return "foreign" if names or mark else "blank"
