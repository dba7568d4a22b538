"""Exercises: `check("02.1", answer)` tells at once whether an answer is right, or what is wrong.

Knows how verdicts are reached and shown. The checks themselves stand in
`helpers/exercises/nbNN.py`, one function an exercise; the solutions are kept with the tests, away
from the notebooks.

An answer cell starts with `answer = ...`; as long as the three dots stand there the exercise is
untouched, which is no mistake, so that "Run all" always works.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbook import display
from workbook.errors import WorkbookError

Check = Callable[[Any], str]

_checks: dict[str, Check] = {}


class WrongAnswerError(Exception):
    """Raised by a check: `what` is wrong, and a `hint` that doesn't give the answer away."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class UntouchedError(Exception):
    """Raised by a check that meets the three dots deeper than `grade` looks."""


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer."""

    status: str  # "right", "wrong" or "untouched"
    message: str
    hint: str = ""


# What several checks need


def function_of(answer: Any, call: str) -> Callable[..., Any]:
    """The function that was handed in; otherwise the answer is wrong.

    call: how it is handed in, for the hint
    """
    if not callable(answer):
        raise WrongAnswerError("Hand in the function itself, without calling it.", call)
    return answer


def result_of(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a student's function returns; nothing, or the three dots: it is untouched."""
    result = function(*arguments)
    if result is ... or result is None:
        raise UntouchedError
    return result


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# What the notebooks and tests call


def exercise(id: str) -> Callable[[Check], Check]:
    """Register a check: a function that takes the answer and returns praise or raises."""

    def register(function: Check) -> Check:
        _checks[id] = function
        return function

    return register


def registered(notebook: str) -> dict[str, Check]:
    """The checks of one notebook ("02"), by id. Raises WorkbookError when there are none."""
    module = f"helpers.exercises.nb{notebook}"
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise WorkbookError(f"There is no notebook {notebook!r} with exercises.") from None
    return {id: check for id, check in _checks.items() if id.startswith(f"{notebook}.")}


def grade(id: str, answer: Any) -> Verdict:
    """Judge one answer. Raises WorkbookError for an exercise that doesn't exist."""
    checks = registered(id.partition(".")[0])
    if id not in checks:
        raise WorkbookError(f"There is no exercise {id!r}. There are: {', '.join(sorted(checks))}.")
    if _has_dots(answer):
        return Verdict("untouched", "Not answered yet: put your answer where the three dots are.")
    try:
        return Verdict("right", checks[id](answer))
    except WrongAnswerError as error:
        return Verdict("wrong", error.what, error.hint)
    except UntouchedError:
        return Verdict("untouched", "Not answered yet: replace the three dots.")
    except Exception as error:  # whatever a student may hand in, the answer is a sentence
        return Verdict(
            "wrong",
            f"This answer could not be checked: {type(error).__name__}: {error}",
            f"Your answer is of type {type(answer).__name__}; does the exercise ask for that?",
        )


def check(id: str, answer: Any) -> None:
    """Show the verdict on an answer; the hint is folded away until it is wanted."""
    verdict = grade(id, answer)
    tone = "open" if verdict.status == "untouched" else verdict.status
    display.box(f"Exercise {id}: {verdict.message}", tone, verdict.hint)


def _has_dots(answer: Any) -> bool:
    """Whether the three dots still stand in the answer, or in a list or dictionary of answers."""
    if isinstance(answer, dict):
        return any(_has_dots(value) for value in answer.values())
    if isinstance(answer, (list, tuple)):
        return any(_has_dots(value) for value in answer)
    return answer is ...
