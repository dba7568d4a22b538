"""The learning log: what a student writes at the end of a notebook, kept as Markdown.

Knows the five questions and the file `learning_log.md` in the student's folder. Entries are only
ever added; nothing that was written is changed.
"""

from datetime import date
from types import EllipsisType

from workbook import display, paths

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
) -> None:
    """Add today's entry to the log. Fields left as three dots are left out; all five: no entry."""
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
    left_out = [HEADINGS[name] for name in fields if name not in texts]
    rest = f" Left out: {', '.join(left_out)}." if left_out else ""
    display.box(f"Written to your learning log (work/{FILE}).{rest}", "right")


def format_entry(notebook: str, fields: dict[str, str], day: date) -> str:
    """One entry as Markdown: the date, then a heading for each field that was filled in."""
    parts = [f"\n## {day.day} {day:%B %Y} · notebook {notebook}\n"]
    parts += [f"\n### {HEADINGS[name]}\n\n{text}\n" for name, text in fields.items()]
    return "".join(parts)
