"""Figures of training, data and evaluation; those of costs are in `helpers/cost_charts.py`.

Each function returns a matplotlib Figure; `workbook.figures.show` puts it in a notebook with alt
text. Takes numbers ready-made. Line styles and marks differ, so that no reading depends on colour
alone.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbook.figures import COLORS, STYLES, PlainFigure, new

if TYPE_CHECKING:
    import pandas as pd

_TEXT = COLORS["black"]


# Training (notebook 04)


def loss_curve(results: "pd.DataFrame") -> Figure:
    """Training and validation loss by step.

    The training loss of single batches is thin, its moving average over nine steps thick.

    results: step, train_loss and valid_loss (NaN where it was not taken)
    """
    fig, axes = new(height=3.6)
    smooth = results.train_loss.rolling(9, min_periods=1, center=True).mean()
    axes.plot(
        results.step,
        results.train_loss,
        color=COLORS["sky"],
        linewidth=0.8,
        label="training, each batch",
    )
    axes.plot(
        results.step, smooth, color=COLORS["blue"], linewidth=2.2, label="training, moving average"
    )
    valid = results.dropna(subset=["valid_loss"])
    if len(valid):
        axes.plot(
            valid.step,
            valid.valid_loss,
            color=COLORS["red"],
            linewidth=1.8,
            linestyle="--",
            marker="o",
            markersize=4,
            label="validation",
        )
    axes.set_xlabel("training step")
    axes.set_ylabel("loss (nats a token)")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, labelcolor=_TEXT)
    return fig


# Datasets (notebook 02)


def example_lengths(files: Mapping[str, Sequence[int]], label: str) -> Figure:
    """How long the examples of each file are: one histogram below the other.

    files: name → tokens of each example
    label: of the axis below
    """
    fig = PlainFigure(figsize=(7.6, 1.7 * len(files) + 0.6), layout="constrained")
    all_axes = fig.subplots(len(files), 1, sharex=True, squeeze=False)[:, 0]
    longest = max(max(lengths) for lengths in files.values())
    edges = np.arange(0, longest + 5, 4)
    for axes, (name, lengths), (color, _) in zip(all_axes, files.items(), STYLES, strict=False):
        axes.hist(lengths, bins=edges, color=COLORS[color], edgecolor="white", linewidth=0.5)
        axes.set_title(name, fontsize=10, loc="left", color=_TEXT)
        axes.set_ylabel("examples")
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[-1].set_xlabel(label)
    return fig


def tokens_a_word(table: "pd.DataFrame", assumed: float) -> Figure:
    """Bars of tokens a word, and a dashed line at what somebody assumed.

    table: a group for each row (language), a bar for each column (vocabulary)
    assumed: tokens a word
    """
    fig, axes = new(height=3.8)
    width = 0.8 / len(table.columns)
    colors = ("sky", "blue", "black")
    for place, (name, color) in enumerate(zip(table.columns, colors, strict=False)):
        x = np.arange(len(table)) + (place - (len(table.columns) - 1) / 2) * width
        bars = axes.bar(x, table[name], width * 0.92, color=COLORS[color], label=name)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2, color=_TEXT)
    axes.axhline(assumed, color=COLORS["red"], linestyle="--", linewidth=1.5)
    axes.text(
        len(table) - 0.55,
        assumed,
        f"assumed: {assumed:g}",
        color=COLORS["red"],
        va="bottom",
        ha="right",
        fontsize=9,
    )
    axes.set_xticks(range(len(table)), table.index)
    axes.set_ylim(0, assumed * 1.12)
    axes.set_ylabel("tokens a word")
    axes.legend(
        frameon=False,
        labelcolor=_TEXT,
        ncols=len(table.columns),
        loc="upper left",
        bbox_to_anchor=(0, 0.86),
    )
    return fig


# Evaluation (notebooks 01 and 05)


def shares(summary: "pd.DataFrame", chance: float | None = None) -> Figure:
    """Exact (filled) and within-one (open) shares with 95 % intervals, one line for each method.

    summary: as `helpers.evaluation.summary` makes it
    chance: the share that guessing gets, drawn as a line
    """
    fig, axes = new(height=1.3 + 0.48 * len(summary))
    places = np.arange(len(summary))[::-1]
    kinds = [
        ("exact", "exact", "blue", "o", "full", 0.12),
        ("within_one", "within", "orange", "s", "none", -0.12),
    ]
    for column, short, color, marker, fill, shift in kinds:
        value = summary[column]
        ends = [value - summary[f"{short}_low"], summary[f"{short}_high"] - value]
        axes.errorbar(
            value,
            places + shift,
            xerr=ends,
            fmt=marker,
            color=COLORS[color],
            fillstyle=fill,
            capsize=3,
            label=column.replace("_", " "),
        )
        if column == "exact":
            for x, y in zip(value, places + shift, strict=True):
                axes.annotate(
                    f"{x:.2f}",
                    (x, y),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                    color=_TEXT,
                )
    if chance is not None:
        axes.axvline(chance, color=COLORS["grey"], linestyle=":", label="exact by guessing")
    axes.set_yticks(places, summary.index)
    axes.set_ylim(-0.6, len(summary) - 0.3)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("share of all reviews, with 95 % interval")
    fig.legend(loc="outside upper right", ncols=3, frameon=False, labelcolor=_TEXT)
    return fig


def confusion(table: "pd.DataFrame", title: str = "") -> Figure:
    """How often each true number of stars (row) got each answer (column), counts in the cells.

    A frame marks the right answers.

    table: as `helpers.evaluation.confusion` makes it
    """
    fig, axes = new(width=5.2, height=4.2)
    axes.grid(False)
    values = table.to_numpy()
    axes.imshow(values, cmap="Blues", vmin=0, vmax=max(1, values.max()))
    for (row, column), count in np.ndenumerate(values):
        color = "white" if count > values.max() * 0.6 else _TEXT
        axes.text(column, row, count, ha="center", va="center", color=color)
        if table.index[row] == table.columns[column]:
            frame = Rectangle(
                (column - 0.47, row - 0.47),
                0.94,
                0.94,
                fill=False,
                edgecolor=COLORS["red"],
                linewidth=1.8,
            )
            axes.add_patch(frame)
    axes.set_xticks(range(len(table.columns)), table.columns)
    axes.set_yticks(range(len(table.index)), table.index)
    axes.set_xlabel("answer (stars)")
    axes.set_ylabel("true stars")
    axes.set_title(title, fontsize=10, color=_TEXT)
    return fig


def seed_spread(seeds: "pd.DataFrame") -> Figure:
    """Exact and within-one shares of one training repeated with other seeds, and their means.

    A grey bar behind the points is the 95 % interval of the first row: what another sample of
    reviews might have changed.

    seeds: rows of `helpers.evaluation.summary`, one a seed
    """
    fig, axes = new(height=2.4)
    kinds = [("exact", "exact", "blue", "o"), ("within_one", "within", "orange", "s")]
    for place, (column, short, color, marker) in enumerate(reversed(kinds)):
        low, high = seeds[f"{short}_low"].iloc[0], seeds[f"{short}_high"].iloc[0]
        axes.barh(place, high - low, left=low, height=0.5, color="#DDDDDD")
        axes.vlines(seeds[column].mean(), place - 0.25, place + 0.25, color=COLORS["black"])
        for number, value in enumerate(seeds[column]):
            axes.plot(value, place + 0.14 * (1 - number), marker, color=COLORS[color])
    axes.set_yticks(range(2), [column.replace("_", " ") for column, *_ in reversed(kinds)])
    axes.set_ylim(-0.5, 1.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of all reviews (point: a seed; line: their mean; grey: 95 % interval)")
    return fig
