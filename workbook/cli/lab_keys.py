"""`workbook lab keys`: a key for each student of a classroom, shown once.

How keys are kept and recognised, `workbook.lab.students` knows.
"""

from collections.abc import Callable
from pathlib import Path

import click

from workbook.cli import exits, groups
from workbook.errors import WorkbookError
from workbook.lab import students

FILE = "lab-keys.json"
MAX_COUNT = 1000


def _with_file(command: Callable[..., int]) -> Callable[..., int]:
    return click.option(
        "--file",
        "path",
        type=click.Path(path_type=Path, dir_okay=False),
        default=FILE,
        show_default=True,
        metavar="FILE",
        help="Where the keys' hashes are kept.",
    )(command)


@click.group(cls=groups.InOrder)
def keys() -> None:
    """A key for each student of a classroom: `workbook lab serve --keys FILE`."""


@keys.command()
@click.argument("count", type=click.IntRange(1, MAX_COUNT), required=False)
@click.option(
    "--names",
    "names_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A text file with a name a line, instead of student-01, student-02, …",
)
@_with_file
def make(count: int | None, names_file: Path | None, path: Path) -> int:
    """Make COUNT keys, or one for each name, and print them: they are not shown again.

    Names and keys are printed as two columns with a tab, for a spreadsheet.
    """
    if (count is None) == (names_file is None):
        raise WorkbookError("Say how many keys (workbook lab keys make 20), or give --names FILE.")
    if names_file is None:
        taken = set(students.load(path)) if path.exists() else set()
        names = _numbered(count or 0, taken)
    else:
        lines = _lines(names_file)
        names = [line.strip() for line in lines if line.strip()]
        if not names:
            raise WorkbookError(f"{names_file} names nobody.")
    for name, key in students.make(path, names).items():
        click.echo(f"{name}\t{key}")
    click.echo(
        f"These keys are not shown again; {path} has only their hashes. Give each student one.\n"
        f"Next: workbook lab serve --host 0.0.0.0 --keys {path}",
        err=True,
    )
    return exits.DONE


def _numbered(count: int, taken: set[str]) -> list[str]:
    """student-01, …: the first that are free."""
    names = (f"student-{number:02}" for number in range(1, count + len(taken) + 1))
    return [name for name in names if name not in taken][:count]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise WorkbookError(f"{path} is no text in UTF-8: a name a line.") from None


@keys.command("list")
@_with_file
def list_(path: Path) -> int:
    """Name the students who have a key."""
    for name, key in students.load(path).items():
        click.echo(name if key else f"{name}\tno key any more")
    return exits.DONE


@keys.command()
@click.argument("name")
@_with_file
def renew(name: str, path: Path) -> int:
    """Give a student another key; the old one ends at once, what they have made stays."""
    click.echo(f"{name}\t{students.renew(path, name)}")
    return exits.DONE


@keys.command()
@click.argument("name")
@_with_file
def remove(name: str, path: Path) -> int:
    """Take a student's key away; what they have made stays in the lab's state."""
    students.remove(path, name)
    click.echo(f"{name} has no key any more.")
    return exits.DONE
