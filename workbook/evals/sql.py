"""Execution accuracy of SQL that a model wrote: run on the database, beside the right query.

Knows SQLite. A model's query is nobody's code: the database is opened for reading alone, and only
reading is allowed in it, for a short time, and so many rows.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example
from workbook.evals.graders import Grader

SECONDS = 2.0  # of one query
ROWS = 10_000  # that are read of its result
TEXT = 10_000_000  # characters that are read of its result
_STEPS = 100  # of SQLite's machine between two looks at the clock; a single step may be long
_LENGTH = 20_000  # characters of a query
_VALUE = 50_000  # bytes of one text or blob, whatever makes it
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
# The last two count to any width in one step, however short the text that they make.
_FORBIDDEN = {"load_extension", "readfile", "writefile", "fts3_tokenizer", "printf", "format"}
_PLANS = (("addr", "opcode"), ("id", "parent"))  # first columns of EXPLAIN's two forms


class QueryError(Exception):
    """A query could not be run, or may not; says why."""


def execution(database: Path) -> Grader:
    """A grader: 1 where the answer gives the same rows as the label, an SQL query, else 0.

    As BIRD (Li et al. 2023) counts it: rows as a set, their order and the names of columns aside.
    None where the answer is no query that can be run. Raises EvaluationError for a database that is
    not there, and for a label that can't be run.
    """
    if not database.is_file():
        raise EvaluationError(f"There is no database {database}.")

    def grade(answer: str, example: Example) -> float | None:
        try:
            expected = run(database, str(example.label))
        except QueryError as error:
            raise EvaluationError(f"The label of {example.id!r} can't be run: {error}") from None
        try:
            got = run(database, query_of(answer))
        except QueryError:
            return None
        return float(same(got, expected))

    return grade


def same(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> bool:
    """Whether two results are the same set of rows.

    The ninth digit behind the point aside: it depends on the order in which numbers are summed.
    """
    left, right = ({tuple(map(_rounded, row)) for row in each} for each in (rows, others))
    return left == right


def _rounded(value: Any) -> Any:
    return round(value, 8) if isinstance(value, float) else value


def query_of(answer: str) -> str:
    """The query in an answer: without a fence of Markdown around it or a semicolon at its end."""
    text = answer.strip()
    if text.startswith("```"):
        text = text.removeprefix("```").removeprefix("sqlite").removeprefix("sql")
        text = text.partition("```")[0]
    return text.strip().rstrip(";").strip()


def run(database: Path, query: str) -> list[tuple[Any, ...]]:
    """The rows of one query that reads.

    Raises QueryError for what is no query, what would change or reach anything (DROP, ATTACH,
    PRAGMA, …), and what takes longer than SECONDS, or gives more than ROWS rows or TEXT characters.
    """
    if len(query) > _LENGTH:
        raise QueryError(f"The query is longer than {_LENGTH:,} characters.")
    address = f"{database.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(authorize)
        end = time.monotonic() + SECONDS
        connection.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS)
        try:
            cursor = connection.execute(query)
            rows = _read(cursor)
        except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
            if time.monotonic() > end:
                raise QueryError(f"It took longer than {SECONDS:g} seconds.") from None
            raise QueryError(f"{error}.") from None
    columns = [column[0] for column in cursor.description or ()]
    if not columns or ("EXPLAIN" in query.upper() and tuple(columns[:2]) in _PLANS):
        raise QueryError("It asks for no rows.")
    return rows


def _read(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    rows, size = [], 0
    for row in cursor:
        rows.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(rows) > ROWS or size > TEXT:
            raise QueryError(f"It gives more than {ROWS:,} rows or {TEXT:,} characters.")
    return rows


def authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """What SQLite asks before it does anything: whether this may be done."""
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK
