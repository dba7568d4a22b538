"""Figures: each function returns a matplotlib Figure, `show` puts it in a notebook with alt text.

Knows colours, axes and units. Takes its numbers ready-made, or as functions to draw; it looks up
no price itself. Labels stand at the lines, and line styles differ, so that no reading depends on
colour alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.dates import DateFormatter, YearLocator
from matplotlib.figure import Figure

from workbook.errors import WorkbookError
from workbook.figures import COLORS, STYLES, new
from workbook.figures import show as show
from workbook.prices import costs
from workbook.prices.model import Model

if TYPE_CHECKING:
    import pandas as pd

_TEXT = "#222222"


def _dollars(value: float, _position: object = None) -> str:
    if value >= 1000:
        return f"${value:,.0f}"
    return f"${value:g}" if value >= 0.01 else f"${value:.10f}".rstrip("0")


def _counts(value: float, _position: object = None) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _log(axes: Axes, x: bool = False, y: bool = False) -> None:
    """Logarithmic axes with plain labels: dollars upwards, counts to the right."""
    if y:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_dollars)
    if x:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_counts)
    axes.minorticks_off()


# Prices and break-even (notebook 03)


def price_history(
    models: Sequence[Model],
    cost: Callable[[Model, date], float],
    ylabel: str,
    today: date,
    start: date = date(2022, 7, 1),
) -> Figure:
    """What one and the same job cost, model by model, on the days it could be bought.

    `cost(model, day)` is in USD and raises a WorkbookError for a day without a price, which
    leaves a gap. Time runs to the right, dollars upwards on a log scale; a vertical line marks
    `today`. Where two models cost the same, the older one shows as the wider bar behind.
    """
    fig, axes = new(8.4, 5.2)
    _log(axes, y=True)
    end = date(today.year + 1, 3, 1)
    bars = [
        (first, last, usd, model)
        for model in models
        for first, last, usd in _steps(model, cost, start, end)
    ]
    for number, (first, last, usd, model) in enumerate(bars):
        behind = any(
            math.isclose(usd, other) and _family(later) != _family(model) and since < last
            for since, _, other, later in bars[number + 1 :]
        )
        axes.plot(
            [first, last],
            [usd, usd],
            color=_family_color(model),
            linewidth=8 if behind else 3.4,
            solid_capstyle="butt",
        )
    for first, usd, text, color, above in _labels(bars, (end - start).days):
        axes.annotate(
            text,
            (first, usd),
            xytext=(2, 5 if above else -13),
            textcoords="offset points",
            fontsize=8.5,
            color=color,
        )
    axes.axvline(today, color=COLORS["black"], linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"{today.day} {today:%b %Y}",
        (today, 0.01),
        xycoords=("data", "axes fraction"),
        xytext=(-3, 2),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=_TEXT,
    )
    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(YearLocator())
    axes.xaxis.set_major_formatter(DateFormatter("%Y"))
    axes.set_ylabel(ylabel)
    axes.set_xlabel("Year (a bar covers the days on which the job could be bought)")
    axes.margins(y=0.12)
    return fig


def _family(model: Model) -> str:
    return "gpt-3.5-turbo" if model.label.startswith("gpt-3.5") else model.label


def _family_color(model: Model) -> str:
    if model.kind == "completion":
        return COLORS["red"] if model.label.endswith("002") else COLORS["grey"]
    if model.label.startswith("gpt-3.5"):
        return "#9A6A00"  # the palette's orange, darkened until text in it can be read
    return COLORS["blue"] if model.label.startswith("gpt-4o") else "#00795A"


def _steps(
    model: Model, cost: Callable[[Model, date], float], start: date, end: date
) -> list[tuple[date, date, float]]:
    """The stretches on which the job's price stays the same: (first day, last day, USD)."""
    days = {start, end, *(p.start for p in model.prices), *(p.end for p in model.prices if p.end)}
    days |= {day for day in (model.tunable_from, model.tunable_until) if day}
    ordered = sorted(day for day in days if start <= day <= end)
    found: list[tuple[date, date, float]] = []
    for first, last in zip(ordered, ordered[1:], strict=False):
        try:
            usd = cost(model, first)
        except WorkbookError:
            continue
        if found and found[-1][1] == first and math.isclose(found[-1][2], usd):
            found[-1] = (found[-1][0], last, usd)
        else:
            found.append((first, last, usd))
    return found


def _labels(
    bars: Sequence[tuple[date, date, float, Model]], days: int
) -> list[tuple[date, float, str, str, bool]]:
    """Where the names go: one for each family and price, below the bar if above is taken."""
    firsts: dict[tuple[str, float], tuple[date, str]] = {}
    for first, _, usd, model in bars:
        key = (_family(model), usd)
        if key not in firsts or first < firsts[key][0]:
            firsts[key] = (first, _family_color(model))
    if not firsts:
        return []
    decades = max(1.0, math.log10(max(u for _, u in firsts) / min(u for _, u in firsts)))
    placed: list[tuple[float, float, float]] = []  # left and right end, height; parts of the axes
    found = []
    for (family, usd), (first, color) in sorted(firsts.items(), key=lambda item: item[0][1]):
        text = f"{family} {costs.usd(usd)}"
        left = first.toordinal() / days
        right = left + 0.0105 * len(text)
        height = math.log10(usd) / decades
        up = not any(
            left < r and right > x and abs(height + 0.02 - h) < 0.035 for x, r, h in placed
        )
        near_above = any(
            0 < math.log10(other / usd) / decades < 0.045
            and left < since.toordinal() / days + 0.25
            and right > since.toordinal() / days
            for (_, other), (since, _) in firsts.items()
        )
        up = up and not near_above
        placed.append((left, right, height + (0.02 if up else -0.03)))
        found.append((first, usd, text, color, up))
    return found


def epochs_and_examples(
    cost: Callable[[int, int], float],
    rule: Callable[[int], int],
    title: str,
    epochs: Sequence[int] = (1, 3, 10),
) -> Figure:
    """Training cost against the number of examples, one line for each number of epochs.

    `cost(examples, epochs)` in USD; `rule(examples)` is the vendor's default number of epochs,
    drawn as a thick line of its own. Both axes are logarithmic.
    """
    fig, axes = new()
    _log(axes, x=True, y=True)
    sizes = np.unique(np.logspace(1, 5, 400).astype(int))
    axes.plot(
        sizes,
        [cost(int(n), rule(int(n))) for n in sizes],
        color=COLORS["black"],
        linewidth=5,
        alpha=0.25,
        label="the default rule",
    )
    for count, (color, style) in zip(sorted(epochs, reverse=True), STYLES, strict=False):
        axes.plot(
            sizes,
            [cost(int(n), count) for n in sizes],
            color=COLORS[color],
            linestyle=style,
            linewidth=1.8,
            label=f"{count} epoch{'s' if count > 1 else ''}",
        )
    axes.set_xlabel("Training examples")
    axes.set_ylabel("Cost of the job (USD)")
    axes.set_title(title, fontsize=10, loc="left", color=_TEXT)
    axes.legend(frameon=False, loc="upper left")
    return fig


def monthly_curves(
    ways: dict[str, Callable[[float], float]],
    marks: Sequence[tuple[float, str]] = (),
    requests: tuple[float, float] = (1e2, 1e8),
    title: str = "",
) -> Figure:
    """The month's bill against requests a month, one line for each way of working.

    `ways`: name → function of requests a month giving USD a month. `marks`: (requests, text)
    points where a vertical line is drawn, such as a break-even. Both axes are logarithmic.
    """
    fig, axes = new(8.0, 4.6)
    _log(axes, x=True, y=True)
    volume = np.logspace(math.log10(requests[0]), math.log10(requests[1]), 200)
    for (name, bill), (color, style) in zip(ways.items(), STYLES, strict=False):
        bills = [bill(v) for v in volume]
        axes.plot(volume, bills, color=COLORS[color], linestyle=style, linewidth=2, label=name)
    low, high = axes.get_ylim()
    for number, (where, text) in enumerate(marks):
        if not requests[0] <= where <= requests[1]:
            continue
        axes.axvline(where, color=COLORS["black"], linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            text,
            (where, low * (high / low) ** (0.04 + 0.09 * number)),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8.5,
            color=_TEXT,
        )
    axes.set_xlim(*requests)
    axes.set_xlabel("Requests a month")
    axes.set_ylabel("Bill of the month (USD)")
    axes.set_title(title, fontsize=10, loc="left", color=_TEXT)
    # Below the axes: inside, it would cover a line for some numbers.
    fig.legend(frameon=False, loc="outside lower center", ncols=2, fontsize=9, handlelength=3)
    return fig


def tune_or_prompt(
    months: dict[str, Callable[[float, float], float]],
    prompts: tuple[float, float] = (50, 10_000),
    requests: tuple[float, float] = (1e2, 1e7),
) -> Figure:
    """Maps of prompt length × volume: after how long a tuned model has paid for itself.

    `months`: title of a map → function of prompt tokens and requests a month, giving months,
    infinite for never. From dark (soon) through pale to grey (never): readable without colour.
    """
    fig = Figure(figsize=(4.0 * len(months) + 1.4, 4.2), layout="constrained")
    all_axes = fig.subplots(1, len(months), sharey=True, squeeze=False)[0]
    x = np.logspace(*np.log10(prompts), 160)
    y = np.logspace(*np.log10(requests), 160)
    names = ["within a day", "within a month", "within a year", "later than a year", "never"]
    colors = ["#08408A", "#3F8FC5", "#A6CBE3", "#FBE3B5", "#E4E4E4"]
    edges = np.array([12 / 365, 1, 12])
    for axes, (title, function) in zip(all_axes, months.items(), strict=True):
        grid = np.array([[function(p, r) for p in x] for r in y])
        fields = axes.pcolormesh(
            x,
            y,
            np.where(np.isinf(grid), 4, np.digitize(grid, edges)),
            cmap=ListedColormap(colors),
            norm=BoundaryNorm(np.arange(-0.5, 5), len(colors)),
            shading="nearest",
            rasterized=True,
        )
        axes.set_yscale("log")
        _log(axes, x=True)
        axes.yaxis.set_major_formatter(_counts)
        axes.set_xlabel("Tokens of the long prompt")
        axes.set_title(title, fontsize=10, loc="left", color=_TEXT)
    all_axes[0].set_ylabel("Requests a month")
    bar = fig.colorbar(fields, ax=list(all_axes), ticks=range(5))
    bar.ax.set_yticklabels(names)
    bar.ax.tick_params(length=0)
    bar.set_label("The training is paid back …")
    return fig


# Training (notebook 04)


def loss_curve(results: "pd.DataFrame") -> Figure:
    """Training and validation loss by step; `results` has step, train_loss and valid_loss.

    The training loss of single batches is thin, its moving average over nine steps thick.
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
    """How long the examples of each file are, in tokens: one histogram below the other."""
    fig = Figure(figsize=(7.6, 1.7 * len(files) + 0.6), layout="constrained")
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
    """Bars of tokens a word: a group for each row (language), a bar for each column (vocabulary).

    The dashed line is what somebody `assumed`.
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

    `summary` as `helpers.evaluation.summary` makes it; `chance` draws the share that guessing gets.
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

    `table` as `helpers.evaluation.confusion` makes it. A frame marks the right answers.
    """
    from matplotlib.patches import Rectangle

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

    `seeds`: rows of `helpers.evaluation.summary`, one a seed. A grey bar behind the points is the
    95 % interval of the first row: what another sample of reviews might have changed.
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
