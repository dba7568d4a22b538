"""What is wrong with an SQL query: the first part in which it differs from the right one.

Knows queries as texts, and asks SQLite which tables one reads. Running them is the work of `sql`.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from workbook.evals import sql

KINDS = (
    "right",  # the same rows
    "does not parse",  # no SQL
    "unknown name",  # SQL, but of tables, columns or functions that are not there
    "does not run",  # refused, or too long
    "wrong table",  # reads other tables
    "wrong join",  # the same tables, put together in another way
    "wrong filter",  # WHERE or HAVING
    "wrong columns",  # what is shown, counted, grouped, sorted
)
_CLAUSES = ("select", "from", "where", "group by", "having", "order by", "limit")
_TEXT = r"'(?:[^']|'')*'"
_WORDS = "|".join(_CLAUSES).replace(" ", r"\s+")
_KEYWORD = re.compile(rf"{_TEXT}|\b({_WORDS})\b", re.IGNORECASE)


def kind(database: Path, answer: str, label: str) -> str:
    """Which of KINDS a model's answer is, beside the right query.

    Of several mistakes the first in the order of KINDS is named. Nested queries count as part of
    the clause in which they begin, and a table under another name as another join.
    Raises QueryError for a label that can't be run.
    """
    expected = sql.run(database, label)
    query = sql.query_of(answer)
    try:
        got = sql.run(database, query)
    except sql.QueryError as error:
        return _refusal(str(error))
    if sql.same(got, expected):
        return "right"
    if _tables(database, query) != _tables(database, label):
        return "wrong table"
    ours, theirs = clauses(query), clauses(label)
    if _joins(ours["from"]) != _joins(theirs["from"]):
        return "wrong join"
    if any(ours[clause] != theirs[clause] for clause in ("where", "having")):
        return "wrong filter"
    return "wrong columns"


def kinds(database: Path, pairs: Iterable[tuple[str, str]]) -> Counter[str]:
    """How often each of KINDS occurs among pairs of an answer and its right query."""
    return Counter(kind(database, answer, label) for answer, label in pairs)


def clauses(query: str) -> dict[str, str]:
    """A query's text by clause, "select" to "limit", in one way of writing; else ""."""
    parts = dict.fromkeys(_CLAUSES, "")
    name, begin, depth = "", 0, 0
    marks = [*_KEYWORD.finditer(query)]
    for mark in marks:
        if mark[1] is None:
            continue
        before = re.sub(_TEXT, "", query[: mark.start()])
        depth = before.count("(") - before.count(")")
        if depth == 0:
            if name:
                parts[name] = _plain(query[begin : mark.start()])
            name, begin = " ".join(mark[1].lower().split()), mark.end()
    if name:
        parts[name] = _plain(query[begin:])
    return parts


def _plain(text: str) -> str:
    """One space between words, none around signs, lower case but in texts of the data."""
    pieces = re.split(f"({_TEXT})", text)
    for i in range(0, len(pieces), 2):
        words = " ".join(pieces[i].lower().split())
        pieces[i] = re.sub(r"\s*([=<>!,()]+)\s*", r"\1", words)
    return "".join(piece.strip() if i % 2 == 0 else piece for i, piece in enumerate(pieces))


def _joins(text: str) -> frozenset[str]:
    """The conditions of a FROM clause; the sides of an equation in one order."""
    conditions = re.split(r"\b(?:on|and)\b|\b(?:(?:left|inner|cross|outer)\s+)*join\b|,", text)
    return frozenset("=".join(sorted(part.strip().split("="))) for part in conditions)


def _refusal(error: str) -> str:
    if re.search(r"syntax error|incomplete input|unrecognized token|one statement|no rows", error):
        return "does not parse"
    return "unknown name" if re.match(r"no such|ambiguous", error) else "does not run"


def _tables(database: Path, query: str) -> set[str]:
    """The tables that a query reads, as SQLite itself sees it."""
    tables: set[str] = set()

    def note(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ and first:
            tables.add(first)
        return sql.authorize(action, first, second)

    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.set_authorizer(note)
        connection.execute(f"EXPLAIN {query}")
    return tables
