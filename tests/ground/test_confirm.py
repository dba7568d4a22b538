"""One way to ask for a yes: what counts as one, and what happens where nobody can answer."""

import io
import sys

import pytest

from workbook import confirm
from workbook.errors import WorkbookError


@pytest.mark.parametrize("typed", ["yes", "y", " YES ", "sí", "Si", "sim", "s"])
def test_yes_in_the_languages_of_the_course(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _answered(typed, monkeypatch)


@pytest.mark.parametrize("typed", ["", "n", "no", "yes please", "yy", "não"])
def test_everything_else_is_a_no(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _answered(typed, monkeypatch)


def test_where_nobody_can_be_asked_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))  # a pipe is no person
    with pytest.raises(WorkbookError, match=r"Nobody can be asked here: Delete\?.* --yes deletes"):
        confirm.agrees("Delete?", "--yes deletes.")


def test_the_question_leaves_standard_output_to_the_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    _answered("yes", monkeypatch)
    assert capsys.readouterr() == ("", "Go? Type yes to go on: ")


def _answered(typed: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    terminal = io.StringIO(f"{typed}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    return confirm.agrees("Go?", "")
