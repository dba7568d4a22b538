"""For authors: the questions of notebook 09 with the right queries, and who may see which.

    python -m tools.bike_questions     write data/bike_questions.jsonl anew

Knows how phrasings and values are put together and dealt out. The phrasings themselves stand in
`bike_phrasings.py`, the database is made by `bike_database.py`.
"""

import json
import random
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from tools import bike_database
from tools.bike_held_out import HELD_OUT, WRITTEN
from tools.bike_phrasings import TAUGHT, Kind
from workbook import files, paths

FILE = "bike_questions.jsonl"
SEED = 9
TRAIN, VALIDATION, EXAM = 24, 3, 5  # of each type that is taught
NEW = 6  # of each type that only the exam has
# One in so many queries of the pool was written by a colleague in a hurry: it does not run.
HURRY = 25
SLIPS = (("SELECT ", "SELEKT "), ("count(*)", "count(*"), (".name", ".title"), ("WHERE ", "WERE "))

# What may stand in a phrasing's braces. Years and months that have rows, numbers that divide them.
VALUES: dict[str, list[Any]] = {
    "city": list(bike_database.CITIES),
    "country": ["Belgium", "Portugal", "France", "Austria"],
    "station": list(bike_database.STATIONS),
    "kind": list(bike_database.KINDS),
    "maker": list(bike_database.MAKERS),
    "plan": list(bike_database.PLANS),
    "mechanic": list(bike_database.MECHANICS),
    "problem": list(bike_database.PROBLEMS),
    "joined": [2019, 2020, 2021, 2022, 2023, 2024],
    "year": [2023, 2024, 2025],
    "month": ["January", "February", "March", "April", "May", "June"],
    "docks": [15, 20, 25, 30, 35],
    "few": [2, 3, 4, 5],
    "people": [150000, 200000, 250000, 300000],
    "bike": list(range(1, 131)),
    "trips": [20, 25, 30],
}


def rows(database: Path) -> list[dict[str, str]]:
    """All questions, in a fixed order: id, split, type, question, sql.

    Splits: "pool" (to learn from), "validation" (to decide with), and the exam's three parts:
    "phrasings" (taught types, other words), "types" (types nobody taught), "written" (one by one).
    """
    dice = random.Random(SEED)
    questions = []
    with closing(sqlite3.connect(database)) as connection:
        riders = [name for (name,) in connection.execute("SELECT name FROM rider LIMIT 60")]
        dealer = _Dealer(connection, dice, {**VALUES, "rider": riders})
        for name, kind in TAUGHT.items():
            questions += dealer.deal(name, kind, kind.pool, "pool", TRAIN)
            questions += dealer.deal(name, kind, kind.validation, "validation", VALIDATION)
            questions += dealer.deal(name, kind, kind.exam, "phrasings", EXAM)
        for name, kind in HELD_OUT.items():
            questions += dealer.deal(name, kind, kind.exam, "types", NEW)
    for number, (question, query) in enumerate(WRITTEN, 1):
        questions.append(
            {"split": "written", "type": f"written {number}", "question": question, "sql": query}
        )
    pool = [row for row in questions if row["split"] == "pool"]
    for number, row in enumerate(pool[HURRY // 2 :: HURRY]):
        old, new = next(pair for pair in SLIPS[number % 4 :] + SLIPS if pair[0] in row["sql"])
        row["sql"] = row["sql"].replace(old, new, 1)
    counts: Counter[str] = Counter()
    for row in questions:
        counts[row["split"]] += 1
        row["id"] = f"{row['split']}_{counts[row['split']]}"
    return [{"id": row.pop("id"), **row} for row in questions]


class _Dealer:
    """Deals out values to phrasings; no question comes twice."""

    def __init__(
        self, connection: sqlite3.Connection, dice: random.Random, values: dict[str, list[Any]]
    ) -> None:
        self._connection, self._dice, self._values = connection, dice, values
        self._given: set[str] = set()

    def deal(
        self, name: str, kind: Kind, phrasings: tuple[str, ...], split: str, most: int
    ) -> list[dict[str, str]]:
        """Up to so many questions, each phrasing in turn; fewer where the values don't go round."""
        dealt: list[dict[str, str]] = []
        for turn in range(most * 20):
            phrasing = phrasings[turn % len(phrasings)]
            slots = {slot: self._dice.choice(self._values[slot]) for slot in kind.slots}
            question = phrasing.format(**slots)
            query = kind.query.format(**slots, number=_month(slots.get("month")))
            if len(dealt) == most or question in self._given or not self._answers(query):
                continue
            self._given.add(question)
            dealt.append({"split": split, "type": name, "question": question, "sql": query})
        return dealt

    def _answers(self, query: str) -> bool:
        """Whether there is something to answer: rows, and not only nothing or 0."""
        answer = self._connection.execute(query).fetchall()
        return bool(answer) and answer not in ([(0,)], [(None,)])


def _month(name: str | None) -> str:
    return f"{VALUES['month'].index(name) + 1:02}" if name else ""


def text(questions: list[dict[str, str]]) -> str:
    """The file: one question a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in questions)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        script = (paths.ROOT / "data" / bike_database.FILE).read_text(encoding="utf-8")
        lines = text(rows(bike_database.create(Path(folder, "bike_hire.sqlite"), script)))
    files.replace_text(paths.ROOT / "data" / FILE, lines)
