"""Solutions of notebook 09, and answers that must not pass; `choose` and SETTINGS: a good run."""

import json

import pandas as pd

from tools import bike_database
from workbook import paths
from workbook.evals import sql

_LINES = paths.data("bike_questions.jsonl").read_text(encoding="utf-8").splitlines()
_ROWS = pd.DataFrame(map(json.loads, _LINES))
_POOL, _EXAM = (_ROWS[_ROWS["split"] == split] for split in ("pool", "phrasings"))

SETTINGS = {"n_epochs": 2, "learning_rate_multiplier": 2}


def _broken():
    path = bike_database.create(
        paths.work() / "solution.sqlite", paths.data("bike_hire.sql").read_text(encoding="utf-8")
    )
    broken = []
    for row in _POOL.itertuples():
        try:
            sql.run(path, row.sql)
        except sql.QueryError:
            broken.append(row.id)
    return broken


def choose(pool, looks):
    """What can be run, as many of each type, each of them twice."""
    usable = pool[~pool["id"].isin(_broken())].sample(frac=1, random_state=1)
    each = looks // SETTINGS["n_epochs"] // usable["type"].nunique()
    return usable.groupby("type").head(each)


def _answers(wrong=0):
    """All right but the last so many."""
    queries = list(_EXAM["sql"])
    queries[len(queries) - wrong :] = ["SELECT NULL"] * wrong
    return {"answers": dict(zip(_EXAM["id"], queries, strict=True)), "looks": 300}


SOLUTIONS = {
    "09.1": ["SELECT 11", "select 10 + 1;"],
    "09.2": [_broken, lambda: pd.Series(_broken())],
    "09.3": [["does not parse", "unknown name"], {"Unknown name", "does not parse"}],
    "09.4": [_answers(), _answers(20)],
}

WRONG = {
    "09.1": [
        (11, "is a text"),
        ("SELECT 12", "Its rows are"),
        ("SELECT docks FROM station WHERE name = 'Opera'", "no trick"),
        ("SELECT docks FROM station WHERE id = 7", "no trick"),
        ("11 docks", "can't be run"),
        ("DROP TABLE station", "can't be run"),
    ],
    "09.2": [
        ("pool_1", "list of ids"),
        ([], "more can't be run"),
        (lambda: _broken()[1:], "1 more can't be run"),
        (lambda: [*_broken(), "pool_1"], "'pool_1'"),
    ],
    "09.3": [
        ("does not parse", "list of two"),
        (["does not parse"], "two of the six"),
        (["does not parse", "wrong join"], "several ways"),
        (["wrong table", "wrong filter"], "still possible"),
    ],
    "09.4": [
        ({}, "two keys"),
        ({**_answers(), "looks": 4000}, "4,000 looks"),
        (_answers(90), r"0\.10 of the new phrasings"),
        ({**_answers(), "answers": {"phrasings_1": "SELECT 1"}}, "Only 1"),
        ({**_answers(), "answers": ["SELECT 1"]}, "no dictionary"),
        ({**_answers(), "answers": {"phrasings_1": 3}}, "no dictionary"),
    ],
}
