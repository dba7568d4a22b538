"""The data of notebook 09: drawn as stored, every query answered, nothing leaks into the exam."""

import json
import random
import re
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tools import bike_database, bike_questions
from workbook import paths
from workbook.evals import sql

SCRIPT = paths.data(bike_database.FILE).read_text(encoding="utf-8")
LINES = paths.data(bike_questions.FILE).read_text(encoding="utf-8")
ROWS = [json.loads(line) for line in LINES.splitlines()]
EXAM = ("phrasings", "types", "written")


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    return bike_database.create(tmp_path_factory.mktemp("bikes") / "bikes.sqlite", SCRIPT)


def split(*names: str) -> list[dict[str, str]]:
    return [row for row in ROWS if row["split"] in names]


def runs(database: Path, query: str) -> bool:
    try:
        return bool(sql.run(database, query))
    except sql.QueryError:
        return False


def test_both_files_are_what_the_tools_draw(database) -> None:
    assert bike_database.script(bike_database.rows()) == SCRIPT
    assert bike_questions.text(bike_questions.rows(database)) == LINES


def test_the_database_is_whole(database) -> None:
    with sqlite3.connect(database) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE sql IS NOT NULL"
        ).fetchall()
        assert len(tables) == 8
        assert not connection.execute("PRAGMA foreign_key_check").fetchall()
        for query in (
            "SELECT count(*) FROM trip JOIN rider ON rider.id = rider_id WHERE started < joined",
            "SELECT count(*) FROM trip JOIN bike ON bike.id = bike_id WHERE bought > started",
            "SELECT count(*) FROM trip JOIN bike ON bike.id = bike_id WHERE retired < started",
            "SELECT count(*) FROM repair WHERE finished < reported",
            "SELECT count(*) FROM subscription WHERE ended < started",
            "SELECT count(*) FROM bike WHERE retired IS NOT NULL AND station_id IS NOT NULL",
        ):
            assert connection.execute(query).fetchone() == (0,), query
    connection.close()


def test_there_are_enough_questions_and_each_stands_once() -> None:
    counts = Counter(row["split"] for row in ROWS)
    assert counts["pool"] >= 400 and counts["written"] >= 30
    assert min(counts[name] for name in ("validation", "phrasings", "types")) >= 48
    for key in ("id", "question"):
        assert len({row[key] for row in ROWS}) == len(ROWS)


def test_exam_and_validation_have_words_and_types_of_their_own() -> None:
    def pattern(row: dict[str, str]) -> str:  # the phrasing without its values
        return re.sub(r"\d+|[A-Z][\w']*|electric|touring|cargo|flat tyre", "_", row["question"])

    patterns, types = defaultdict(set), defaultdict(set)
    for row in ROWS:
        patterns[row["split"]].add((row["type"], pattern(row)))
        types[row["split"]].add(row["type"])
    assert not patterns["pool"] & (patterns["validation"] | patterns["phrasings"])
    assert not patterns["validation"] & patterns["phrasings"]
    assert types["pool"] == types["validation"] == types["phrasings"]
    assert not types["types"] & types["pool"]


def test_every_right_query_has_an_answer_but_for_those_written_in_a_hurry(database) -> None:
    assert all(runs(database, row["sql"]) for row in split("validation", *EXAM))
    broken = [row for row in split("pool") if not runs(database, row["sql"])]
    assert len(broken) == len(split("pool")) // bike_questions.HURRY


def test_no_right_answer_depends_on_the_order_of_rows(database, tmp_path) -> None:
    """As where LIMIT cuts a tie: then a right query would be wrong by luck."""
    tables = bike_database.rows()
    for rows in tables.values():
        random.Random(1).shuffle(rows)
    shuffled = bike_database.script(tables).replace("INTEGER PRIMARY KEY", "INT PRIMARY KEY")
    other = bike_database.create(tmp_path / "shuffled.sqlite", shuffled)
    for row in split("validation", *EXAM):
        left, right = (sql.run(path, row["sql"]) for path in (database, other))
        assert sql.same(left, right), row


def test_a_lazy_query_is_right_nearly_never(database) -> None:
    """What gives one and the same answer to everything must not pass for knowledge."""
    exam = split(*EXAM)
    answers = Counter(frozenset(sql.run(database, row["sql"])) for row in exam)
    assert answers.most_common(1)[0][1] <= 0.06 * len(exam)
