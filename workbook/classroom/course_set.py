"""What students get of the course, and what whoever teaches it keeps: two folders.

Students: the course without outputs, tests and solutions. Instructor: the notebooks as they stand,
each exercise followed by a solution, and the pages for teaching. Writes into a new folder only.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from workbook import files, strict_json
from workbook.classroom import solutions
from workbook.classroom.progress import CHECK
from workbook.errors import RefusedError, WorkbookError

# Of the course's folder; whatever is not named here stays out of the students' set.
FOR_STUDENTS: tuple[str, ...] = ("notebooks", "helpers", "workbook", "data", "docs", "tools")
FOR_STUDENTS += ("pyproject.toml", "requirements.txt", "requirements-colab.txt")
FOR_STUDENTS += ("README.md", "CREDITS.md", "CHANGELOG.md", "LICENSE")
TEACHING = Path("docs", "teaching.md")
SOLUTIONS = Path("tests", "solutions")
_LEAVE_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.egg-info", "executed")


def make(course: Path, target: Path, changed: bool = False) -> tuple[int, int]:
    """Write both sets into `target`; how many notebooks and solutions they have.

    course: the course's folder.
    changed: also where a notebook is not as it was committed.
    Raises WorkbookError or RefusedError; then nothing is written.
    """
    course, target = course.resolve(), target.resolve()
    notebooks = sorted((course / "notebooks").glob("*.ipynb"))
    if not notebooks or not (course / SOLUTIONS).is_dir():
        raise WorkbookError(
            f"{course} is not the whole course: notebooks/ and {SOLUTIONS.as_posix()}/ belong to "
            "it. Run this in a copy of its repository."
        )
    if target.exists():
        raise RefusedError(
            f"{target} is there already, and nothing in it was changed. Give a folder that is not "
            "there yet."
        )
    if any(target.is_relative_to(course / name) for name in (*FOR_STUDENTS, "tests")):
        raise WorkbookError(f"{target} lies within the course itself: give a folder outside.")
    if not changed and (names := _changed(course)):
        raise RefusedError(
            f"{', '.join(names)}: not as it was committed. Your own answers would go to the "
            "students. Put it back (git stash), or say --changed if it is meant so."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.beside(target) as scratch:
        for name in FOR_STUDENTS:
            _copy(course / name, scratch / "students" / name)
        files.remove(scratch / "students" / TEACHING)
        for path in (scratch / "students" / "notebooks").glob("*.ipynb"):
            _rewrite(path, without_outputs)
        count = _instructors(course, scratch / "instructor")
        scratch.rename(target)
    return len(notebooks), count


def _instructors(course: Path, folder: Path) -> int:
    """Notebooks with solutions, the solutions themselves, and the pages; how many solutions."""
    _copy(course / "notebooks", folder / "notebooks")
    _copy(course / SOLUTIONS, folder / "solutions")
    _copy(course / TEACHING, folder / TEACHING.name)
    count = 0
    for path in sorted((folder / "notebooks").glob("*.ipynb")):
        module = course / SOLUTIONS / f"nb{path.name[:2]}.py"
        if not module.exists():
            continue
        answers = solutions.of_module(module)
        _rewrite(path, partial(with_solutions, answers=answers))
        count += len(answers)
    return count


def without_outputs(notebook: dict[str, Any]) -> None:
    """As a notebook is before anybody has run it."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None


def with_solutions(notebook: dict[str, Any], answers: dict[str, str]) -> None:
    """Put a cell with a solution behind each exercise; one that has no cell is put at the end."""
    cells, left = [], dict(answers)
    for cell in notebook["cells"]:
        cells.append(cell)
        if cell["cell_type"] == "code":
            ids = CHECK.findall("".join(cell["source"]))
            cells += [_solution(id, left.pop(id)) for id in ids if id in left]
    notebook["cells"] = cells + [_solution(id, text) for id, text in left.items()]


def _solution(id: str, source: str) -> dict[str, Any]:
    text = (
        f"<details><summary>Solution of exercise {id}, one of several that pass</summary>\n\n"
        f"```python\n{source}\n```\n\n</details>"
    )
    return {
        "cell_type": "markdown",
        "id": "solution-" + re.sub(r"[^\w-]", "-", id),
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    try:
        notebook = strict_json.loads(path.read_bytes())
        change(notebook)
    except (ValueError, KeyError, TypeError):
        raise WorkbookError(f"notebooks/{path.name} is no notebook.") from None
    text = json.dumps(notebook, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=_LEAVE_OUT)
    elif source.exists():
        shutil.copyfile(source, target)


def _changed(course: Path) -> list[str]:
    """Notebooks that differ from the last commit; none where there is no repository to ask."""
    command = ["git", "-C", str(course), "status", "--porcelain", "--", "notebooks"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line[3:] for line in done.stdout.splitlines() if line.endswith(".ipynb")]
