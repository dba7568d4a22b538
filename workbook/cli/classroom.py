"""`workbook class`: what whoever teaches the course needs.

How sets are made and progress is read, `workbook.classroom` knows.
"""

import csv
import sys
from pathlib import Path

import click

from workbook import paths
from workbook.classroom import course_set, progress
from workbook.classroom.progress import Row
from workbook.cli import exits, groups


@click.group("class", cls=groups.InOrder, epilog="More: docs/teaching.md")
def class_() -> None:
    """Sets of the course for students and instructor, and a table of their progress.

    Keys for a lab that a class shares: `workbook lab keys`.
    """


@class_.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--changed", is_flag=True, help="Also with notebooks that differ from the commit.")
def make(folder: Path, changed: bool) -> int:
    """Write the course into FOLDER, which must not be there yet.

    FOLDER/students: notebooks without outputs, no solutions. FOLDER/instructor: notebooks with
    outputs and solutions, and how to teach them.
    """
    notebooks, solutions = course_set.make(paths.ROOT, folder, changed)
    click.echo(f"{folder / 'students'}: {notebooks} notebooks without outputs; no solutions")
    click.echo(f"{folder / 'instructor'}: {notebooks} notebooks, {solutions} solutions")
    return exits.DONE


@class_.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values on standard output.")
def collect(files: tuple[Path, ...], as_csv: bool) -> int:
    """One table of many students' progress: FILES are their exercises.json, or folders with them.

    A student's name is that of the file (ana.json), or of its folder (ana/exercises.json). A row a
    file, whatever is in it; what is odd about one is said in its row and on standard error. The
    exit status is 1 then.
    """
    ids = progress.exercise_ids(paths.ROOT / "notebooks")
    rows = progress.collect(files, ids)
    table = [_cells(row, ids) for row in rows]
    if as_csv:
        writer = csv.DictWriter(sys.stdout, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _harmless(value) for name, value in c.items()} for c in table)
    else:
        _show(table)
    odd = [row for row in rows if row.remarks]
    for row in odd:
        click.echo(f"{row.file}: {'; '.join(row.remarks)}", err=True)
    click.echo(f"{len(rows)} file{'s' * (len(rows) != 1)}, {len(odd)} with a remark", err=True)
    return exits.NO if odd else exits.DONE


def _cells(row: Row, ids: dict[str, list[str]]) -> dict[str, str]:
    days = sorted(day for _, day in row.exercises.values() if day)
    every = [id for names in ids.values() for id in names]
    return {
        "student": row.student,
        **{number: f"{row.done(names)}/{len(names)}" for number, names in ids.items()},
        "done": str(row.done(every)),
        "of": str(len(every)),
        "tries": str(sum(tries for tries, _ in row.exercises.values())),
        "first": days[0].isoformat() if days else "",
        "last": days[-1].isoformat() if days else "",
        "log entries": "" if row.entries is None else str(row.entries),
        "file": str(row.file),
        "remarks": "; ".join(row.remarks),
    }


def _harmless(text: str) -> str:
    """A spreadsheet takes what begins so for a formula; names come from students."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _show(table: list[dict[str, str]]) -> None:
    columns = [name for name in table[0] if name not in ("file", "remarks")]
    widths = {name: max(len(name), *(len(cells[name]) for cells in table)) for name in columns}
    for cells in ({name: name for name in columns}, *table):
        click.echo("  ".join(cells[name].ljust(widths[name]) for name in columns).rstrip())


COMMANDS = {"class": class_}
