"""Checks for notebook 05: a measure, an exam's size, a comparison, a checkpoint, a matrix."""

from typing import Any

from helpers.exercises import exercise
from helpers.exercises.choices import keyed, word
from helpers.exercises.values import function_of, number, result_of, same
from helpers.exercises.verdicts import WrongAnswerError
from workbook.evals import statistics

_TRIALS: list[tuple[list[int], list[int | None], float]] = [
    ([1, 2, 3, 4], [1, 3, 5, 4], 0.75),
    ([5, 5, 1], [4, 3, 2], 2 / 3),
    ([1, 5, 3, 2], [None, None, 3, 1], 0.5),
    ([1, 2], [5, 4], 0.0),
]


@exercise("05.1")
def _within_one(answer: Any) -> str:
    function = function_of(answer, 'check("05.1", within_one)')
    for labels, answers, expected in _TRIALS:
        share = number(result_of(function, labels, answers), "What your function returns")
        n_rated = sum(value is not None for value in answers)
        sentence = f"For the true stars {labels} and the answers {answers}"
        if same(share, expected):
            continue
        if abs(share - expected * len(labels)) < 1e-9:
            raise WrongAnswerError(
                f"{sentence} you return a count.", "Divide by the number of reviews."
            )
        if n_rated and abs(share - expected * len(labels) / n_rated) < 1e-9:
            raise WrongAnswerError(
                f"{sentence} you leave out what has no rating.",
                "None counts as wrong: divide by all reviews.",
            )
        raise WrongAnswerError(
            f"{sentence} the share is {expected:.2f}, not {share:.2f}.",
            "abs(label - answer) <= 1: also true where they are equal.",
        )
    return "Right: near misses count, missing ratings don't."


_NEAR = 150  # reviews: 2,250 and 2,550 give an interval that rounds to ± 0.02, too


def _half_width(n: int) -> float:
    low, high = statistics.of_share(n // 2, n)
    return (high - low) / 2


@exercise("05.2")
def _exam_size(answer: Any) -> str:
    n = round(number(answer))
    if n < 10:
        raise WrongAnswerError(f"{n} is too few for an exam.", "400 reviews give about ± 0.05.")
    if n == 1000:
        raise WrongAnswerError(
            "2.5 times the reviews don't make the interval 2.5 times as narrow.",
            "It shrinks with the square root of n.",
        )
    exact = 2398  # the smallest n whose interval at 0.5 is at most ± 0.02
    if n < exact - _NEAR:
        raise WrongAnswerError(
            f"With {n} reviews it is still ± {_half_width(n):.3f}.", "Take more."
        )
    if n > exact + _NEAR:
        raise WrongAnswerError(
            f"{n} reviews give ± {_half_width(n):.3f}: more than needed.", "Take fewer."
        )
    return "Right: about 2,400. Six times the reviews for an interval 2.5 times as narrow."


_VERDICTS = {
    "A": ("better", "Its interval lies above 0, all of it."),
    "B": ("unknown", "Its interval holds 0: the exam can't tell the two apart."),
    "C": ("worse", "Its interval lies below 0, all of it."),
    "B against A": ("unknown", "Nobody compared A and B, and their intervals overlap by far."),
}


@exercise("05.3")
def _comparison(answer: Any) -> str:
    answer = keyed(answer, _VERDICTS)
    for key, (verdict, reason) in _VERDICTS.items():
        if (said := word(answer[key], ("better", "worse", "unknown"), key)) != verdict:
            raise WrongAnswerError(
                f"{key} is not {said!r}.",
                "Look at the two ends of the interval, not at the difference.",
                reason,
            )
    return "Right. A larger difference with a wider interval may be nothing at all."


@exercise("05.4")
def _checkpoint(answer: Any) -> str:
    answer = keyed(answer, ("step", "by", "exam score"))
    step = number(answer["step"], "'step'")
    by = word(answer["by"], ("training", "validation", "exam"), "'by'")
    if by == "exam":
        raise WrongAnswerError(
            "Chosen by the exam, its score there is no fair one any more.",
            "Which data was held out for choosing?",
        )
    if by == "training":
        raise WrongAnswerError(
            "The training loss falls as long as you train.", "It says nothing of new sentences."
        )
    if step != 76:
        raise WrongAnswerError(
            f"Step {step:g} is not the best on validation.",
            "The lowest loss there, and the most exact answers.",
        )
    score = number(answer["exam score"], "'exam score'")
    if not same(score, 0.55):
        raise WrongAnswerError(
            f"{score:g} is not this checkpoint's score on the exam.",
            "You report what your choice got, also where another one got more.",
        )
    return "Right: chosen on validation, and reported as it is, 0.55, though 0.58 was to be had."


_SHARES = {"exact": 0.58, "within_one": 0.93}
_LEANS = "high"


@exercise("05.5")
def _reading(answer: Any) -> str:
    answer = keyed(answer, (*_SHARES, "leans"))
    for key, expected in _SHARES.items():
        value = number(answer[key], repr(key))
        if same(value, 100 * expected):
            raise WrongAnswerError(f"{key!r} is a share.", "Divide by the 100 reviews.")
        if not same(value, expected):
            raise WrongAnswerError(
                f"{key!r} is not {value:g}.",
                "Add up the diagonal."
                if key == "exact"
                else "The diagonal and the two lines of cells beside it.",
            )
    if word(answer["leans"], ("high", "low"), "'leans'") != _LEANS:
        raise WrongAnswerError(
            "It leans the other way.",
            "Right of the diagonal: more stars than the truth. Left of it: fewer.",
        )
    return "Right: 58 on the diagonal, 93 within one star, and mostly too kind."
