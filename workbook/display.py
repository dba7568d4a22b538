"""Small boxes of text for notebooks: HTML where a front end shows it, plain text everywhere else.

Knows how a box looks in light and dark themes; knows nothing of what is said in it.
"""

import html
import numbers
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# A tone is the colour of the bar on the left and the sign before the text. The signs carry the
# meaning for those who don't see the colours; text and background are the front end's own, so
# that both themes keep their contrast.
TONES = {
    "right": ("#2a9d6f", "✔"),
    "wrong": ("#d1605e", "✘"),
    "open": ("#8a8a8a", "○"),
    "note": ("#4c8bc4", "ℹ"),
    "warning": ("#c98a1b", "⚠"),
    "error": ("#d1605e", "✘"),
}
# How MathJax knows a formula, in Jupyter's settings and in those of nbconvert.
_FORMULA = re.compile(r"\$|\\\(|\\\[|\\begin\s*\{")
_IN_ONE_TEXT = r">[^<]*(\$[^<]*\$|\\\(|\\\[|\\begin)"
_LEFT = "text-align:left;vertical-align:top;white-space:normal;max-width:36em"
_RIGHT = "text-align:right;vertical-align:top"


def in_notebook() -> bool:
    """Whether a kernel runs this code, so that HTML has somewhere to go."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


More = str | Sequence[str]


def box_html(text: str, tone: str = "note", more: More = "", more_title: str = "Hint") -> str:
    """One bordered box; `more` is folded away until it is clicked. All text is escaped.

    more: several texts are folded one inside the other, so that each asks for a click of its own
    """
    color, sign = TONES[tone]
    details, texts = "", _texts(more)
    for number, each in reversed(list(enumerate(texts, start=1))):
        title = f"{more_title} {number} of {len(texts)}" if len(texts) > 1 else more_title
        details = (
            # A sign of our own: some front ends draw theirs in black on their dark theme.
            f'<details style="margin-top:.4em"><summary style="cursor:pointer;list-style:none">'
            f"▸ {html.escape(title)}</summary>{_lines(each)}{details}</details>"
        )
    return (
        f'<div style="border-left:4px solid {color};padding:.4em .8em;margin:.3em 0;'
        f'max-width:50em;line-height:1.45">{sign} {_lines(text)}{details}</div>'
    )


def box_text(text: str, tone: str = "note", more: More = "", more_title: str = "Hint") -> str:
    """The same for a terminal."""
    lines = [f"\n  {more_title}: {each}" for each in _texts(more)]
    return f"{TONES[tone][1]} {text}{''.join(lines)}"


def _texts(more: More) -> list[str]:
    return [each for each in ([more] if isinstance(more, str) else more) if each]


def box(text: str, tone: str = "note", more: More = "", more_title: str = "Hint") -> None:
    """Show a box in the notebook, or print it."""
    show(box_html(text, tone, more, more_title), box_text(text, tone, more, more_title))


def table(rows: Iterable[Mapping[str, Any]]) -> None:
    """Show rows that share their columns: text on the left and whole, numbers on the right.

    Values are shown as `str` makes them (True and False as ✔ and ✘); format numbers before.
    """
    rows = list(rows)
    titles = list(rows[0]) if rows else []
    cells = [[_cell(row[title]) for title in titles] for row in rows]
    head = "".join(f'<th scope="col" style="{_LEFT}">{html.escape(t)}</th>' for t in titles)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_RIGHT if _is_number(row[title]) else _LEFT}">{html.escape(text)}</td>'
            for title, text in zip(titles, texts, strict=True)
        )
        + "</tr>"
        for row, texts in zip(rows, cells, strict=True)
    )
    show(
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
        "\n".join(" | ".join(texts) for texts in [titles, *cells]),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Number) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    return ("✔" if value else "✘") if isinstance(value, bool) else str(value)


def show(as_html: str, as_text: str) -> None:
    """Show `as_html` in a notebook; print `as_text` where there is none."""
    if in_notebook():
        from IPython.display import display

        display({"text/html": without_formulas(as_html), "text/plain": as_text}, raw=True)
    else:
        print(as_text)


def without_formulas(as_html: str) -> str:
    """The same; a notebook typesets nothing in it: not two dollars, not what `\\(` begins."""
    if not _FORMULA.search(as_html):
        return as_html
    return f'<div class="tex2jax_ignore mathjax_ignore">{as_html}</div>'


def protect_tables() -> None:
    """From now on a notebook shows pandas' tables of data without taking them for formulas."""
    if in_notebook():
        from IPython import get_ipython

        formatter = get_ipython().display_formatter.formatters["text/html"]
        # By name: pandas need not be there, and is not imported for it.
        formatter.for_type_by_name("pandas", "DataFrame", _table_html)
        formatter.for_type_by_name("pandas.core.frame", "DataFrame", _table_html)


def _table_html(frame: Any) -> str | None:
    as_html = frame._repr_html_()
    typeset = as_html is not None and re.search(_IN_ONE_TEXT, as_html)
    return without_formulas(as_html) if typeset else as_html


def _lines(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
