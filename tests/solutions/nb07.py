"""Solutions of notebook 07, and answers that must not pass."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd

_RNG = np.random.default_rng(0)
_TRUTH = _RNG.integers(1, 6, 100)
# A model that is mostly within one star, and 30 labels that are not what they were.
_STARS = np.clip(_TRUTH + _RNG.choice([-1, 0, 0, 0, 1], 100), 1, 5)
_LABELS = np.where(np.arange(100) % 10 < 3, (_TRUTH + 2) % 5 + 1, _TRUTH)
TABLE = pd.DataFrame(
    {
        "id": [f"{i}_1" for i in range(100)],
        "text": "a text",
        "label": _LABELS,
        "stars": pd.array([*_STARS[:99], pd.NA], dtype="Int64"),
    }
)
SPOILED = list(TABLE["id"][_LABELS != _TRUTH])


def _handed(function, table=TABLE, spoiled=SPOILED):
    return {"suspects": function, "table": table, "spoiled": spoiled}


def suspects(table):
    distance = (table["label"] - table["stars"]).abs()
    return list(table.assign(distance=distance).nlargest(20, "distance")["id"])


def _with_sort(table):
    order = (table.label - table.stars).abs().sort_values(ascending=False).index[:20]
    return table.loc[order, "id"]


def _first(table):
    return table["id"].head(20)


def _nearest(table):
    distance = (table["label"] - table["stars"]).abs()
    return table.assign(distance=distance).nsmallest(20, "distance")["id"]


def agreement(stars):
    pairs = list(itertools.combinations(stars, 2))
    return sum(a == b for a, b in pairs) / len(pairs)


def _with_counts(stars):
    n = len(stars)
    return sum(k * (k - 1) for k in Counter(stars).values()) / (n * (n - 1))


def _most(stars):
    return max(stars.count(s) for s in stars) / len(stars)


def _with_itself(stars):
    return np.mean([a == b for a in stars for b in stars])


_AHEAD = {"at_400": 0.5, "for_060": 1600}

SOLUTIONS = {
    "07.1": [_AHEAD, {"at_400": np.float64(0.5), "for_060": 100 * 2**4}],
    "07.2": [_handed(suspects), _handed(_with_sort)],
    "07.3": [[0.9, 0.51, 0.7], list(np.array([0.99, 0.98, 0.5]))],
    "07.4": [agreement, _with_counts],
}

WRONG = {
    "07.1": [
        ({}, "two keys"),
        ({**_AHEAD, "at_400": 0.55}, "'at_400' is not 0.55"),
        ({**_AHEAD, "at_400": "0,5"}, "'at_400' is a text"),
        ({**_AHEAD, "for_060": 500}, "each .hundred."),
        ({**_AHEAD, "for_060": 800}, "'for_060' is not 800"),
    ],
    "07.2": [
        ([1, 2], "three keys"),
        (_handed(_first), r"\d+% of your 20 are really spoiled"),
        (_handed(_nearest), "at least half"),
        (_handed(lambda table: table["id"].head(5)), "picked 5 different"),
        (_handed(lambda table: ["1_1"] * 20), "picked 1 different"),
        (_handed(lambda table: table["distance"]), "stops with KeyError"),
        (_handed(lambda table: 3), "no list of ids"),
        (_handed("suspects"), "Hand in the function itself"),
    ],
    "07.3": [
        ([0.9, 0.2, 0.8], "takes answer 2 for plain: 0.20"),
        ([0.9, 0.9], "three answers"),
        (["a", "b", "c"], "A score is a text"),
    ],
    "07.4": [
        (0.5, "Hand in the function itself"),
        (_most, r"\[4, 4, 5\] you give the share of the most frequent"),
        (_with_itself, r"it is 0.33, not 0.56"),
        (lambda stars: None, "returns nothing"),
    ],
}
