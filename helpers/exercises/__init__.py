"""Exercises: `check("02.1", answer)` tells at once whether an answer is right, or what is wrong.

Knows how verdicts are reached and shown. The checks themselves stand in
`helpers/exercises/nbNN.py`, one function an exercise; the solutions are kept with the tests, away
from the notebooks.

An answer cell starts with `answer = ...`; as long as the three dots stand there the exercise is
untouched, which is no mistake, so that "Run all" always works.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from helpers.exercises import record
from helpers.exercises.verdicts import UntouchedError, Verdict, WrongAnswerError
from workbook import display
from workbook.errors import WorkbookError

Check = Callable[[Any], str]

_checks: dict[str, Check] = {}


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
        return Verdict("wrong", error.what, error.hints)
    except UntouchedError:
        return Verdict("untouched", "Not answered yet: replace the three dots.")
    except Exception as error:  # whatever a student may hand in, the answer is a sentence
        return Verdict(
            "wrong",
            f"This answer could not be checked: {type(error).__name__}: {error}",
            (f"Your answer is of type {type(answer).__name__}; does the exercise ask for that?",),
        )


def check(id: str, answer: Any) -> None:
    """Show the verdict on an answer, and keep it; hints are folded away, one inside the other."""
    verdict = grade(id, answer)
    if verdict.status != "untouched":
        record.add(id, verdict.status)
    tone = "open" if verdict.status == "untouched" else verdict.status
    display.box(f"Exercise {id}: {verdict.message}", tone, verdict.hints)


def is_right(id: str, answer: Any) -> bool:
    """Whether an answer is right, for cells that go on with it; shows and keeps nothing."""
    return grade(id, answer).status == "right"


def progress(notebook: str | None = None) -> None:
    """Show which exercises are done, of one notebook ("02") or of the course."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    notebooks = [name.removeprefix("nb") for name in modules if name.startswith("nb")]
    notebooks = [notebook] if notebook else notebooks
    record.show([id for notebook in notebooks for id in sorted(registered(notebook))])


def _has_dots(answer: Any) -> bool:
    """Whether the three dots still stand in the answer, or in a list or dictionary of answers."""
    if isinstance(answer, dict):
        return any(_has_dots(value) for value in answer.values())
    if isinstance(answer, (list, tuple)):
        return any(_has_dots(value) for value in answer)
    return answer is ...
