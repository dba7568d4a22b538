"""Notebook 09: the worked solution trains and passes where the lazy choice does not."""

import nbformat
import pytest

from tests.solutions import nb09
from tools import notebooks

NEEDED = (
    *("backends.connect", "DATABASE =", "questions =", "import check", "def masked", "POOL ="),
    *(
        "def graded",
        "def short",
        "def ask",
        "def train",
        "def any_of",
        "joins +=",
        "grammar = {",
        "mine = choose",
    ),
)


@pytest.mark.full
def test_a_good_choice_of_examples_passes_the_exam(capsys: pytest.CaptureFixture) -> None:
    [notebook] = notebooks.select(["09"])
    cells = [c.source for c in nbformat.read(notebook, 4).cells if c.cell_type == "code"]
    names: dict = {"results": {}}
    for source in cells:
        if not any(part in source for part in NEEDED) and '"09.4"' not in source:
            continue
        exec(compile(source, "cell", "exec"), names)
        if "mine = choose" in source:  # what a student would write in place of the three dots
            names["mine"] = nb09.choose(names["pool"], names["LOOKS"])
            names |= {"SETTINGS": nb09.SETTINGS, "ASKED": names["grammar"]}
    assert "✔ Exercise 09.4: Right: 0." in capsys.readouterr().out
