"""Notebook 10: a plan of the student's own trains and reaches the bar; the cells hold together."""

import cells
import pytest

from tests.solutions import nb10

NEEDED = ("backends.connect", "functions = bugs", "def some", "import check\n", "PLAN = {")
NEEDED += ("def rows_of", "everything = {", "def word_counter", "def train_by", "def ask")
NEEDED += ("import is_right",)


@pytest.mark.full
def test_a_good_plan_trains_and_reaches_the_bar(capsys: pytest.CaptureFixture) -> None:
    """By the notebook's own cells, but without its first training and its exams."""
    cells.run("10", NEEDED, {"my_plan": nb10.PLAN}, {"\nmodel = train_by(PLAN)": ""})
    assert "✔ Exercise 10.4: Right: 0." in capsys.readouterr().out
