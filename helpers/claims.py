"""The claims of the source documents, and the verdicts that the notebooks reach on them.

Knows `data/claims.json`: five documents in Spanish and Portuguese, 44 statements that can be
checked, each quoted in its own language. Tests none of them; the notebooks do.
"""

import functools
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from workbook import display, paths
from workbook.errors import WorkbookError

# What a verdict means, and its colour (also told apart by the word itself).
VERDICTS = {
    "holds": "#2a9d6f",  # tested here, and so it is
    "refuted": "#d1605e",  # tested here, and it isn't so
    "inconclusive": "#8a8a8a",  # tested here, and the numbers don't decide
    "sourced": "#4c8bc4",  # can't be tested here; a primary source says so
    "was true": "#c98a1b",  # so it was when it was written, and is no longer
}


@dataclass(frozen=True)
class Claim:
    """One statement: the `quotation`, what it says in English, where it is tested."""

    number: int
    document: str
    language: str
    quotation: str
    statement: str
    notebook: str | None


@functools.cache
def load() -> dict[int, Claim]:
    """All claims by number, 1 to 44."""
    stored = json.loads(paths.data("claims.json").read_text(encoding="utf-8"))
    documents = stored["documents"]
    return {
        row["number"]: Claim(
            number=row["number"],
            document=documents[row["document"]]["title"],
            language=documents[row["document"]]["language"],
            quotation=row["quotation"],
            statement=row["statement"],
            notebook=row["notebook"],
        )
        for row in stored["claims"]
    }


def show(verdicts: Mapping[int, tuple[str, str]]) -> None:
    """Show a table of verdicts: `{30: ("refuted", "the evidence, with its numbers")}`.

    Evidence is plain text; `[title](https://…)` in it becomes a link.
    Raises WorkbookError for a claim or a verdict that doesn't exist.
    """
    for number, (verdict, _) in verdicts.items():
        if number not in load():
            raise WorkbookError(f"There is no claim {number}; they run from 1 to {len(load())}.")
        if verdict not in VERDICTS:
            raise WorkbookError(f"{verdict!r} is no verdict. There are: {', '.join(VERDICTS)}.")
    display.show(_as_html(verdicts), _as_text(verdicts))


def _as_html(verdicts: Mapping[int, tuple[str, str]]) -> str:
    cell = 'style="text-align:left;vertical-align:top;padding:.4em .8em;white-space:normal"'
    head = "".join(
        f'<th scope="col" {cell}>{title}</th>' for title in ("#", "Claim", "Verdict", "Evidence")
    )
    rows = []
    for number, (verdict, evidence) in verdicts.items():
        claim = load()[number]
        rows.append(
            f"<tr><td {cell}>{number}</td>"
            f"<td {cell}>{html.escape(claim.statement)}<br>"
            f'<small lang="{claim.language}">“{html.escape(claim.quotation)}”</small></td>'
            f'<td {cell}><b style="white-space:nowrap;border-bottom:3px solid {VERDICTS[verdict]}">'
            f"{verdict}</b></td>"
            f"<td {cell}>{_linked(html.escape(evidence))}</td></tr>"
        )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _linked(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\((https://[^\s)]+)\)", r'<a href="\2">\1</a>', text)


def _as_text(verdicts: Mapping[int, tuple[str, str]]) -> str:
    return "\n".join(
        f"{number}. {load()[number].statement}\n   {verdict}: {evidence}"
        for number, (verdict, evidence) in verdicts.items()
    )
