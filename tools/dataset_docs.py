"""The table of all codes: `python -m tools.dataset_docs` writes docs/dataset-checks.md."""

from typing import Any

from workbook import paths
from workbook.doctor import parallel, profiles
from workbook.doctor.codes import CODES, SEVERITIES
from workbook.doctor.profiles import Profile

_HEAD = """# What the dataset doctor checks

Written from `workbook/doctor/codes/` and `data/host_profiles.json` by
`python -m tools.dataset_docs`; a test holds it to both.
An **error** makes a service or the lab refuse the file, or the example useless. A **warning** is
accepted, and hurts. A **note** is for your information. Patterns find what is plain to see: a file
without findings is in good form, which does not mean that its content is true.

"""

_SPEED = f"""
## Large files

`workbook check FILE --model M --basics` looks at structure, tokens and price only,
in several processes; the errors it finds in a row are those of the whole list. Measured with
`python benchmarks/dataset_speed.py --rows 1000000 --long 10000 --full 100000` on two processors \
with
little else to do, medians of three rounds in turns; a *plain loop* is what OpenAI's Cookbook does:
`json.loads`, a loop over the messages, tiktoken's `encode` for every value.

| | Rows a second | … of processor time | Memory at most |
|---|---|---|---|
| 1,000,000 rows of 1 KB: plain loop | 8,084 | 8,125 | 3,348 MiB |
| 1,000,000 rows of 1 KB: `--basics` | 83,059 | 44,238 | 352 MiB |
| 10,000 documents of 20 KB: plain loop | 574 | 577 | 704 MiB |
| 10,000 documents of 20 KB: `--basics` | 3,678 | 2,162 | 314 MiB |
| 100,000 rows of 1 KB: the whole list (one round) | 6,795 | 3,764 | 478 MiB |

So `--basics` is 10.3 times as fast by the clock (9.0 to 10.7 in single rounds), since it uses both
processors; by processor time it is 5.5 times. On the long documents it is 6.5 and 3.8. Absolute
figures move with the machine: on another day the same two read 12,863 and 164,655 rows a second. \
With
others on the machine the ratio by the clock moved between 4 and 13. The whole list needed 594 MiB
for 1,000,000 rows in one process.

For the whole list, a file of {parallel.WORTH // 2**20} MiB or more is checked by several \
processes, as many as there are
processors ({parallel.MOST} at most). Their start and what they tell each other cost 13 %
more processor time (one run in turns over 40,000 rows: 2,451 rows a second of processor time in one
process, 2,133 in two, both on a machine full of other work).

Where gigatoken is not installed (on Colab), tiktoken counts: some 30,000 rows a second of processor
time instead of 90,000. The whole list looks for near duplicates among the first 20,000 rows only,
and says so.
"""

_HOSTS = """
## What each host asks

Hosts agree on the form of a row, and differ in what follows. `workbook check FILE --for HOST` holds
to one of them; without it the rules of the model's own host hold, and OpenAI's without a model.
What is not known is not checked. The letters: A a primary source, or code that was read or run; B
an undated copy, or several reports; C one report. A host is one entry in the file.
"""

LEGACY = (
    ("number of examples", "`few`, `too-few`", "the same"),
    (
        "prompt and completion columns, their case",
        "`key-case`, `prompt`, `completion`",
        "`key-case`, `messages`, `message`",
    ),
    ("other columns", "`unknown-key`", "the same"),
    ("empty completions", "`empty-content`", "the same, in every message"),
    ("kind of data", "`report.kind`, `open-ended`", "`report.labels`"),
    ("equal rows", "`duplicate`", "the same, and `near-duplicate`"),
    ("over 10,000 characters", "`long-text`", "`too-long`, in tokens of the model"),
    ("mostly capitals", "`upper-case`", "the same, in every message"),
    ("common end of the prompts", "`no-separator`", "none: roles end a turn"),
    (
        "common start of the prompts",
        "`user-prefix`",
        "`user-prefix`: it belongs into the system message",
    ),
    ("common start of the completions", "`answer-prefix`", "`answer-prefix`, `same-answer`"),
    (
        "common end of the completions",
        "`no-ending`",
        "`endings-vary`: no sign is needed, but one habit",
    ),
    ("a space before the completion", "`no-space`", "none: it would be learned as a space"),
)
"""The removed tool's checks: (what, the code for pairs, what it became for chat)."""


def markdown() -> str:
    """All codes by severity, with what they mean and what to do."""
    by_severity = {
        severity: {name: code for name, code in CODES.items() if code.severity == severity}
        for severity in SEVERITIES
    }
    counts = ", ".join(f"{len(codes)} {severity}s" for severity, codes in by_severity.items())
    parts = [_HEAD, f"{len(CODES)} codes: {counts}.\n"]
    for severity, codes in by_severity.items():
        head = "| Code | Why it matters | What to do |\n|---|---|---|\n"
        parts.append(f"\n## {severity.capitalize()}s\n\n{head}")
        parts += [
            f"| `{name}` | {_cell(code.why)} | {_cell(code.fix)} |\n"
            for name, code in codes.items()
        ]
    parts.append(
        "\n## What became of the removed tool's checks\n\n`openai tools "
        "fine_tunes.prepare_data` knew pairs of prompt and completion only.\n\n"
        "| It looked at | For pairs | For chat |\n|---|---|---|\n"
    )
    parts += [f"| {what} | {pairs} | {chat} |\n" for what, pairs, chat in LEGACY]
    parts.append(_HOSTS)
    parts += map(_rules_of, profiles.all_profiles().values())
    return "".join([*parts, _SPEED])


def _rules_of(host: Profile) -> str:
    """A table of one host's rules, and what is not known of it."""
    rows = [
        f"| {profiles.RULES[name]} | {_cell(_value(name, rule.value))}"
        f"{_cell(f'. {rule.note}' if rule.note else '')} | [{_cell(rule.source)}]({rule.url}), "
        f"{rule.checked} | {rule.confidence} |\n"
        for name, rule in sorted(
            host.rules.items(), key=lambda item: list(profiles.RULES).index(item[0])
        )
    ]
    unknown = "; ".join(profiles.RULES[name] for name in host.unknown)
    head = "| Rule | Here | Source, and when it was read | |\n|---|---|---|---|\n"
    title = f"\n### `--for {host.id}`: {host.label}\n\n"
    return f"{title}{head}{''.join(rows)}\nNot known: {unknown}.\n"


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, int):
        is_round = name.endswith("_bytes") and value >= 2**20
        return f"{value / 2**20:,.0f} MiB" if is_round else f"{value:,}"
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    path = paths.ROOT / "docs" / "dataset-checks.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(markdown(), encoding="utf-8")
    print(path.name)
