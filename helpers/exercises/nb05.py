"""Checks for notebook 05: a measure, the size of an exam, a confusion matrix read."""

from collections.abc import Callable
from typing import Any

from helpers import intervals
from helpers.exercises import Untouched, Wrong, exercise

_TRIALS = [
    ([1, 2, 3, 4], [1, 3, 5, 4], 0.75),
    ([5, 5, 1], [4, 3, 2], 2 / 3),
    ([1, 5, 3, 2], [None, None, 3, 1], 0.5),
    ([1, 2], [5, 4], 0.0),
]


@exercise("05.1")
def _within_one(answer: Any) -> str:
    if not isinstance(answer, Callable):
        raise Wrong("Hand in the function itself, without calling it.", 'check("05.1", within_one)')
    for labels, answers, expected in _TRIALS:
        try:
            found = answer(list(labels), list(answers))
        except TypeError:
            if None not in answers:
                raise
            raise Wrong(
                "It stops at an answer that is None.",
                "Ask `is not None` first, then compare the numbers.",
            ) from None
        if found is ... or found is None:
            raise Untouched
        rated = sum(value is not None for value in answers)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise Wrong(f"It returns {found!r}, which is no number.", "A share: hits / answers.")
        shown = f"For the true stars {labels} and the answers {answers}"
        if abs(found - expected) < 1e-9:
            continue
        if abs(found - expected * len(labels)) < 1e-9:
            raise Wrong(f"{shown} you return a count.", "Divide by the number of reviews.")
        if rated and abs(found - expected * len(labels) / rated) < 1e-9:
            raise Wrong(
                f"{shown} you leave out what has no rating.",
                "None counts as wrong: divide by all reviews.",
            )
        raise Wrong(
            f"{shown} the share is {expected:.2f}, not {found:.2f}.",
            "abs(label - answer) <= 1: also true where they are equal.",
        )
    return "Right: near misses count, missing ratings don't."


def _half_width(n: int) -> float:
    low, high = intervals.of_share(n // 2, n)
    return (high - low) / 2


@exercise("05.2")
def _exam_size(answer: Any) -> str:
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        raise Wrong("The answer is a number of reviews.", "For instance n = 800.")
    n = round(answer)
    if n < 10:
        raise Wrong(f"{answer} is too few for an exam.", "400 reviews give about ± 0.05.")
    if n == 1000:
        raise Wrong(
            "2.5 times the reviews don't make the interval 2.5 times as narrow.",
            "It shrinks with the square root of n.",
        )
    exact = 2398  # the smallest n whose interval at 0.5 is at most ± 0.02
    if n < exact - 100:
        raise Wrong(f"With {n} reviews it is still ± {_half_width(n):.3f}.", "Take more.")
    if n > exact + 100:
        raise Wrong(f"{n} reviews give ± {_half_width(n):.3f}: more than needed.", "Take fewer.")
    return "Right: about 2,400. Six times the reviews for an interval 2.5 times as narrow."


_READING = {"exact": 0.58, "within_one": 0.93, "leans": "high"}


@exercise("05.3")
def _reading(answer: Any) -> str:
    if not isinstance(answer, dict) or set(answer) != set(_READING):
        raise Wrong("Hand in the dictionary with its three keys.", ", ".join(map(repr, _READING)))
    for key in ("exact", "within_one"):
        value, expected = answer[key], _READING[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Wrong(f"{key!r} is a number between 0 and 1.", "A share of the 100 reviews.")
        if abs(value - 100 * expected) < 1e-9:
            raise Wrong(f"{key!r} is a share.", "Divide by the 100 reviews.")
        if abs(value - expected) > 0.0051:
            raise Wrong(
                f"{key!r} is not {value}.",
                "Add up the diagonal."
                if key == "exact"
                else "The diagonal and the two lines of cells beside it.",
            )
    if answer["leans"] not in ("high", "low"):
        raise Wrong('\'leans\' is "high" or "low".', "Where do most of the wrong answers lie?")
    if answer["leans"] != _READING["leans"]:
        raise Wrong(
            "It leans the other way.",
            "Right of the diagonal: more stars than the truth. Left of it: fewer.",
        )
    return "Right: 58 on the diagonal, 93 within one star, and mostly too kind."
