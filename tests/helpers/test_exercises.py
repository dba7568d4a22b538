"""Exercises: verdicts, and for every notebook that solutions pass and wrong answers don't."""

import importlib
import inspect
import pkgutil
import re
from typing import Any

import nbformat
import pytest

from helpers import exercises
from helpers.exercises import UntouchedError, WrongAnswerError, check, exercise, grade
from workbook import paths
from workbook.errors import WorkbookError

NOTEBOOKS = paths.ROOT / "notebooks"
NUMBERS = sorted(
    module.name.removeprefix("nb")
    for module in pkgutil.iter_modules(exercises.__path__)
    if module.name.startswith("nb")
)
EXERCISES = [id for number in NUMBERS for id in sorted(exercises.registered(number))]


def solutions(id: str) -> Any:
    return importlib.import_module(f"solutions.nb{id.partition('.')[0]}")


def made(answer: Any) -> Any:
    """An answer, or what its factory (a function without parameters) makes."""
    is_factory = inspect.isfunction(answer) and not inspect.signature(answer).parameters
    return answer() if is_factory else answer


@pytest.mark.parametrize("id", EXERCISES)
def test_the_solution_is_right_and_gets_some_words(id: str) -> None:
    verdict = grade(id, made(solutions(id).SOLUTIONS[id]))
    assert verdict.status == "right", verdict
    assert verdict.message


@pytest.mark.parametrize("id", EXERCISES)
def test_wrong_answers_are_told_what_is_wrong(id: str) -> None:
    wrong_answers = solutions(id).WRONG[id]
    assert wrong_answers
    for answer in wrong_answers:
        verdict = grade(id, made(answer))
        assert verdict.status == "wrong", (answer, verdict)
        assert verdict.message


@pytest.mark.parametrize("id", EXERCISES)
def test_an_untouched_exercise_is_no_mistake(id: str) -> None:
    assert grade(id, ...).status == "untouched"


@pytest.mark.parametrize("id", EXERCISES)
@pytest.mark.parametrize("junk", [None, 7, "", [], {}, object()], ids=repr)
def test_junk_gets_a_verdict_and_not_an_exception(id: str, junk: Any) -> None:
    if "object at" in repr(junk) or junk != made(solutions(id).SOLUTIONS[id]):
        assert grade(id, junk).status == "wrong"


@pytest.mark.parametrize("number", NUMBERS)
def test_a_notebook_asks_for_each_of_its_exercises_once(number: str) -> None:
    [path] = NOTEBOOKS.glob(f"{number}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    asked = [
        id
        for cell in cells
        if cell.cell_type == "code"
        for id in re.findall(r'check\("(\d\d\.\d+)"', cell.source)
    ]
    assert sorted(asked) == sorted(exercises.registered(number))


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> str:
    """A notebook 99 with one exercise, which wants 42."""
    monkeypatch.setattr(exercises, "_checks", {})

    @exercise("99.1")
    def answer_is_42(answer: int) -> str:
        if callable(answer) and answer() is ...:
            raise UntouchedError
        if answer + 0 != 42:
            raise WrongAnswerError("It is another number.", "Six times seven.")
        return "That is the answer."

    monkeypatch.setattr(exercises, "registered", lambda number: dict(exercises._checks))
    return "99.1"


def test_verdicts(demo: str) -> None:
    assert grade(demo, 42).status == "right"
    wrong = exercises.Verdict("wrong", "It is another number.", "Six times seven.")
    assert grade(demo, 41) == wrong
    assert grade(demo, ...).status == "untouched"
    assert grade(demo, lambda: ...).status == "untouched"


@pytest.mark.parametrize("answer", [{"a": 1, "b": ...}, [42, ...], (..., 42), {"a": [{"b": ...}]}])
def test_dots_inside_an_answer_count_as_untouched(demo: str, answer: Any) -> None:
    assert grade(demo, answer).status == "untouched"


def test_an_answer_of_the_wrong_type_gets_a_sentence(demo: str) -> None:
    verdict = grade(demo, "42")
    assert verdict.status == "wrong"
    assert "TypeError" in verdict.message and "str" in verdict.hint


def test_the_verdict_is_shown_with_its_hint(demo: str, capsys: pytest.CaptureFixture) -> None:
    check(demo, 41)
    assert capsys.readouterr().out == (
        "✘ Exercise 99.1: It is another number.\n  Hint: Six times seven.\n"
    )


def test_an_exercise_that_does_not_exist_is_named(demo: str) -> None:
    with pytest.raises(WorkbookError, match=r"99\.2"):
        grade("99.2", 1)


def test_a_notebook_without_exercises_is_named() -> None:
    with pytest.raises(WorkbookError, match="'77'"):
        grade("77.1", 1)
