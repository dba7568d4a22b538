"""Progress files of many students in one table; what is odd about a file is said in its row.

A progress file is the course's `exercises.json`: exercise → {"tries", "done"}, kept by the student
and signed by nobody. What it can't be is told; whether it is true, nobody can tell from it. Knows
the file's form and the ids of exercises; nothing of checks.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from workbook import quoting, strict_json
from workbook.errors import WorkbookError

FILE, LOG = "exercises.json", "learning_log.md"
FIRST_DAY = date(2026, 1, 1)  # the course is younger
MAX_BYTES = 2**20
MAX_TRIES = 10_000
CHECK = re.compile(r"^check\(\s*[\"'](\d\d\.\w+)[\"']", re.MULTILINE)  # a cell's, with the id


@dataclass
class Row:
    """What one file says.

    student: by the name of the file, or of the folder that it lies in.
    exercises: id → (tries, the day it was done or None).
    entries: of the learning log beside it; None where there is no log.
    remarks: what is odd.
    """

    student: str
    file: Path
    exercises: dict[str, tuple[int, date | None]] = field(default_factory=dict)
    entries: int | None = None
    remarks: list[str] = field(default_factory=list)

    def done(self, ids: Iterable[str]) -> int:
        """How many of these exercises are done."""
        return sum(self.exercises.get(id, (0, None))[1] is not None for id in ids)


def exercise_ids(notebooks: Path) -> dict[str, list[str]]:
    """The exercises of each notebook ("02"), as its cells check them. Raises WorkbookError."""
    ids: dict[str, set[str]] = {}
    for path in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        try:
            cells = strict_json.loads(path.read_bytes())["cells"]
            sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        except (ValueError, KeyError, TypeError):
            raise WorkbookError(f"{path} is no notebook.") from None
        ids[path.name[:2]] = {id for source in sources for id in CHECK.findall(source)}
    if not any(ids.values()):
        raise WorkbookError(
            f"There are no notebooks with exercises in {notebooks}. Run this in a copy of the "
            "course."
        )
    return {number: sorted(names) for number, names in ids.items() if names}


def collect(
    paths: Iterable[Path], ids: Mapping[str, Iterable[str]], today: date | None = None
) -> list[Row]:
    """A row for each file, in order of students; folders are searched.

    ids: the course's exercises, by notebook.
    """
    known = {id for names in ids.values() for id in names}
    rows: list[Row] = []
    content: dict[str, Row] = {}  # by hash
    for path in _files(paths):
        row = Row(_student(path), path)
        rows.append(row)
        try:
            data = _read(path)
            _note(row, data, known, today or date.today())
            row.entries = _entries(path.with_name(LOG))
        except (OSError, ValueError) as error:
            row.remarks.append(f"unreadable: {error}")
            continue
        digest = hashlib.sha256(data).hexdigest()
        if (twin := content.setdefault(digest, row)) is not row and row.exercises:
            for one, other in ((row, twin), (twin, row)):
                one.remarks.append(f"word for word as {other.file}")
    for row in rows:
        others = [str(other.file) for other in rows if other is not row and _same(row, other)]
        if others:
            row.remarks.append(f"a name that is also that of {', '.join(others)}")
    return sorted(rows, key=lambda row: (row.student.casefold(), str(row.file)))


def _entries(log: Path) -> int | None:
    if not log.is_file():
        return None
    text = log.read_text(encoding="utf-8", errors="replace")
    return len(re.findall(r"^## ", text, re.MULTILINE))


def _same(row: Row, other: Row) -> bool:
    return row.student.casefold() == other.student.casefold()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Every file once: those that are named, and the progress files below folders."""
    seen: set[Path] = set()
    for path in paths:
        inside = sorted(path.rglob("exercises*.json")) if path.is_dir() else [path]
        if path.is_dir() and not inside:
            inside = [path / FILE]  # a row that says that there is none
        for each in inside:
            if each.resolve() not in seen:
                seen.add(each.resolve())
                yield each


def _student(path: Path) -> str:
    """Ana, of Ana.json, Ana/exercises.json or Ana/work/exercises.json."""
    if not path.stem.startswith("exercises"):
        return path.stem
    folders = [part for part in path.absolute().parts[:-1] if part != "work"]
    return folders[-1]


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError("there is no such file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError("it is larger than a megabyte")
    return data


def _note(row: Row, data: bytes, known: set[str], today: date) -> None:
    """Read the exercises into the row, with remarks. Raises ValueError: no progress file."""
    repeated: list[str] = []
    try:
        record = strict_json.decoder(repeated).decode(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(record, dict):
        raise ValueError("it is no record of exercises")
    if repeated:
        row.remarks.append(f"twice in it: {', '.join(map(quoting.excerpt, repeated))}")
    if row.file.name != FILE and row.file.name.startswith("exercises."):
        row.remarks.append("set aside by the course as damaged")
    for id, entry in record.items():
        if id not in known:
            row.remarks.append(f"no exercise of the course: {quoting.excerpt(id, 20)}")
            continue
        try:
            row.exercises[id] = _entry(entry, today)
        except ValueError as error:
            row.remarks.append(f"{id}: {error}")


def _entry(entry: Any, today: date) -> tuple[int, date | None]:
    """Tries and day. Raises ValueError for what the course never writes."""
    if not isinstance(entry, dict) or set(entry) != {"tries", "done"}:
        raise ValueError("not as the course writes it")
    tries, done = entry["tries"], entry["done"]
    if type(tries) is not int or not 1 <= tries <= MAX_TRIES:
        raise ValueError(f"{quoting.excerpt(tries, 20)} tries")
    if done is None:
        return tries, None
    try:
        day = date.fromisoformat(done)
    except (ValueError, TypeError):
        raise ValueError(f"done on {quoting.excerpt(done, 20)}, which is no day") from None
    if not FIRST_DAY <= day <= today + timedelta(days=1):  # it may be tomorrow where they are
        raise ValueError(f"done on {day}, when it could not be")
    return tries, day
