"""Bars and curves, drawn in the browser as SVG in the colours of the theme.

What a chart shows is also said in words, for those who can't see it. Knows numbers and names.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from workbook.studio.pages.widgets import box, plain, text

COLORS = ("#3b82c4", "#c7701f", "#2f9e72", "#b0609a")
_GRID = {"left": 44, "right": 12, "top": 14, "bottom": 28}
_LINE = {"lineStyle": {"color": "#8886"}}
_AXIS = {"axisLine": _LINE, "axisTick": {"show": False}, "splitLine": _LINE}
# As a drawing: a tooltip of HTML would take names from data for tags.
_TOOLTIP = {"trigger": "axis", "renderMode": "richText", "confine": True}


def bars(title: str, names: Sequence[str], heights: Sequence[int]) -> None:
    """How often each name occurs."""
    most = max(range(len(heights)), key=heights.__getitem__)
    with box("", "figure").props("role=group"):
        text(title, "figcaption", "hint")
        words = f"{title}: {len(names)} bars, the highest at {names[most]} with {heights[most]}."
        options = {
            "animation": False,
            "color": [COLORS[0]],
            "grid": _GRID,
            "tooltip": _TOOLTIP,
            "xAxis": {"type": "category", "data": [_name(name) for name in names], **_AXIS},
            "yAxis": {"type": "value", "minInterval": 1, **_AXIS},
            "series": [{"type": "bar", "data": list(heights), "barCategoryGap": "15%"}],
        }
        _chart(options, words)


def curves(series: Mapping[str, Sequence[tuple[int, float]]], words: str) -> Any:
    """Lines over the steps of a training; `update_curves` moves them on."""
    return _chart(_curves(series), words)


def update_curves(
    chart: Any, series: Mapping[str, Sequence[tuple[int, float]]], words: str
) -> None:
    """Show what has come in between."""
    chart.options.update(_curves(series))
    chart.props["aria-label"] = plain(words)
    chart.update()


def _curves(series: Mapping[str, Sequence[tuple[int, float]]]) -> dict[str, Any]:
    return {
        "animation": False,
        "color": list(COLORS),
        "grid": _GRID | {"top": 30},
        "legend": {
            "top": 0,
            "left": 0,
            "icon": "rect",
            "itemWidth": 14,
            "itemHeight": 3,
            "textStyle": {"color": "#888"},
        },
        "tooltip": _TOOLTIP,
        "xAxis": {
            "type": "value",
            "minInterval": 1,
            "min": "dataMin",
            "max": "dataMax",
            **_AXIS,
            "splitLine": {"show": False},
        },
        "yAxis": {"type": "value", "scale": True, **_AXIS},
        "series": [
            {
                "type": "line",
                "name": _name(name),
                "data": [list(point) for point in points],
                "symbolSize": 5,
                "showSymbol": len(points) < 30,
                "lineStyle": {"width": 2, "type": ["solid", "dashed", "dotted"][place % 3]},
            }
            for place, (name, points) in enumerate(series.items())
        ],
    }


def _chart(options: dict[str, Any], words: str) -> Any:
    chart = ui.echart(options, renderer="svg").classes("chart").props("role=img")
    chart.props["aria-label"] = plain(words)
    return chart


def _name(words: str) -> str:
    short = plain(words).replace("\n", " ")
    return short if len(short) <= 24 else f"{short[:23]}…"


def interval(value: float, low: float, high: float, words: str, half: bool = False) -> None:
    """A share between 0 and 1 with its interval. half: the middle is marked."""
    whole = f"{words}; 95 % interval from {low:.0%} to {high:.0%}"
    with box(f"interval {'half' if half else ''}").props("role=img") as bar:
        bar.props["aria-label"] = plain(whole)
        box("", "i").style(f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%")
        box("", "b").style(f"left:{100 * value:.2f}%")
