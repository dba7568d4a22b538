"""Checks for notebook 09: an exam fooled, a pool cleaned, what a grammar does, an own run."""

import contextlib
import functools
import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from helpers import scale
from helpers.exercises import exercise
from helpers.exercises.choices import keyed
from helpers.exercises.values import whole
from helpers.exercises.verdicts import WrongAnswerError
from workbook import paths
from workbook.evals import sql

_OPERA = "SELECT docks FROM station WHERE name = 'Opera'"


@contextlib.contextmanager
def _database(change: str = "") -> Iterator[Path]:
    """The firm's database, perhaps with something changed in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bike_hire.sqlite")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(paths.data("bike_hire.sql").read_text(encoding="utf-8"))
            connection.executescript(change)
        yield path


@functools.cache
def _rows() -> list[dict[str, str]]:
    lines = paths.data("bike_questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@exercise("09.1")
def _fooled(answer: Any) -> str:
    if not isinstance(answer, str):
        raise WrongAnswerError("A query is a text.", 'query = "SELECT …"')
    for change in ("", "UPDATE station SET docks = docks + 1"):
        with _database(change) as database:
            try:
                rows = sql.run(database, sql.query_of(answer))
            except sql.QueryError as error:
                raise WrongAnswerError(f"Your query can't be run: {error}") from None
            passes = sql.same(rows, sql.run(database, _OPERA))
        if not change and not passes:
            raise WrongAnswerError(
                f"Its rows are {rows[:3]}, not those of the right query.",
                "How many docks does Opera have? Ask the database.",
                "A SELECT needs no table: SELECT 1 gives one row with a 1.",
            )
    if passes:
        raise WrongAnswerError(
            "That stays right when the docks change: it is no trick but an answer.",
            "Write the number itself into the query.",
        )
    return "Right: the same row, and nothing understood. The exam can't see that; a second one can."


@exercise("09.2")
def _cleaned(answer: Any) -> str:
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        raise WrongAnswerError("Hand in a list of ids.", 'broken = ["pool_1", …]')
    ids = set(map(str, answer))
    broken = _broken()
    missing, extra = sorted(broken - ids), sorted(ids - broken)
    if extra:
        raise WrongAnswerError(
            f"{len(extra)} of yours can be run, such as {extra[0][:30]!r}.",
            "Only those for which sql.run(DATABASE, query) raises sql.QueryError.",
        )
    if missing:
        raise WrongAnswerError(
            f"{len(missing)} more can't be run.",
            "Try every row of the pool: for row in pool.itertuples() …",
            "try: sql.run(DATABASE, row.sql) / except sql.QueryError: broken.append(row.id)",
        )
    return f"Right: {len(broken)} of the pool. What runs and is wrong, no program finds so easily."


@functools.cache
def _broken() -> frozenset[str]:
    broken = set()
    with _database() as database:
        for row in _rows():
            try:
                sql.run(database, row["sql"])
            except sql.QueryError:
                broken.add(row["id"])
    return frozenset(broken)


_RULED_OUT = {"does not parse", "unknown name"}
_OTHERS = {
    "wrong table": "the pattern has every table, and can't know which one is meant",
    "wrong join": "each join follows a key, but there are several ways between tables",
    "wrong filter": "any column may be compared with any value",
    "wrong columns": "any column of the tables may be shown",
}


@exercise("09.3")
def _ruled_out(answer: Any) -> str:
    if not isinstance(answer, (list, tuple, set)) or not all(isinstance(a, str) for a in answer):
        raise WrongAnswerError("Hand in a list of two texts.", 'impossible = ["…", "…"]')
    kinds = {text.strip().casefold() for text in answer}
    unknown = kinds - _RULED_OUT - set(_OTHERS)
    if unknown or len(kinds) != 2:
        raise WrongAnswerError("Choose two of the six kinds.", "As they stand in the exercise.")
    if wrong := sorted(kinds & set(_OTHERS)):
        raise WrongAnswerError(
            f"'{wrong[0]}' is still possible: {_OTHERS[wrong[0]]}.",
            "Which mistakes can be seen in the query alone, without the question?",
        )
    return "Right: form and names. What the question means, no grammar knows."


_BARS = {"full": (0.55, 900), "quick": (0.20, 320)}  # share of right answers, looks


@exercise("09.4")
def _better(answer: Any) -> str:
    answer = keyed(answer, ("answers", "looks"))
    bar, most = _BARS["quick" if scale.is_quick() else "full"]
    looks = whole(answer["looks"], "'looks'")
    if not 0 < looks <= most:
        raise WrongAnswerError(
            f"You took {looks:,} looks; there are {most}.", "Rows of `mine` times n_epochs."
        )
    answers = answer["answers"]
    if not isinstance(answers, dict) or not all(isinstance(a, str) for a in answers.values()):
        raise WrongAnswerError("'answers' is no dictionary of ids and queries.", "{id: query}")
    asked = [row for row in _rows() if row["split"] == "phrasings" and row["id"] in answers]
    if len(asked) < 25:
        raise WrongAnswerError(f"Only {len(asked)} of the exam's phrasings have an answer.")
    with _database() as database:
        right = sum(_is_right(database, answers[row["id"]], row["sql"]) for row in asked)
    share = right / len(asked)
    if share < bar:
        raise WrongAnswerError(
            f"{share:.2f} of the new phrasings are right; {bar:.2f} is the bar.",
            "Does your table hold all 20 types? The pool is sorted by type.",
            "Leave out what can't be run, take as many of each type, and several phrasings.",
            "pool.groupby('type').sample(n) draws n rows of each type.",
        )
    return f"Right: {share:.2f} of the new phrasings, with {looks} looks."


def _is_right(database: Path, answer: str, label: str) -> bool:
    try:
        return sql.same(sql.run(database, sql.query_of(answer)), sql.run(database, label))
    except sql.QueryError:
        return False
