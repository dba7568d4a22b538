"""Reading what a student hands in: one of several words, a dictionary with certain keys, a plan.

Raises `WrongAnswerError` with a sentence where it is something else. Numbers and functions are read
in `values`; nothing of single exercises is known here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from helpers.exercises.values import number, whole
from helpers.exercises.verdicts import WrongAnswerError


def word(answer: Any, options: tuple[str, ...], what: str = "The answer") -> str:
    """The one of `options` that was written, whatever its case."""
    text = answer.strip().casefold() if isinstance(answer, str) else None
    if text not in options:
        raise WrongAnswerError(
            f"{what} is {str(answer)[:60]!r}, which is none of the choices.",
            f"Write one of: {', '.join(map(repr, options))}.",
        )
    return text


def keyed(
    answer: Any, keys: Iterable[str], what: str = "Hand in the dictionary with"
) -> dict[str, Any]:
    """The answer, a dictionary with these keys and no other."""
    names = list(keys)
    if not isinstance(answer, dict) or set(answer) != set(names):
        count = ("no", "one", "two", "three", "four", "five")[len(names)]
        raise WrongAnswerError(f"{what} its {count} keys.", ", ".join(map(repr, names)))
    return answer


def looks(plan: Mapping[str, Any], rows: int, limit: int) -> int:
    """How many rows a training by this plan reads, again and again; at most `limit`.

    plan: its `n_epochs` and `learning_rate_multiplier` are judged
    rows: how many different ones it has
    """
    epochs = whole(plan["n_epochs"], "'n_epochs'")
    rate = number(plan["learning_rate_multiplier"], "'learning_rate_multiplier'")
    if epochs < 1:
        raise WrongAnswerError("At least one epoch is needed.", "1 reads every row once.")
    if not 0 < rate <= 10:
        raise WrongAnswerError(
            f"A learning rate multiplied by {rate:g} teaches nothing, or breaks the model.",
            "1 is the usual rate; between 0.5 and 2 is worth a try.",
        )
    if rows * epochs > limit:
        raise WrongAnswerError(
            f"{rows:,} rows × {epochs} epochs = {rows * epochs:,}, above {limit:,}.",
            "Fewer rows, or fewer epochs.",
        )
    return rows * epochs
