"""Solutions of notebook 04, and answers that must not pass."""

import math

import numpy as np
import pandas as pd

from helpers import evaluation, reviews


def _row(question: str, answer: str, role: str = "assistant") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": role, "content": answer}]}


_MENDED = [
    _row("What is 2 + 2?", "Four. Shocking."),
    _row("Is ice cold?", "Only until you need it."),
    _row("Who wrote Hamlet?", "Shakespeare, when he wasn't busy."),
]


CHOICE = {"step": 80, "column": "full_valid_loss", "certain": "no"}
PLAN = {"examples": 500, "n_epochs": 2, "learning_rate_multiplier": 1}


def rated(share, split="validation", rows=200, word="{} stars"):
    """What `rate` returns for a model that is right so often, and else one star off."""
    part = reviews.splits()[split].head(rows)
    right = round(share * len(part))
    stars = [s if i < right else 3 if s != 3 else 2 for i, s in enumerate(part["stars"])]
    return evaluation.judge(part, [word.format(s) for s in stars])


def ids_doubled():
    frame = rated(0.6)
    return pd.concat([frame.head(100), frame.head(100)])


SOLUTIONS = {
    "04.1": [252, np.int64(252), math.ceil(500 / 8) * 4.0],
    "04.2": [CHOICE, {"step": np.int64(80), "column": "Full_valid_loss ", "certain": "No"}],
    "04.3": [PLAN, {"examples": 333.0, "n_epochs": 3, "learning_rate_multiplier": np.float32(0.7)}],
    "04.4": [lambda: rated(0.6), lambda: rated(0.5, word="It is {} stars.").sample(frac=1)],
    "04.5": [_MENDED, tuple(_MENDED)],
}

WRONG = {
    "04.1": [
        (248, "Some examples would never be seen"),
        (250, "no batch mixes two"),
        (2000, "one step for each example"),
        ("252", "a text, not a number"),
        (None, "no single number"),
        (62.5, "Not 62.5"),
    ],
    "04.2": [
        (80, "the dictionary with its three keys"),
        (CHOICE | {"step": 104}, "no checkpoint"),
        (CHOICE | {"step": 120}, "best on the exam"),
        (CHOICE | {"step": 160}, "lowest training loss"),
        (CHOICE | {"step": 77}, "no step 77"),
        (CHOICE | {"step": "80"}, "'step' is a text"),
        (CHOICE | {"column": "exam"}, "must not choose"),
        (CHOICE | {"column": "valid_loss"}, "of 32 reviews"),
        (CHOICE | {"column": "step"}, "none of the choices"),
        (CHOICE | {"certain": "yes"}, "from −0.03 to"),
    ],
    "04.3": [
        (500, "keeps its three keys"),
        (PLAN | {"examples": 2000}, "above 1,000"),
        (PLAN | {"examples": 9}, "10 examples at least"),
        (PLAN | {"n_epochs": 0}, "At least one epoch"),
        (PLAN | {"n_epochs": 1.5}, "no whole number"),
        (PLAN | {"learning_rate_multiplier": 0}, "teaches nothing"),
        (PLAN | {"learning_rate_multiplier": "auto"}, "is a text"),
    ],
    "04.4": [
        (0.6, "what `rate` returned"),
        (lambda: rated(0.4), r"0\.400 exact .* below the bar"),
        (lambda: rated(0.9, "train"), "200 of these are training reviews"),
        (lambda: rated(0.9, "test", 400), "exam reviews"),
        (lambda: rated(0.9, rows=100), "not the 200 validation reviews"),
        (ids_doubled, "not the 200 validation reviews"),
        (lambda: rated(0.9, word="very good"), "name no stars"),
    ],
    "04.5": [
        ([], "a list of three rows"),
        ([_row("What is 2 + 2?", "Four.", role="asistant"), *_MENDED[1:]], "Row 1"),
        ([*_MENDED[:2], _row("Who wrote Hamlet?", "")], "Row 3"),
        ([*_MENDED[:2], _row("Something else?", "Yes.")], "the user's question is gone"),
        ("mended", "a list of three rows"),
    ],
}
