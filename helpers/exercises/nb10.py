"""Checks for notebook 10: a rule for suspect lines, a card read, a plan, a training."""

from typing import Any

import pandas as pd

from helpers import bugs
from helpers.exercises import exercise
from helpers.exercises.choices import keyed, looks, word
from helpers.exercises.values import function_of, result_of, whole
from helpers.exercises.verdicts import WrongAnswerError
from workbook.evals import repairs
from workbook.evals.examples import Example

# The last line is right on 0.52 of the validation mistakes, a rule of six lines on 0.62.
_NAMED = 0.55


@exercise("10.1")
def _rule(answer: Any) -> str:
    function = function_of(answer, 'check("10.1", suspect)')
    table = bugs.planted("validation")
    right = 0
    for row in table.to_dict("records"):
        lines = row["source"].split("\n")
        line = whole(result_of(function, lines), "What your rule returns")
        if not 1 <= line <= len(lines):
            raise WrongAnswerError(
                f"Your rule names line {line} of {len(lines)}.",
                "Lines are counted from 1, and the last one is len(lines).",
            )
        right += line == row["line"]
    share = right / len(table)
    if share < _NAMED:
        raise WrongAnswerError(
            f"Your rule names the wrong line in {share:.2f} of the mistakes; the bar is {_NAMED}.",
            "The docstring and `else:` are never wrong. Which lines are wrong most often?",
            "A line that is a bare value, without `return` and without `=`, lacks its return.",
            "First look for such a line; is there none, take the longest line, or the last one.",
        )
    return f"Right: {share:.2f}, without any model. That is what a tuned model has to beat."


_SHOWN = {
    "finds better": ("not shown", "The interval of the difference, −0.03 to +0.11, holds 0."),
    "understands": ("not shown", "Nobody measured understanding, and on new kinds it is worse."),
    "worse on new": ("shown", "The whole interval, −0.19 to −0.03, lies below 0."),
    "useful for known": ("shown", "0.38 of the functions pass their tests: more than a third."),
}


@exercise("10.2")
def _card(answer: Any) -> str:
    answer = keyed(answer, _SHOWN)
    for key, (verdict, reason) in _SHOWN.items():
        if (said := word(answer[key], ("shown", "not shown"), repr(key))) != verdict:
            raise WrongAnswerError(
                f"{key!r} is not {said!r}.", "Which numbers of the card speak of it?", reason
            )
    return "Right: a card can show that a model is useful and that it hasn't understood."


_LIMIT = 1200  # rows × epochs
_MISTAKES = 1227


@exercise("10.3")
def _plan(answer: Any) -> str:
    keys = ("system", "mistakes", "hints", "n_epochs", "learning_rate_multiplier")
    answer = keyed(answer, keys, "The plan keeps")
    if not isinstance(answer["system"], str) or not answer["system"].strip():
        raise WrongAnswerError("'system' is the prompt, a text.", 'For instance PLAN["system"].')
    mistakes, hints = (whole(answer[key], repr(key)) for key in keys[1:3])
    for name, count in (("mistakes", mistakes), ("hints", hints)):
        if not 0 <= count <= _MISTAKES:
            raise WrongAnswerError(f"{name!r} is {count}; there are {_MISTAKES:,} to learn from.")
    if mistakes + hints < 10:
        raise WrongAnswerError("A job takes 10 rows at least.", "'mistakes' and 'hints' add up.")
    return f"Right: {looks(answer, mistakes + hints, _LIMIT):,} looks at a mistake."


# Four of 62: that a training taught anything. The first plan of the full scale mends 0.13 of them;
# of the exam's mistakes the base model mends none.
_BAR = 0.06


@exercise("10.4")
def _trained(answer: Any) -> str:
    if not isinstance(answer, pd.DataFrame) or not {"id", "answer"} <= set(answer.columns):
        raise WrongAnswerError("Hand in what `measured` returned.", 'check("10.4", mine)')
    table = bugs.validation()
    if len(answer) != len(table) or set(answer["id"]) != set(table["id"]):
        raise WrongAnswerError(
            f"These are not the {len(table)} validation mistakes, each once.",
            "measured(my_plan) asks for them.",
        )
    said = [text if isinstance(text, str) else "" for text in answer["answer"]]
    rows = table.set_index("id").loc[answer["id"]].reset_index().to_dict("records")
    asked = [Example(row["id"], [], item=row) for row in rows]
    unread = sum(repairs.proposal(text) is None for text in said) / len(said)
    if unread > 0.2:
        raise WrongAnswerError(
            f"{unread:.0%} of the answers do not have the form `4:     return total`.",
            "Is there enough training for the form? Does the prompt ask for another one?",
        )
    mended = repairs.all_mended(asked, said, bugs.functions())
    share = sum(mended) / len(mended)
    if share < _BAR:
        raise WrongAnswerError(
            f"{share:.2f} of the functions pass their tests: below the bar of {_BAR:.2f}.",
            "More different mistakes help more than more epochs over few.",
            "Use all that the limit allows, with some hints among the rows.",
        )
    return f"Right: {share:.2f} of functions that it never saw pass their tests again."
