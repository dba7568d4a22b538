"""Checks for notebook 13: how large an exam, rules without training, four reports, a plan."""

from typing import Any

import pandas as pd

from helpers.exercises import exercise
from helpers.exercises.choices import keyed, word
from helpers.exercises.values import function_of, number, result_of, whole
from helpers.exercises.verdicts import WrongAnswerError
from workbook.evals import statistics

_SHARE, _HALF = 0.8, 0.05


@exercise("13.1")
def _rows(answer: Any) -> str:
    n = whole(answer, "The number of rows")
    if n < 1:
        raise WrongAnswerError("An exam needs rows.", "Begin with 100.")
    low, high = statistics.of_share(round(_SHARE * n), n)
    half = (high - low) / 2
    if half > _HALF + 0.002:
        raise WrongAnswerError(
            f"With {n} rows of which 80 % are right the interval is ± {half:.3f}.",
            "Half of the width falls with the square root of the rows.",
            "statistics.of_share(80, 100), then (160, 200), and so on.",
        )
    if half < _HALF - 0.006:
        raise WrongAnswerError(
            f"With {n} rows it is ± {half:.3f}: more than you need, and each row is work.",
            "Take fewer, until half of the width is just below 0.05.",
        )
    return f"Right: with {n} rows ± {half:.3f}. Half of that would take four times as many."


_ROUTE_BAR = (
    0.45  # the most frequent answer reaches 0.17, a few words for each department 0.5 to 0.7
)


@exercise("13.2")
def _route(answer: Any) -> str:
    call = 'check("13.2", {"route": route, "rows": validation, "labels": LABELS})'
    answer = keyed(answer, ("route", "rows", "labels"))
    function = function_of(answer["route"], call)
    rows = _table(answer["rows"], {"text", "label"}, call)
    said = [result_of(function, text) for text in rows["text"]]
    strange = [each for each in said if each not in set(answer["labels"])]
    if strange:
        raise WrongAnswerError(
            f"Your function returned {str(strange[0])[:40]!r}, which is no department.",
            "Return one of LABELS, in every case; a last line without `if` sees to that.",
        )
    share = sum(a == b for a, b in zip(said, rows["label"], strict=True)) / len(rows)
    if share < _ROUTE_BAR:
        what = "says the same to everything" if len(set(said)) == 1 else "is right too seldom"
        raise WrongAnswerError(
            f"{share:.2f} right: your function {what}. The bar is {_ROUTE_BAR:.2f}.",
            "Which words occur in one department and in no other? Read twenty rows of `train`.",
            '"key" and "chip" speak for access, "noise" and "loud" for neighbours.',
            "Count, for each department, how many of its words are in the text; take the most.",
        )
    return f"Right: {share:.2f} of {len(rows)} held-out rows, without any training."


_ADVICE = ("train", "prompt", "collect", "stop")
_REASONS = {
    "A": ("prompt", "The prompt is good enough, and +0.02 (−0.01 to +0.05) may be nothing."),
    "B": ("collect", "The interval holds 0: with 38 rows one can't tell. More rows would."),
    "C": ("stop", "Nobody knows what is right. First the colleagues have to agree."),
    "D": ("train", "Better than the strongest rival beyond chance, and good enough."),
}


@exercise("13.3")
def _gates(answer: Any) -> str:
    answer = keyed(answer, _REASONS)
    for name, (advice, reason) in _REASONS.items():
        said = word(answer[name], _ADVICE, f"{name!r}")
        if said != advice:
            raise WrongAnswerError(
                f"Project {name} should not do {said!r}.",
                "Ask in the order of the gates: data, rivals, then the difference.",
                reason,
            )
    return "Right. Three of four should not use their model, and all four learned something."


_LIMIT = 600


@exercise("13.4")
def _plan(answer: Any) -> str:
    call = 'check("13.4", {"plan": plan, "mine": mine, "rows": validation, "bar": bar})'
    answer = keyed(answer, ("plan", "mine", "rows", "bar"))
    plan = keyed(answer["plan"], ("examples", "n_epochs"), "The plan keeps")
    examples, epochs = (whole(plan[name], f"{name!r}") for name in ("examples", "n_epochs"))
    if examples < 10 or epochs < 1 or examples * epochs > _LIMIT:
        raise WrongAnswerError(
            f"{examples} examples × {epochs} epochs: from 10 examples on, at most {_LIMIT} looks.",
            "Fewer examples, or fewer epochs.",
        )
    rows = _table(answer["rows"], {"id"}, call)
    mine = _table(answer["mine"], {"id", "correct"}, call)
    if set(mine["id"]) != set(rows["id"]) or len(mine) != len(rows):
        raise WrongAnswerError("These are not the validation rows, each once.", call)
    share, bar = float(mine["correct"].mean()), number(answer["bar"], "'bar'")
    low, high = statistics.of_scores(mine["correct"])
    result = f"{share:.2f} ({low:.2f} to {high:.2f}) on {len(mine)} held-out rows"
    if share <= bar:
        raise WrongAnswerError(
            f"{result}; counting words reaches {bar:.2f}.",
            "Are the 600 looks used up?",
            "All the examples, and as many epochs as the limit allows.",
        )
    return f"Right: {result}, against {bar:.2f} by counting words. Few rows: mind the interval."


def _table(value: Any, columns: set[str], call: str) -> pd.DataFrame:
    if not isinstance(value, pd.DataFrame) or not columns <= set(value.columns):
        raise WrongAnswerError(f"A table with {', '.join(sorted(columns))} is missing.", call)
    return value
