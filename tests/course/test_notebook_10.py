"""Notebook 10: a plan of the student's own trains and reaches the bar; the cells hold together."""

import nbformat
import pytest

from tests.solutions import nb10
from tools import notebooks

NEEDED = ("backends.connect", "functions = bugs", "def some", "PLAN = {", "def rows_of")
NEEDED += ("everything = {", "def word_counter", "def train_by", "def ask", "import is_right")


@pytest.mark.full
def test_a_good_plan_trains_and_reaches_the_bar(capsys: pytest.CaptureFixture) -> None:
    """By the notebook's own cells, but without its first training and its exams."""
    [notebook] = notebooks.select(["10"])
    cells = [c.source for c in nbformat.read(notebook, 4).cells if c.cell_type == "code"]
    names = {"my_plan": nb10.PLAN}
    for source in cells:
        if any(part in source for part in NEEDED):
            source = source.replace("\nmodel = train_by(PLAN)", "")
            exec(compile(source, "cell", "exec"), names)
        if "from helpers.exercises import check\n" in source:
            exec("from helpers.exercises import check", names)
    assert "✔ Exercise 10.4: Right: 0." in capsys.readouterr().out
