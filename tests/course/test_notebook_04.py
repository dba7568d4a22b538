"""Notebook 04: a plan of the student's own trains and reaches the bar; claims follow results."""

import cells
import pytest

from helpers import claims
from tests.solutions import nb04

NEEDED = ("backends.connect", "def upload", "import check", "def rate", "def train_by")


@pytest.mark.full
def test_a_good_plan_trains_and_reaches_the_bar(capsys: pytest.CaptureFixture) -> None:
    cells.run("04", NEEDED, {"plan": nb04.PLAN})
    assert "✔ Exercise 04.4: Right: 0." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("number", "change", "verdict"),
    [
        (27, {}, "holds"),
        (27, {"nine": "succeeded", "message": ""}, "refuted"),
        (27, {"message": "Something else."}, "inconclusive"),
        (27, {"ten": "failed"}, "inconclusive"),
        (32, {}, "refuted"),
        (32, {"learned": "Be dry.Paris, as if."}, "holds"),
        (32, {"learned": ""}, "inconclusive"),
        (9, {}, "holds"),
        (9, {"job": "failed"}, "refuted"),
        (9, {"characters": 0}, "inconclusive"),
    ],
)
def test_a_result_that_breaks_changes_the_verdict(number: int, change: dict, verdict: str) -> None:
    measured = {
        9: {"file": "processed", "job": "succeeded", "characters": 40},
        27: {"nine": "failed", "message": "must have at least 10 examples", "ten": "running"},
        32: {"system": "Be dry.", "answer": "Paris, as if.", "learned": "Paris, as if.<|im_end|>"},
    }
    assert claims.load()[number].verdict(measured[number] | change) == verdict
