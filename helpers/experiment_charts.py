"""Figures of experiments: quality by number of examples, seeds side by side, a run on rewards.

Each returns a matplotlib Figure; `workbook.figures.show` puts it in a notebook with alt text.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from workbook.figures import COLORS, STYLES, PlainFigure, new

if TYPE_CHECKING:
    import pandas as pd

_TEXT = COLORS["black"]


def learning_curve(
    curves: "Mapping[str, pd.DataFrame]", levels: Mapping[str, float], label: str
) -> Figure:
    """Scores by number of training examples, on a logarithmic axis: points are runs, lines means.

    curves: name → columns size, score; one row a run; the first gets its fitted straight line, too
    levels: name → a score that doesn't depend on the number, drawn across
    """
    fig, axes = new(height=4.4)
    for (name, runs), (color, style), mark in zip(curves.items(), STYLES, "os^Dv", strict=False):
        means = runs.groupby("size")["score"].mean()
        axes.plot(runs["size"], runs["score"], mark, color=COLORS[color], alpha=0.45)
        axes.plot(means.index, means, style, color=COLORS[color], label=name)
    first = next(iter(curves.values()))
    line = np.polyfit(np.log(first["size"]), first["score"], 1)
    ends = first["size"].agg(["min", "max"])
    axes.plot(ends, np.polyval(line, np.log(ends)), ":", color=_TEXT, label="straight line")
    for (name, level), style in zip(levels.items(), ("--", "-."), strict=False):
        axes.axhline(level, color=COLORS["grey"], linestyle=style)
        axes.text(ends.max(), level + 0.01, name, ha="right", fontsize=9, color=_TEXT)
    axes.set_xscale("log")
    sizes = sorted(set(first["size"]))
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training examples")
    axes.set_ylabel(label)
    axes.legend(frameon=False, labelcolor=_TEXT)
    return fig


def side_by_side(
    rows: "Mapping[str, tuple[Sequence[float], Sequence[float]]]", label: str, largest: float = 1
) -> Figure:
    """One line a condition: a circle for each seed, a stroke for the mean, a bar for its interval.

    rows: name → the scores of its seeds; mean, low, high
    largest: where the axis of the scores ends; it begins at 0
    """
    fig, axes = new(height=1.1 + 0.42 * len(rows))
    places = np.arange(len(rows))[::-1]
    for place, (scores, (mean, low, high)) in zip(places, rows.values(), strict=True):
        axes.hlines(place, low, high, color=COLORS["sky"], linewidth=6, alpha=0.6)
        axes.plot(scores, [place] * len(scores), "o", color=COLORS["blue"], fillstyle="none")
        axes.vlines(mean, place - 0.22, place + 0.22, color=_TEXT)
        axes.text(mean, place + 0.26, f"{mean:.2f}", ha="center", fontsize=8, color=_TEXT)
    axes.set_yticks(places, list(rows))
    axes.set_ylim(-0.5, len(rows) - 0.3)
    axes.set_xlim(-0.02 * largest, 1.02 * largest)
    axes.set_xlabel(f"{label} (circle: a seed; stroke: the mean; bar: 95 % interval)")
    return fig


_OF_REWARDS = (
    ("train_reward_mean", "mean reward"),
    ("entropy", "entropy (nats a token)"),
    ("completion_tokens_mean", "tokens an answer"),
)


def reward_curves(results: "pd.DataFrame") -> Figure:
    """A reinforcement job by step: reward (training, validation), entropy, length of answers.

    results: as `workbook.jobs.results` gives them
    """
    fig = PlainFigure(figsize=(9.6, 3.0), layout="constrained")
    for axes, (column, label) in zip(fig.subplots(1, 3), _OF_REWARDS, strict=True):
        train = results.dropna(subset=[column])
        axes.plot(train["step"], train[column], color=COLORS["blue"], label="training")
        if column == "train_reward_mean":
            valid = results.dropna(subset=["valid_reward_mean"])
            axes.plot(
                valid["step"],
                valid["valid_reward_mean"],
                "s--",
                color=COLORS["red"],
                label="validation",
            )
            axes.legend(frameon=False, labelcolor=_TEXT)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("training step")
        axes.set_ylabel(label)
        axes.grid(True, color="#DDDDDD", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    return fig
