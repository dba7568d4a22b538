"""Solutions of notebook 05, and answers that must not pass."""

from fractions import Fraction

import numpy as np


def within_one(labels, answers):
    hits = [a is not None and abs(a - b) <= 1 for a, b in zip(answers, labels, strict=True)]
    return sum(hits) / len(hits)


def _exact(labels, answers):
    return sum(a == b for a, b in zip(answers, labels, strict=True)) / len(labels)


def _count(labels, answers):
    return within_one(labels, answers) * len(labels)


def _only_rated(labels, answers):
    pairs = [(a, b) for a, b in zip(answers, labels, strict=True) if a is not None]
    return sum(abs(a - b) <= 1 for a, b in pairs) / len(pairs)


def _fails_on_none(labels, answers):
    return sum(abs(a - b) <= 1 for a, b in zip(answers, labels, strict=True)) / len(labels)


_READING = {"exact": 0.58, "within_one": 0.93, "leans": "high"}


def _with_numpy(labels, answers):
    said = np.array([np.inf if a is None else a for a in answers])
    return (abs(said - np.array(labels)) <= 1).mean()


_COMPARISON = {"A": "better", "B": "unknown", "C": "worse", "B against A": "unknown"}
_CHOICE = {"step": 76, "by": "validation", "exam score": 0.55}

SOLUTIONS = {
    "05.1": [within_one, _with_numpy, lambda a, b: Fraction(within_one(a, b))],
    "05.2": [2400, 2500, 2398.0, np.int64(2345)],
    "05.3": [_COMPARISON, {key: value.upper() for key, value in _COMPARISON.items()}],
    "05.4": [_CHOICE, {"step": np.int64(76), "by": "Validation", "exam score": Fraction(11, 20)}],
    "05.5": [_READING, {**_READING, "exact": np.float32(0.58), "leans": "High"}],
}

WRONG = {
    "05.1": [
        (0.75, "Hand in the function itself"),
        (_exact, "the share is 0.75, not 0.50"),
        (_count, "you return a count"),
        (_only_rated, "leave out what has no rating"),
        (_fails_on_none, "stops with TypeError.*in the line `return sum"),
        (lambda labels, answers: "0,75", "a text, not a number"),
        (lambda labels, answers: sum(labels) / 0, "stops with ZeroDivisionError"),
    ],
    "05.2": [
        (400, r"still ± 0.049"),
        (1000, "2.5 times the reviews"),
        (2000, "still ±"),
        (10_000, "more than needed"),
        ("2400", "a text, not a number"),
        (0, "too few"),
        (float("nan"), "nan"),
    ],
    "05.3": [
        ("better", "four keys"),
        ({**_COMPARISON, "B": "better"}, "B is not 'better'"),
        ({**_COMPARISON, "C": "unknown"}, "C is not 'unknown'"),
        ({**_COMPARISON, "B against A": "better"}, "B against A is not 'better'"),
        ({**_COMPARISON, "A": "yes"}, "A is 'yes', which is none"),
    ],
    "05.4": [
        ({"step": 76}, "three keys"),
        ({"step": 114, "by": "exam", "exam score": 0.58}, "no fair one any more"),
        ({**_CHOICE, "step": 114, "by": "training"}, "falls as long as you train"),
        ({**_CHOICE, "step": 114}, "Step 114 is not the best on validation"),
        ({**_CHOICE, "exam score": 0.58}, "0.58 is not this checkpoint's score"),
        ({**_CHOICE, "exam score": "0,55"}, "'exam score' is a text"),
    ],
    "05.5": [
        ({}, "three keys"),
        ({**_READING, "exact": 58}, "'exact' is a share"),
        ({**_READING, "exact": 0.93}, "'exact' is not 0.93"),
        ({**_READING, "exact": "0,58"}, "'exact' is a text"),
        ({**_READING, "within_one": 0.58}, "'within_one' is not 0.58"),
        ({**_READING, "leans": "low"}, "the other way"),
        ({**_READING, "leans": "right"}, "'leans' is 'right', which is none"),
    ],
}
