"""Figures in a notebook: alt text that survives any character, and the same bytes every time."""

import pandas as pd

from workbook import figures
from workbook.doctor import overview


def test_a_figure_is_shown_with_its_text():
    fig, _ = figures.new()
    html = figures.as_html(fig, 'A "quoted" <text> & more')
    assert 'alt="A &quot;quoted&quot; &lt;text&gt; &amp; more"' in html
    assert "background:#ffffff" in html and 'src="data:image/png;base64,' in html


def test_the_same_figure_gives_the_same_bytes():
    def draw():
        fig, axes = figures.new()
        axes.plot([1, 2, 3])
        return figures.png(fig, dpi=40)

    assert draw() == draw()


HOSTILE = [
    "_^$ $",
    "$x",
    "$\\frac{$",
    "a_b^c",
    "\\alpha $^$",
    "$5 to $10",
    "%",
    "{}",
    "\ud800$_$",
    "\x00",
]


def test_no_text_is_taken_for_a_formula():
    fig, axes = figures.new()
    axes.bar([figures.plain(text) for text in HOSTILE], range(len(HOSTILE)))
    axes.plot([1, 2], label="$^$")
    axes.set_title("$_$")
    axes.annotate("$\\no$", (0, 0))
    axes.legend(title="$$^$$")
    assert figures.png(fig, dpi=30)
    axes.set_yscale("log")  # matplotlib writes its own powers of ten as formulas
    axes.set_ylim(1, 1e6)
    assert figures.png(fig, dpi=30)
    assert any(tick.label1.get_parse_math() for tick in axes.yaxis.get_major_ticks())
    assert not any(tick.label1.get_parse_math() for tick in axes.xaxis.get_major_ticks())


def test_labels_of_a_data_file_are_drawn_as_they_are(tmp_path):
    """Also where two begin alike: each keeps its bar."""
    names = [*HOSTILE, "the same twenty letters one", "the same twenty letters two"]
    fig = overview.overview(pd.DataFrame(), dict.fromkeys(names, 3))
    fig.savefig(tmp_path / "labels.png", dpi=30)  # as anybody would
    assert len(fig.axes[0].patches) == len(names)
    assert len({patch.get_y() for patch in fig.axes[0].patches}) == len(names)
    assert (tmp_path / "labels.png").stat().st_size > 1000
