"""The table of all codes: `python -m helpers.dataset_docs` writes docs/dataset-checks.md."""

from helpers import paths
from helpers.codes import CODES, SEVERITIES

_HEAD = """# What the dataset doctor checks

Written from `helpers/codes.py` by `python -m helpers.dataset_docs`; a test holds it to the code.
An **error** makes a service or the lab refuse the file, or the example useless. A **warning** is
accepted, and hurts. A **note** is for your information. Patterns find what is plain to see: a file
without findings is in good form, which does not mean that its content is true.

"""

LEGACY = (
    ("number of examples", "`few`, `too-few`", "the same"),
    ("prompt and completion columns, their case", "`key-case`, `prompt`, `completion`",
     "`key-case`, `messages`, `message`"),
    ("other columns", "`unknown-key`", "the same"),
    ("empty completions", "`empty-content`", "the same, in every message"),
    ("kind of data", "`report.kind`, `open-ended`", "`report.labels`"),
    ("equal rows", "`duplicate`", "the same, and `near-duplicate`"),
    ("over 10,000 characters", "`long-text`", "`too-long`, in tokens of the model"),
    ("mostly capitals", "`upper-case`", "the same, in every message"),
    ("common end of the prompts", "`no-separator`", "none: roles end a turn"),
    ("common start of the prompts", "`user-prefix`", "`user-prefix`: it belongs into the system "
     "message"),
    ("common start of the completions", "`answer-prefix`", "`answer-prefix`, `same-answer`"),
    ("common end of the completions", "`no-ending`", "`endings-vary`: no sign is needed, but one "
     "habit"),
    ("a space before the completion", "`no-space`", "none: it would be learned as a space"),
)
"""The removed tool's checks: (what, the code for pairs, what it became for chat)."""


def markdown() -> str:
    """All codes by severity, with what they mean and what to do."""
    found = {kind: [(name, code) for name, code in CODES.items() if code.severity == kind]
             for kind in SEVERITIES}
    told = ", ".join(f"{len(its)} {kind}s" for kind, its in found.items())
    parts = [_HEAD, f"{len(CODES)} codes: {told}.\n"]
    for kind, its in found.items():
        parts.append(f"\n## {kind.capitalize()}s\n\n"
                     "| Code | Why it matters | What to do |\n|---|---|---|\n")
        parts += [f"| `{name}` | {_cell(code.why)} | {_cell(code.fix)} |\n" for name, code in its]
    parts.append("\n## What became of the removed tool's checks\n\n`openai tools "
                 "fine_tunes.prepare_data` knew pairs of prompt and completion only.\n\n"
                 "| It looked at | For pairs | For chat |\n|---|---|---|\n")
    parts += [f"| {what} | {pairs} | {chat} |\n" for what, pairs, chat in LEGACY]
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    path = paths.ROOT / "docs" / "dataset-checks.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(markdown(), encoding="utf-8")
    print(path.name)
