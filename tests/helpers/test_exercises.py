"""Exercises: verdicts, and for every notebook that solutions pass and wrong answers don't."""

import importlib
import inspect
import pkgutil
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import exercises
from helpers.exercises import check, exercise, grade, record, values
from helpers.exercises.verdicts import UntouchedError, Verdict, WrongAnswerError
from workbook import display, paths
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


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path))


@pytest.mark.parametrize("id", EXERCISES)
def test_solutions_of_several_styles_are_right(id: str) -> None:
    answers = solutions(id).SOLUTIONS[id]
    assert len(answers) > 1
    for answer in answers:
        verdict = grade(id, made(answer))
        assert verdict.status == "right" and verdict.message, (answer, verdict)


@pytest.mark.parametrize("id", EXERCISES)
def test_wrong_answers_are_told_what_is_wrong(id: str) -> None:
    wrong_answers = solutions(id).WRONG[id]
    assert wrong_answers
    for answer, words in wrong_answers:
        verdict = grade(id, made(answer))
        assert verdict.status == "wrong", (answer, verdict)
        assert re.search(words, verdict.message, re.DOTALL), verdict


@pytest.mark.parametrize("id", EXERCISES)
def test_an_untouched_exercise_is_no_mistake(id: str) -> None:
    assert grade(id, ...).status == "untouched"


def keyed(id: str) -> list[tuple[str, ...]]:
    """The keys of the solutions that are dictionaries."""
    return [tuple(one) for one in solutions(id).SOLUTIONS[id] if isinstance(one, dict)]


ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        st.text(max_size=5),
        st.binary(max_size=3),
        st.dates(),
        st.decimals(),
        st.fractions(),
        st.sampled_from([np.float32(0.5), np.array([]), np.array([1, 2]), pd.NA, pd.NaT]),
        st.builds(pd.DataFrame),
        st.builds(object),
        st.sampled_from([len, print, int, dict, lambda *_: None, lambda *_: "x", lambda: 1 / 0]),
    ),
    lambda each: st.one_of(
        st.lists(each, max_size=4),
        st.dictionaries(st.text(max_size=9), each, max_size=3),
        st.fixed_dictionaries({"role": each, "content": each}),
        st.fixed_dictionaries({"messages": each}),
        st.lists(each, min_size=2, max_size=3).map(tuple),
        st.sampled_from([value for id in EXERCISES for value in keyed(id)]).flatmap(
            lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, each))
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=ODD)
def test_odd_answers_get_a_sentence_and_never_the_name_of_an_error(answer: Any) -> None:
    for id in EXERCISES:
        verdict = grade(id, answer)
        assert verdict.status in ("right", "wrong", "untouched")
        assert "could not be checked" not in verdict.message, (id, answer, verdict)


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
    wrong = Verdict("wrong", "It is another number.", ("Six times seven.",))
    assert grade(demo, 41) == wrong
    assert grade(demo, ...).status == "untouched"
    assert grade(demo, lambda: ...).status == "untouched"


@pytest.mark.parametrize("answer", [{"a": 1, "b": ...}, [42, ...], (..., 42), {"a": [{"b": ...}]}])
def test_dots_inside_an_answer_count_as_untouched(demo: str, answer: Any) -> None:
    assert grade(demo, answer).status == "untouched"


def test_an_answer_of_the_wrong_type_gets_a_sentence(demo: str) -> None:
    verdict = grade(demo, "42")
    assert verdict.status == "wrong"
    assert "TypeError" in verdict.message and "str" in verdict.hints[0]


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


@pytest.mark.parametrize(
    "half",
    [
        0.5,
        Fraction(1, 2),
        Decimal("0.5"),
        np.float32(0.5),
        np.array(0.5),
        np.array([0.5]),
        pd.Series([0.5]),
        torch.tensor(0.5),
    ],
    ids=lambda half: type(half).__name__,
)
def test_any_real_number_is_one(half: Any) -> None:
    assert values.number(half) == 0.5


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("0,22", r"every sign of a unit: 0\.22\. Python's decimal sign is a point"),
        ("$1,250.50", r"1250\.50"),
        ("12 %", "a unit: 12"),
        ("about a half", "a number such as 0.5"),
    ],
)
def test_a_number_in_quotes_is_explained(answer: str, words: str) -> None:
    with pytest.raises(WrongAnswerError, match="is a text") as error:
        values.number(answer)
    assert re.search(words, error.value.hints[0])


def test_rounding_to_what_is_shown_is_right() -> None:
    assert values.same(0.58, 0.5775, decimals=2) and not values.same(0.57, 0.5775, decimals=2)
    assert values.same(0.1 + 0.2, 0.3) and not values.same(0.58, 0.5775)


def test_a_function_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "SECONDS", 0.05)

    def endless() -> None:
        while True:
            pass

    with pytest.raises(WrongAnswerError, match="still running"):
        values.result_of(endless)


def test_a_function_can_not_change_what_it_is_given_or_end_the_kernel() -> None:
    numbers = [1, 2]
    assert values.result_of(lambda given: given.pop(), numbers) == 2 and numbers == [1, 2]
    with pytest.raises(WrongAnswerError, match="SystemExit"):
        values.result_of(lambda: exit(3))


def test_what_is_done_is_kept_and_shown(demo: str, capsys: pytest.CaptureFixture) -> None:
    for answer in (..., 41, 42, 7):
        check(demo, answer)
    [entry] = record.load().values()
    assert entry["tries"] == 2 and entry["done"]
    capsys.readouterr()
    record.show(["99.1", "99.2"])
    assert "99 | 1 of 2 | 99.2" in capsys.readouterr().out


def test_a_damaged_record_is_kept_beside(demo: str, tmp_path: Path) -> None:
    (tmp_path / record.FILE).write_text("{")
    check(demo, 42)
    assert record.load()[demo]["done"]
    assert (tmp_path / "exercises.damaged.json").read_text() == "{"


def test_hints_are_folded_one_inside_the_other() -> None:
    html = display.box_html("No.", "wrong", ("first", "second", "third"))
    assert html.count("<details") == 3 and html.count("</details></details></details>") == 1
    assert html.index("Hint 1 of 3") < html.index("first") < html.index("Hint 2 of 3")
