"""Checks for notebook 04: steps of a job, the best step of a result file, broken rows mended."""

import math
from collections.abc import Callable
from typing import Any

from helpers.exercises import Untouched, Wrong, exercise


@exercise("04.1")
def _steps(answer: Any) -> str:
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        raise Wrong("The answer is a number.", "How many batches does one epoch have?")
    if answer == math.floor(500 / 8) * 4:
        raise Wrong(
            "Some examples would never be seen: 62 batches of 8 are only 496.",
            "The last, smaller batch of each epoch is a step too.",
        )
    if answer == 500 * 4:
        raise Wrong("That is one step for each example.", "A step looks at 8 examples at once.")
    if answer == 500 * 4 / 8:
        raise Wrong(
            "Close. An epoch ends before the next begins: no batch mixes two of them.",
            "How many steps does a single epoch make?",
        )
    if answer != math.ceil(500 / 8) * 4:
        raise Wrong(f"Not {answer}.", "Batches in one epoch, rounded up, times the epochs.")
    return "Right: 63 batches in an epoch (the last one has 4 examples), times 4 epochs."


@exercise("04.2")
def _best_step(answer: Any) -> str:
    import pandas as pd

    if not isinstance(answer, Callable):
        raise Wrong("Hand in the function itself, without calling it.", 'check("04.2", best_step)')
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
        found = answer(table.copy())
        if found is ... or found is None:
            raise Untouched
        if isinstance(found, pd.Series):
            raise Wrong("You return a whole row.", 'Take its "step".')
        if found == expected - 1:
            raise Wrong(
                f"With validation losses {losses} you return {found}: that is the row's number.",
                "Rows count from 0, steps from 1. Read the column `step`.",
            )
        if found != expected:
            raise Wrong(
                f"With validation losses {losses} the best step is {expected}, not {found}.",
                "`valid_loss.idxmin()` gives the row's label and skips NaN by itself.",
            )
        if isinstance(found, float):
            raise Wrong("The number is right, but it is a float.", "Put int(…) around it.")
    return "Right, and it copes with steps that have no validation loss."


@exercise("04.3")
def _mended(answer: Any) -> str:
    from workbook import doctor

    if not isinstance(answer, (list, tuple)) or len(answer) != 3:
        raise Wrong("`mended` is a list of three rows.", "Copy `broken` and repair each row.")
    asked = ["What is 2 + 2?", "Is ice cold?", "Who wrote Hamlet?"]
    for number, (row, question) in enumerate(zip(answer, asked, strict=True), start=1):
        problems = [
            f
            for f in doctor.check([row] * 10).findings
            if f.severity == "error" and f.line in (None, 1)
        ]
        if problems:
            raise Wrong(f"Row {number}: {problems[0].message}", problems[0].fix or "")
        if not any(
            m.get("role") == "user" and m.get("content") == question for m in row["messages"]
        ):
            raise Wrong(f"Row {number}: the user's question is gone.", f"It was: {question}")
    return "Right: every row has a question, and an answer by the assistant to learn from."
