"""A short page of headings, texts, lists and tables, written as Markdown and as HTML.

Whatever stands in the texts is text: signs that Markdown or HTML would take for their own are
escaped, so that a file's name or a model's answer can't become a link, a heading or a script. Knows
nothing of what is said.
"""

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from workbook import display, files

Block = tuple[Literal["title", "heading", "strong", "text", "list", "table"], Any]
"""A text for the first four; for a list its texts; for a table its rows of texts, titles first."""

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.45 system-ui,sans-serif;max-width:52em;"
    "margin:2em auto;padding:0 1em}h1{margin:.5em 0}h2{font-size:1.15em;margin:1.2em 0 .4em}"
    "table{border-collapse:collapse;width:100%}"
    "@media print{body{font-size:11px;margin:0}}"
)
_CELL = (
    "text-align:left;vertical-align:top;padding:.25em .8em .25em 0;border-bottom:1px solid #8888;"
    "white-space:normal;overflow-wrap:break-word"
)
# What CommonMark and its tables read as their own, anywhere in a line.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~&$]|(?<=:)//)")
_INVISIBLE = re.compile(
    r"[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+"
)


def write(path: Path, title: str, blocks: Sequence[Block]) -> tuple[Path, Path]:
    """Write the page to `path` as Markdown, and beside it as HTML; the two files."""
    page = path.with_suffix(".html")
    files.replace_text(path, as_markdown(blocks))
    head = f'<meta charset="utf-8"><title>{_escaped(title)}</title><style>{_STYLE}</style>'
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{_body(blocks)}</body></html>\n'
    )
    files.replace_text(page, text)
    return path, page


def as_markdown(blocks: Sequence[Block]) -> str:
    """The page as Markdown (CommonMark with tables)."""
    return "\n\n".join(_markdown(blocks)) + "\n"


def as_html(blocks: Sequence[Block]) -> str:
    """The page as a piece of HTML, as it is shown in a notebook."""
    return display.without_formulas(_body(blocks))


def _markdown(blocks: Sequence[Block]) -> Iterator[str]:
    for kind, content in blocks:
        if kind == "table":
            lines = [f"| {' | '.join(map(_marked, row))} |" for row in content]
            yield "\n".join([lines[0], "|" + "---|" * len(content[0]), *lines[1:]])
        elif kind == "list":
            yield "\n".join(f"- {_marked(text)}" for text in content)
        else:
            text = _marked(content)
            yield {"title": f"# {text}", "heading": f"## {text}", "strong": f"**{text}**"}.get(
                kind, text
            )


def _body(blocks: Sequence[Block]) -> str:
    parts = []
    for kind, content in blocks:
        if kind == "table":
            head, *rows = content
            cells = "".join(f'<th scope="col" style="{_CELL}">{_escaped(t)}</th>' for t in head)
            lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
            parts.append(f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>")
        elif kind == "list":
            parts.append(f"<ul>{''.join(f'<li>{_escaped(text)}</li>' for text in content)}</ul>")
        else:
            text = _escaped(content)
            form = {"title": "<h1>{}</h1>", "heading": "<h2>{}</h2>", "strong": "<p><b>{}</b></p>"}
            parts.append(form.get(kind, "<p>{}</p>").format(text))
    return "\n".join(parts)


def _cell(text: object) -> str:
    return f'<td style="{_CELL}">{_escaped(text)}</td>'


def _line(text: object) -> str:
    """One line, without signs that can't be seen or that turn the direction of writing."""
    return " ".join(_INVISIBLE.sub(" ", str(text)).split())


def _marked(text: object) -> str:
    line = _SIGNS.sub(r"\\\1", _line(text))
    return re.sub(r"^(?:([-+])(?=[-\s]|$)|(\d+)([.)])(?=\s|$))", _no_list, line)


def _no_list(match: re.Match[str]) -> str:
    """What would begin a list, with a backslash before the sign that makes it one."""
    return f"\\{match[1]}" if match[1] else f"{match[2]}\\{match[3]}"


def _escaped(text: object) -> str:
    return html.escape(_line(text))
