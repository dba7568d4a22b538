"""A data file as a figure: how long its examples are, and how often each label occurs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workbook.figures import COLORS, STYLES, PlainFigure, plain

if TYPE_CHECKING:
    import pandas as pd


def overview(counts: "pd.DataFrame", labels: Mapping[str, int] | None = None) -> PlainFigure:
    """What a data file holds: messages an example, tokens an example, how often each label.

    counts: of a report; a column without data gets no panel.
    labels: of a report.
    """
    labels = labels or {}
    panels = [name for name in ("messages", "tokens") if name in counts and len(counts)]
    panels += ["labels"] if labels else []
    fig = PlainFigure(figsize=(7.6, 2.4), layout="constrained")
    all_axes = fig.subplots(1, max(1, len(panels)), squeeze=False)[0]
    for axes, name, (color, _) in zip(all_axes, panels, STYLES, strict=False):
        if name == "labels":
            names = sorted(labels)
            places = range(len(names))  # not the names: two may look alike when they are cut
            axes.barh(places, [labels[label] for label in names], color=COLORS[color])
            axes.set_yticks(places, [plain(label, 20) for label in names])
            axes.set_xlabel("examples")
        else:
            bins = np.arange(counts[name].min(), counts[name].max() + 2) - 0.5
            axes.hist(counts[name], bins=bins if len(bins) < 40 else 40, color=COLORS[color])
            axes.set_xlabel(f"{name} an example")
            axes.set_ylabel("examples")
        axes.spines[["top", "right"]].set_visible(False)
    return fig
