"""How every figure looks and gets into a notebook: colours, size, a white card, alt text.

Knows matplotlib; knows nothing of what is drawn.
"""

import base64
import html
import io

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from workbook import display

# Okabe & Ito's palette: told apart also by people who see colours differently.
COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#222222",
    "grey": "#6E6E6E",
}
STYLES = [("blue", "-"), ("red", "--"), ("green", "-."), ("purple", ":"), ("orange", "-")]
"""Colours with line styles, so that no reading depends on colour alone."""


class PlainFigure(Figure):
    """A figure that shows every text as it is: to matplotlib `_^$ $` would be a formula, and wrong.

    Only powers of ten that matplotlib itself writes at a logarithmic axis stay formulas.
    """

    def draw(self, renderer: RendererBase) -> None:
        formulas: set[int] = set()
        for axes in self.axes:
            for axis in (axes.xaxis, axes.yaxis):
                axis.get_major_ticks(len(axis.get_majorticklocs()))  # made now, not while drawing
                if isinstance(axis.get_major_formatter(), LogFormatter):
                    formulas.update(map(id, axis.findobj(Text)))
        for text in self.findobj(Text):
            if isinstance(text, Text) and id(text) not in formulas:
                text.set_parse_math(False)
        super().draw(renderer)


def plain(text: str, length: int = 40) -> str:
    """A text from data as a label: one short line of signs that can be drawn."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in text[: length + 1])
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def show(fig: Figure, alt: str) -> None:
    """Show a figure as an image with a text for those who can't see it.

    The image lies on a white card: readable in a dark theme too. (JupyterLab drops the alt text
    of plain PNG outputs, hence HTML.)
    """
    display.show(as_html(fig, alt), f"Figure: {alt}")


def as_html(fig: Figure, alt: str) -> str:
    """The HTML that `show` displays: one image on its card, nothing fetched from elsewhere."""
    data = base64.b64encode(png(fig)).decode()
    return (
        '<div style="background:#ffffff;padding:8px;border-radius:6px;display:inline-block;'
        'max-width:100%;box-sizing:border-box">'
        f'<img alt="{html.escape(alt)}" style="max-width:100%;height:auto;display:block" '
        f'src="data:image/png;base64,{data}"></div>'
    )


def png(fig: Figure, dpi: int = 110) -> bytes:
    """The figure as PNG bytes, without the date and version that would differ from run to run."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def new(width: float = 7.6, height: float = 4.2) -> tuple[Figure, Axes]:
    """An empty figure (inches) in the course's style, with one pair of axes."""
    fig = PlainFigure(figsize=(width, height), layout="constrained")
    axes = fig.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="#DDDDDD", linewidth=0.7)
    axes.set_axisbelow(True)
    return fig, axes
