"""The table of all codes: `python -m helpers.dataset_docs` writes docs/dataset-checks.md."""

from helpers import paths
from helpers.codes import CODES, SEVERITIES

_HEAD = """# What the dataset doctor checks

Written from `helpers/codes.py` by `python -m helpers.dataset_docs`; a test holds it to the code.
An **error** makes a service or the lab refuse the file, or the example useless. A **warning** is
accepted, and hurts. A **note** is for your information. Patterns find what is plain to see: a file
without findings is in good form, which does not mean that its content is true.

"""

_SPEED = """
## Large files

`python -m helpers.dataset check FILE --model M --basics` looks at structure, tokens and price only,
in several processes; the errors it finds in a row are those of the whole list. Measured with
`python benchmarks/dataset_speed.py --rows 1000000 --long 10000` on two processors that others used
too, medians of three rounds in turns; a *plain loop* is what OpenAI's Cookbook does: `json.loads`,
a loop over the messages, tiktoken's `encode` for every value.

| | Rows a second | … of processor time | Memory at most |
|---|---|---|---|
| 1,000,000 rows of 1 KB: plain loop | 7,228 | 12,679 | 3,355 MiB |
| 1,000,000 rows of 1 KB: `--basics` | 74,315 | 80,506 | 298 MiB |
| 10,000 documents of 20 KB: plain loop | 378 | 850 | 704 MiB |
| 10,000 documents of 20 KB: `--basics` | 1,577 | 3,720 | 253 MiB |
| 100,000 rows of 1 KB: the whole list | 1,215 | 2,415 | 286 MiB |
| 300,000 rows of 1 KB: the whole list | 1,158 | 2,388 | 341 MiB |

The ratio by the clock was 10.9 (4.1 to 13.2 in single rounds, as others took the processors), by
processor time 7.0 (6.2 to 7.1); on long documents 4.0 and 4.1. There most of the time is the
start: each process needs most of a second for Python and the vocabulary, and the documents are read
in less.
Where gigatoken is not installed (on Colab), tiktoken counts: some 30,000 rows a second of processor
time instead of 80,000. The whole list looks for near duplicates among the first 20,000 rows only,
and says so.
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
    return "".join([*parts, _SPEED])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    path = paths.ROOT / "docs" / "dataset-checks.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(markdown(), encoding="utf-8")
    print(path.name)
