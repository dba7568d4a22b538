"""Checks for notebook 07: a curve read ahead, bad labels found, a tone hit, agreement measured."""

from collections.abc import Iterable
from typing import Any

from helpers.exercises import exercise
from helpers.exercises.choices import keyed
from helpers.exercises.values import function_of, number, result_of, same
from helpers.exercises.verdicts import WrongAnswerError


@exercise("07.1")
def _ahead(answer: Any) -> str:
    keys = ("at_400", "for_060")
    answer = keyed(answer, keys)
    share, examples = (number(answer[key], repr(key)) for key in keys)
    if not same(share, 0.50):
        raise WrongAnswerError(
            f"'at_400' is not {share:g}.",
            "How often does the data double from 100 to 400?",
            "Twice: 100 → 200 → 400, and each arrow is worth 0.05.",
        )
    if not same(examples, 1600):
        raise WrongAnswerError(
            f"{examples:,.0f} examples would do if each *hundred* were worth 0.05."
            if 300 <= examples <= 500
            else f"'for_060' is not {examples:,.0f}.",
            "0.60 is 0.20 more than 0.40. How many doublings is that?",
            "Four: 100 × 2 × 2 × 2 × 2.",
        )
    return "Right. The first 0.10 cost 300 more examples, the next 0.10 cost 1,200."


_PICKS = 20
_BAR = 0.5  # at random 0.2 to 0.4 of the picks are spoiled; by distance from the model about 0.8


@exercise("07.2")
def _suspects(answer: Any) -> str:
    call = 'check("07.2", {"suspects": suspects, "table": table, "spoiled": spoiled})'
    answer = keyed(answer, ("suspects", "table", "spoiled"))
    function = function_of(answer["suspects"], call)
    spoiled = _ids(answer["spoiled"], "'spoiled'")
    ids = _ids(result_of(function, answer["table"]), "What your function returns")
    if len(ids) != _PICKS or len(set(ids)) != _PICKS:
        raise WrongAnswerError(
            f"You picked {len(set(ids))} different ids; a person has time for {_PICKS}.",
            "Sort the table, and take the ids of its first 20 rows.",
        )
    precision = len(set(ids) & set(spoiled)) / _PICKS
    if precision < _BAR:
        raise WrongAnswerError(
            f"{precision:.0%} of your 20 are really spoiled; at least half should be.",
            "Which labels would surprise somebody who knows the task?",
            "Those far from what the model says: (table.label - table.stars).abs().",
            "Sort by that distance, the largest first, and take 20.",
        )
    return (
        f"Right: {precision:.0%} of the 20 are really spoiled. A model can help to clean its data."
    )


def _ids(values: Any, what: str) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WrongAnswerError(f"{what} is no list of ids.", "list(table.id.head(20)), say")
    return [str(value) for value in values]


@exercise("07.3")
def _sarcasm(answer: Any) -> str:
    if not isinstance(answer, list) or len(answer) != 3:
        raise WrongAnswerError("Hand in the judge's scores of three answers.", "mine = [a, b, c]")
    scores = [number(score, "A score") for score in answer]
    if min(scores) < 0.5:
        raise WrongAnswerError(
            f"The judge takes answer {scores.index(min(scores)) + 1} for plain: {min(scores):.2f}.",
            "The fact first, in as few words as possible. Then the remark.",
            "Speak to the reader, exaggerate, or pretend that it was obvious.",
        )
    return f"Right: all three are sarcastic to the judge, the driest with {max(scores):.2f}."


@exercise("07.4")
def _agreement(answer: Any) -> str:
    function = function_of(answer, 'check("07.4", agreement)')
    for stars, share in (
        ([4, 4, 4, 4], 1.0),
        ([4, 4, 5], 1 / 3),
        ([1, 2, 3], 0),
        ([2, 2, 3, 3], 1 / 3),
    ):
        value = number(result_of(function, stars), "What your function returns")
        if same(value, share):
            continue
        frequent = same(value, max(map(stars.count, stars)) / len(stars))
        raise WrongAnswerError(
            f"For {stars} you give the share of the most frequent answer."
            if frequent
            else f"For {stars} it is {share:.2f}, not {value:.2f}.",
            "Four answers make six pairs. In how many are the two equal?",
            "itertools.combinations(stars, 2) gives the pairs.",
        )
    return "Right: the probability that two answers to the same question are the same."
