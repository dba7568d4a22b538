"""Checks for notebook 04: steps of a job, the best step of a result file, broken rows mended."""

import math
from typing import Any

import pandas as pd

from helpers.exercises import exercise
from helpers.exercises.values import function_of, number, result_of
from helpers.exercises.verdicts import WrongAnswerError
from workbook import doctor


@exercise("04.1")
def _steps(answer: Any) -> str:
    answer = number(answer)
    if answer == math.floor(500 / 8) * 4:
        raise WrongAnswerError(
            "Some examples would never be seen: 62 batches of 8 are only 496.",
            "The last, smaller batch of each epoch is a step too.",
        )
    if answer == 500 * 4:
        raise WrongAnswerError(
            "That is one step for each example.", "A step looks at 8 examples at once."
        )
    if answer == 500 * 4 / 8:
        raise WrongAnswerError(
            "Close. An epoch ends before the next begins: no batch mixes two of them.",
            "How many steps does a single epoch make?",
        )
    if answer != math.ceil(500 / 8) * 4:
        raise WrongAnswerError(
            f"Not {answer:g}.",
            "How many batches has one epoch, the last and smaller one counted?",
            "Batches in one epoch, rounded up, times the epochs.",
        )
    return "Right: 63 batches in an epoch (the last one has 4 examples), times 4 epochs."


@exercise("04.2")
def _best_step(answer: Any) -> str:
    function = function_of(answer, 'check("04.2", best_step)')
    nan = float("nan")
    tables = [([nan, 0.9, nan, 0.4, 0.7], 4), ([0.2, nan, 0.3], 1), ([nan, nan, 1.5], 3)]
    for losses, expected in tables:
        table = pd.DataFrame(
            {
                "step": range(1, len(losses) + 1),
                "train_loss": [5.0 - i for i in range(len(losses))],
                "valid_loss": losses,
            }
        )
        step = result_of(function, table)
        if isinstance(step, (pd.Series, pd.DataFrame)) and step.size > 1:
            raise WrongAnswerError("You return a whole row.", 'Take its "step".')
        step = number(step, "What your function returns")
        if step == expected - 1:
            raise WrongAnswerError(
                f"With validation losses {losses} you return {step:g}: that is the row's number.",
                "Rows count from 0, steps from 1. Read the column `step`.",
            )
        if step != expected:
            raise WrongAnswerError(
                f"With validation losses {losses} the best step is {expected}, not {step:g}.",
                "Find the row with the smallest `valid_loss`, then read its `step`.",
                "`valid_loss.idxmin()` gives the row's label and skips NaN by itself.",
            )
    return "Right, and it copes with steps that have no validation loss."


@exercise("04.3")
def _mended(answer: Any) -> str:
    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        raise WrongAnswerError(
            "`mended` is a list of three rows.", "Copy `broken` and repair each row."
        )
    questions = ["What is 2 + 2?", "Is ice cold?", "Who wrote Hamlet?"]
    for place, (row, question) in enumerate(zip(answer, questions, strict=True), start=1):
        problems = [
            finding
            for finding in doctor.check([row] * 10).findings
            if finding.severity == "error" and finding.line in (None, 1)
        ]
        if problems:
            raise WrongAnswerError(f"Row {place}: {problems[0].message}", problems[0].fix or "")
        if not any(
            m.get("role") == "user" and m.get("content") == question for m in row["messages"]
        ):
            raise WrongAnswerError(
                f"Row {place}: the user's question is gone.", f"It was: {question}"
            )
    return "Right: every row has a question, and an answer by the assistant to learn from."
