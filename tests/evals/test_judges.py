"""Judges of two answers: only what holds in both orders is a choice."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest

from workbook.evals import judges
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example


def judge(choose) -> SimpleNamespace:
    """A client whose model chooses by `choose(first answer, second answer)`."""

    def create(messages, **_):
        text = messages[0]["content"]
        first = text.partition("Answer 1:\n")[2].partition("\n")[0]
        second = text.partition("Answer 2:\n")[2].partition("\n")[0]
        message = SimpleNamespace(content=choose(first, second))
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))


@pytest.mark.parametrize(
    ("choose", "winner"),
    [
        (lambda first, second: "1" if len(first) > len(second) else "2", "a"),
        (lambda first, second: "1" if len(first) < len(second) else "2", "b"),
        (lambda first, second: "1", "tie"),
        (lambda first, second: " 2.", "tie"),
    ],
)
def test_a_judge_that_prefers_a_place_has_not_decided(choose, winner) -> None:
    asked = ("m", "The longer one is better.", "Why?", "because it is so", "so")
    assert judges.in_both_orders(judge(choose), *asked) == winner


def test_a_judge_that_says_something_else_is_named() -> None:
    with pytest.raises(EvaluationError, match="'Both are fine"):
        judges.in_both_orders(judge(lambda *_: "Both are fine"), "m", "", "q", "a", "b")


def test_votes_are_grades() -> None:
    grade = judges.votes({"1": 1.0})
    assert grade("x", Example("1", [])) == 1.0 and grade("x", Example("2", [])) is None
    with pytest.raises(EvaluationError, match="not 0 to 1"):
        judges.votes({"1": 5})


@pytest.mark.parametrize(("share", "least", "most"), [(0.9, 9, 14), (0.7, 45, 55), (0.6, 185, 205)])
def test_the_votes_that_a_preference_needs(share: float, least: int, most: int) -> None:
    needed = judges.votes_needed(share)
    assert least <= needed <= most
    assert judges.votes_needed(1 - share) == needed, "it does not matter which of the two it is"
    rng = np.random.default_rng(0)
    wins = rng.binomial(needed, share, 2000)
    seen = [binomtest(int(each), needed).pvalue < 0.05 for each in wins]
    assert 0.76 < np.mean(seen) < 0.93


def test_no_number_of_votes_shows_a_preference_of_one_half() -> None:
    with pytest.raises(EvaluationError, match="too near to one half"):
        judges.votes_needed(0.5)
