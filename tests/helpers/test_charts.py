"""Figures of training, data and evaluation: labelled axes, and marks where the numbers are."""

import math

import pandas as pd
import pytest

from helpers import charts, evaluation
from workbook import figures

SUMMARY = pd.DataFrame(
    {
        "exact": [0.5, 0.4],
        "exact_low": [0.45, 0.35],
        "exact_high": [0.55, 0.45],
        "within_one": [0.9, 0.8],
        "within_low": [0.85, 0.75],
        "within_high": [0.93, 0.85],
    },
    index=["tuned", "base"],
)
RESULTS = pd.DataFrame(
    {
        "step": [1, 2, 3],
        "train_loss": [3.0, 2.0, 1.0],
        "valid_loss": [math.nan, math.nan, 1.5],
    }
)


def confusion() -> pd.DataFrame:
    reviews = pd.DataFrame({"id": ["1_1", "2_1"], "text": ["a", "b"], "stars": [1, 5]})
    return evaluation.confusion(evaluation.judge(reviews, ["1 star", "no idea"]))


@pytest.mark.parametrize(
    "fig",
    [
        charts.loss_curve(RESULTS),
        charts.loss_curve(RESULTS.assign(valid_loss=math.nan)),
        charts.example_lengths({"reviews": [10, 20, 30], "Marv": [5, 6]}, "tokens"),
        charts.tokens_a_word(pd.DataFrame({"new": [1.2]}, index=["English"]), assumed=5),
        charts.shares(SUMMARY, chance=0.2),
        charts.confusion(confusion(), "title"),
        charts.seed_spread(SUMMARY),
    ],
    ids=range(7),
)
def test_axes_are_labelled_and_the_figure_can_be_drawn(fig) -> None:
    assert any(axes.get_xlabel() for axes in fig.axes) or fig.axes[0].get_xticklabels()
    assert fig.axes[0].get_ylabel() or fig.axes[0].get_yticklabels()
    assert figures.png(fig, dpi=40).startswith(b"\x89PNG")


def test_validation_loss_is_marked_where_it_was_taken() -> None:
    [axes] = charts.loss_curve(RESULTS).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines["validation"].get_xdata().tolist() == [3]
    assert len(lines["training, each batch"].get_xdata()) == 3


def test_a_frame_marks_the_right_answers_only() -> None:
    [axes] = charts.confusion(confusion()).axes
    assert len(axes.patches) == 5  # of 5 × 6 cells
    assert [text.get_text() for text in axes.texts].count("1") == 2
