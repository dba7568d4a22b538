"""Notebook 09: the worked solution trains and passes; the cells hold together."""

import cells
import pytest

from tests.solutions import nb09

NEEDED = (
    *("backends.connect", "DATABASE =", "questions =", "import check", "def masked", "POOL ="),
    *("def graded", "def short", "def ask", "def train", "def any_of", "joins +="),
    *("grammar = {", "mine = choose", '"09.4"'),
)
ANSWERS = {
    "return ...  # ← a table": "return nb09.choose(pool, looks)  # ← a table",
    'SETTINGS = {"n_epochs": 2}': "SETTINGS = nb09.SETTINGS",
    "ASKED = {}": "ASKED = grammar",
}


@pytest.mark.full
def test_a_good_choice_of_examples_passes_the_exam(capsys: pytest.CaptureFixture) -> None:
    cells.run("09", NEEDED, {"results": {}, "nb09": nb09}, ANSWERS)
    assert "✔ Exercise 09.4: Right: 0." in capsys.readouterr().out
