"""Figures of experiments: every run is drawn, and the levels and sizes can be read."""

import pandas as pd
import pytest

from helpers import experiment_charts
from workbook import figures

RUNS = pd.DataFrame({"size": [10, 10, 30, 30], "score": [0.2, 0.3, 0.35, 0.45]})


def test_a_learning_curve_shows_every_run_size_and_level() -> None:
    fig = experiment_charts.learning_curve(
        {"tuned": RUNS, "plain": RUNS}, {"best prompt": 0.25}, "exact"
    )
    [axes] = fig.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "30"]
    assert [text.get_text() for text in axes.texts] == ["best prompt"]
    points = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [list(line.get_ydata()) for line in points] == [list(RUNS["score"])] * 2
    # From 10 to 30 the means rise by 0.15: so does the line.
    [fit] = [line for line in axes.lines if line.get_label() == "straight line"]
    assert list(fit.get_ydata()) == pytest.approx([0.25, 0.40])
    assert figures.png(fig)[:4] == b"\x89PNG"


def test_conditions_stand_below_each_other_with_each_seed() -> None:
    rows = {"clean": ([0.4, 0.5], (0.45, 0.4, 0.5)), "spoiled": ([0.3], (0.3, 0.25, 0.35))}
    [axes] = experiment_charts.side_by_side(rows, "exact").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["clean", "spoiled"]
    heights = [place for place, _ in sorted(zip(axes.get_yticks(), rows, strict=True))]
    assert heights == [0, 1] and axes.get_yticks()[0] == 1, "the first row is the upper one"
    assert [text.get_text() for text in axes.texts] == ["0.45", "0.30"]


def test_a_run_on_rewards_shows_what_its_reward_cost() -> None:
    nan = float("nan")
    results = pd.DataFrame(
        {
            "step": [0, 1, 2, 3],
            "train_reward_mean": [nan, 0.1, 0.3, 0.5],
            "valid_reward_mean": [0.1, nan, nan, 0.4],
            "entropy": [nan, 2.0, 1.5, 1.0],
            "completion_tokens_mean": [nan, 9, 14, 20],
        }
    )
    reward, entropy, length = experiment_charts.reward_curves(results).axes
    assert [list(line.get_ydata()) for line in reward.lines] == [[0.1, 0.3, 0.5], [0.1, 0.4]]
    assert list(entropy.lines[0].get_ydata()) == [2.0, 1.5, 1.0]
    assert list(length.lines[0].get_xdata()) == [1, 2, 3] and "tokens" in length.get_ylabel()
