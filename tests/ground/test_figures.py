"""Figures in a notebook: alt text that survives any character, and the same bytes every time."""

from workbook import figures


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
