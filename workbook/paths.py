"""Where things lie: the user's own folder and cache, the student's files, the course's data.

Knows only folders; creates those that are written to, readable by their owner alone.
"""

import os
from pathlib import Path

import platformdirs

from workbook.errors import WorkbookError

_PACKAGE = Path(__file__).resolve().parent
ROOT = _PACKAGE.parent
"""The course's folder; of an installed package, the folder it was installed into."""
IS_COURSE = (ROOT / "notebooks").is_dir()


def _made(folder: Path, variable: str, mode: int = 0o777) -> Path:
    """The folder, made where it is missing. Raises WorkbookError where it can't be.

    variable: in which the user may name another.
    """
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        taken = isinstance(error, FileExistsError)
        reason = "a file has that name" if taken else error.strerror
        raise WorkbookError(
            f"The folder {folder} can't be made: {reason}. Name another one in {variable}."
        ) from error
    return folder


def home() -> Path:
    """The course's own folder: `WORKBOOK_HOME`, or where a user's application data belong."""
    default = platformdirs.user_data_dir("fine-tuning-workbook", appauthor=False)
    folder = Path(os.environ.get("WORKBOOK_HOME") or default).expanduser().resolve()
    return _made(folder, "WORKBOOK_HOME", 0o700)


def cache() -> Path:
    """What can be fetched again: converted weights, the review corpus."""
    return _made(home() / "cache", "WORKBOOK_HOME", 0o700)


def work() -> Path:
    """The student's own files: `WORKBOOK_WORK`, or `work/` beside the notebooks' folder; without
    the course, the folder in which the program was started."""
    default = ROOT / "work" if IS_COURSE else Path.cwd()
    folder = Path(os.environ.get("WORKBOOK_WORK") or default).expanduser().resolve()
    return _made(folder, "WORKBOOK_WORK")


def data(name: str) -> Path:
    """A committed file or folder in `data/`. Raises FileNotFoundError when there is none."""
    path = (ROOT if IS_COURSE else _PACKAGE) / "data" / name
    if not path.exists():
        raise FileNotFoundError(f"data/{name} is missing: fetch the course again.")
    return path
