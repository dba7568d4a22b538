"""The learning log: what a student writes at the end of a notebook, kept as Markdown.

Knows the five questions and the file `learning_log.md` in the student's folder. Entries are only
ever added; nothing that was written is changed. What the run can tell itself is filled in:
exercises done, models trained with their tokens and cost, what was measured for the claims.
"""

import contextlib
from collections.abc import Mapping
from datetime import date
from types import EllipsisType

from helpers import claims, exercises
from helpers.exercises import record
from workbook import display, paths
from workbook.budget import comparison
from workbook.errors import WorkbookError
from workbook.prices import registry

FILE = "learning_log.md"
HEADINGS = {
    "progress": "Progress today",
    "learned": "What I learned",
    "thoughts": "Thoughts",
    "link": "Link to work",
    "plan": "Plan for tomorrow",
}
Field = str | EllipsisType


def entry(
    notebook: str,
    *,
    progress: Field = ...,
    learned: Field = ...,
    thoughts: Field = ...,
    link: Field = ...,
    plan: Field = ...,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Add today's entry to the log. Fields left as three dots are left out; all five: no entry.

    facts: more that the notebook measured, name → value
    """
    fields = {
        "progress": progress,
        "learned": learned,
        "thoughts": thoughts,
        "link": link,
        "plan": plan,
    }
    texts = {
        name: str(text).strip()
        for name, text in fields.items()
        if text is not ... and str(text).strip()
    }
    if not texts:
        display.box(
            "Nothing was written to your learning log: every field is still three dots.", "open"
        )
        return
    entry_text = format_entry(notebook, texts, date.today())
    log = paths.work() / FILE
    before = log.read_text(encoding="utf-8") if log.exists() else "# My learning log\n"
    if entry_text in before:
        display.box(f"This entry is in your learning log already (work/{FILE}).", "note")
        return
    with log.open("a", encoding="utf-8") as file:
        file.write(("" if log.stat().st_size else before) + entry_text)
        file.write(_section("From the run", _facts(notebook, facts or {}, before)))
    left_out = [HEADINGS[name] for name in fields if name not in texts]
    rest = f" Left out: {', '.join(left_out)}." if left_out else ""
    display.box(f"Written to your learning log (work/{FILE}).{rest}", "right")


def format_entry(notebook: str, fields: dict[str, str], day: date) -> str:
    """One entry as Markdown: the date, then a heading for each field that was filled in."""
    parts = [f"\n## {day.day} {day:%B %Y} · notebook {notebook}\n"]
    parts += [_section(HEADINGS[name], text) for name, text in fields.items()]
    return "".join(parts)


def _section(heading: str, text: str) -> str:
    return f"\n### {heading}\n\n{text}\n" if text else ""


def _facts(notebook: str, facts: Mapping[str, object], log: str) -> str:
    """What needs no remembering, one line each; a job that the log names already is left out."""
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    with contextlib.suppress(WorkbookError):  # a notebook without exercises
        ids = exercises.registered(notebook)
        done = sum(bool(record.load().get(id, {}).get("done")) for id in ids)
        lines.append(f"- Exercises: {done} of {len(ids)} done.")
    for row in comparison.rows():
        if row["job"] and row["job"] not in log and row["trained_tokens"]:
            on_lab = row["model"] == registry.lab().id
            cost = f"nothing on the lab, {row['cost']} elsewhere" if on_lab else row["cost"]
            tokens = f"{row['trained_tokens']:,} tokens trained"
            lines.append(f"- Training: {row['job']}, {row['model']}, {tokens}, cost: {cost}.")
    for number, entry in claims.read().items():
        claim = claims.load().get(int(number))
        if claim is not None and claim.notebook == notebook:
            values = entry["values"]
            lines.append(f"- Claim {number}, {claim.verdict(values)}: {claim.words(values)}")
    return "\n".join(lines)
