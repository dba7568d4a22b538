"""Figures of notebook 03: what a job cost in the course of the years, and a month by its volume.

Each function returns a matplotlib Figure; `workbook.figures.show` puts it in a notebook. Takes
models, or bills as functions to draw. Labels stand at the lines, and line styles differ, so that no
reading depends on colour alone.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, YearLocator, date2num
from matplotlib.figure import Figure

from workbook.errors import WorkbookError
from workbook.figures import COLORS, STYLES, new
from workbook.prices import costs
from workbook.prices.model import Model

_TEXT = COLORS["black"]


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


# The same job in the course of the years


class _Bar(NamedTuple):
    """A stretch of days on which the job cost the same on one model."""

    first: date
    last: date
    usd: float
    model: Model


class _Label(NamedTuple):
    """A name where it stands: at the start of a bar, above or below it."""

    day: date
    usd: float
    text: str
    color: str
    is_above: bool


def price_history(
    models: Sequence[Model],
    tokens: int,
    n_epochs: int,
    today: date,
    start: date = date(2022, 7, 1),
) -> Figure:
    """What one and the same job cost, model by model, on the days it could be bought.

    Time runs to the right, dollars upwards on a log scale; a vertical line marks `today`. Where
    two models cost the same, the older one shows as the wider bar behind. A day without a price
    leaves a gap.

    tokens: of one epoch
    """

    def cost(model: Model, day: date) -> float:
        if not model.is_tunable(day, existing_customer=True):
            raise WorkbookError(f"{model.label} was not on sale on {day}.")
        return costs.training_cost(tokens, n_epochs, model, as_of=day)

    fig, axes = new(8.4, 5.2)
    _log(axes, y=True)
    last = max((model.tunable_until or today for model in models), default=today)
    end = date(max(today.year + 1, last.year), 3, 1)
    bars = [bar for model in models for bar in _bars(model, cost, start, end)]
    for number, bar in enumerate(bars):
        is_behind = any(
            math.isclose(bar.usd, other.usd)
            and _family(other.model) != _family(bar.model)
            and other.first < bar.last
            for other in bars[number + 1 :]
        )
        axes.plot(
            [date2num(bar.first), date2num(bar.last)],
            [bar.usd, bar.usd],
            color=_family_color(bar.model),
            linewidth=8 if is_behind else 3.4,
            solid_capstyle="butt",
        )
    for label in _labels(bars, (end - start).days):
        axes.annotate(
            label.text,
            (date2num(label.day), label.usd),
            xytext=(2, 5 if label.is_above else -13),
            textcoords="offset points",
            fontsize=8.5,
            color=label.color,
        )
    axes.axvline(date2num(today), color=COLORS["black"], linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        f"{today.day} {today:%b %Y}",
        (date2num(today), 0.01),
        xycoords=("data", "axes fraction"),
        xytext=(-3, 2),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=_TEXT,
    )
    axes.set_xlim(date2num(start), date2num(end))
    axes.xaxis.set_major_locator(YearLocator())
    axes.xaxis.set_major_formatter(DateFormatter("%Y"))
    axes.set_ylabel(f"{tokens:,} tokens × {n_epochs} epochs (USD)")
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


def _bars(model: Model, cost: Callable[[Model, date], float], start: date, end: date) -> list[_Bar]:
    """The stretches of days on which the job could be bought, cut where its price changes."""
    days = {start, end, *(p.start for p in model.prices), *(p.end for p in model.prices if p.end)}
    days |= {day for day in (model.tunable_from, model.tunable_until) if day}
    bars: list[_Bar] = []
    for first, last in itertools.pairwise(sorted(day for day in days if start <= day <= end)):
        try:
            usd = cost(model, first)
        except WorkbookError:
            continue
        if bars and bars[-1].last == first and math.isclose(bars[-1].usd, usd):
            bars[-1] = bars[-1]._replace(last=last)
        else:
            bars.append(_Bar(first, last, usd, model))
    return bars


def _labels(bars: Sequence[_Bar], days: int) -> list[_Label]:
    """One for each family and price, below the bar if there is no room above.

    days: the width of the axes
    """
    first_bars: dict[tuple[str, float], _Bar] = {}
    for bar in bars:
        key = (_family(bar.model), bar.usd)
        if key not in first_bars or bar.first < first_bars[key].first:
            first_bars[key] = bar
    if not first_bars:
        return []
    prices = [usd for _, usd in first_bars]
    decades = max(1.0, math.log10(max(prices) / min(prices)))
    places: list[tuple[float, float, float]] = []  # left and right end, height; parts of the axes
    labels = []
    for (family, usd), bar in sorted(first_bars.items(), key=lambda item: item[0][1]):
        text = f"{family} {costs.usd(usd)}"
        left = bar.first.toordinal() / days
        right = left + 0.0105 * len(text)
        height = math.log10(usd) / decades
        meets_label = any(
            left < other_right and right > other_left and abs(height + 0.02 - other_height) < 0.035
            for other_left, other_right, other_height in places
        )
        meets_bar = any(
            0 < math.log10(other_usd / usd) / decades < 0.045
            and left < other.first.toordinal() / days + 0.25
            and right > other.first.toordinal() / days
            for (_, other_usd), other in first_bars.items()
        )
        is_above = not meets_label and not meets_bar
        places.append((left, right, height + (0.02 if is_above else -0.03)))
        labels.append(_Label(bar.first, usd, text, _family_color(bar.model), is_above))
    return labels


# Long prompt or tuned model, by volume


def monthly_curves(
    ways: Mapping[str, Callable[[float], float]],
    marks: Sequence[tuple[float, str]] = (),
    requests: tuple[float, float] = (1e2, 1e8),
    title: str = "",
) -> Figure:
    """The month's bill against requests a month, one line for each way of working.

    Both axes are logarithmic.

    ways: name → function of requests a month giving USD a month
    marks: (requests, text) points where a vertical line is drawn, such as a break-even
    requests: the ends of the axis
    """
    fig, axes = new(8.0, 4.6)
    _log(axes, x=True, y=True)
    volume = np.logspace(math.log10(requests[0]), math.log10(requests[1]), 200)
    for (name, bill), (color, style) in zip(ways.items(), STYLES, strict=False):
        bills = [bill(v) for v in volume]
        axes.plot(volume, bills, color=COLORS[color], linestyle=style, linewidth=2, label=name)
    low, high = axes.get_ylim()
    for number, (mark, text) in enumerate(marks):
        if not requests[0] <= mark <= requests[1]:
            continue
        axes.axvline(mark, color=COLORS["black"], linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            text,
            (mark, low * (high / low) ** (0.04 + 0.09 * number)),
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
