"""Solutions of notebook 04, and answers that must not pass."""

import math

import numpy as np


def best_step(results):
    return int(results.loc[results.valid_loss.idxmin(), "step"])


def _row(question: str, answer: str, role: str = "assistant") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": role, "content": answer}]}


_MENDED = [
    _row("What is 2 + 2?", "Four. Shocking."),
    _row("Is ice cold?", "Only until you need it."),
    _row("Who wrote Hamlet?", "Shakespeare, when he wasn't busy."),
]


def _by_sorting(results):
    known = results[results["valid_loss"].notna()].sort_values("valid_loss")
    return known["step"].iloc[0]  # of numpy


SOLUTIONS = {
    "04.1": [252, np.int64(252), math.ceil(500 / 8) * 4.0],
    "04.2": [best_step, _by_sorting, lambda r: float(best_step(r))],
    "04.3": [_MENDED, tuple(_MENDED)],
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
        (5, "Hand in the function itself"),
        (lambda results: int(results.valid_loss.idxmin()), "that is the row's number"),
        (lambda results: int(results.step.max()), "the best step is"),
        (lambda results: results.loc[results.valid_loss.idxmin()], "a whole row"),
        (lambda results: results.nothing, "stops with AttributeError.*`.*results.nothing"),
        (lambda results: print("done"), "returns nothing"),
    ],
    "04.3": [
        ([], "a list of three rows"),
        ([_row("What is 2 + 2?", "Four.", role="asistant"), *_MENDED[1:]], "Row 1"),
        ([*_MENDED[:2], _row("Who wrote Hamlet?", "")], "Row 3"),
        ([*_MENDED[:2], _row("Something else?", "Yes.")], "the user's question is gone"),
        ("mended", "a list of three rows"),
    ],
}
