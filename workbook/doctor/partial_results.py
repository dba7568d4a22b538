"""What a stretch of a file holds, found row by row: another machine can have looked at it.

Knows the checks of single rows. What only many rows show is found where the parts are put together,
in `report_builder`, which is sent fingerprints and not the rows.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from workbook.doctor import host_checks
from workbook.doctor.codes import CODES
from workbook.doctor.findings import Findings
from workbook.doctor.fingerprints import Example, example_of
from workbook.doctor.forms.recognition import VERTEX
from workbook.doctor.lines import Line, Problem
from workbook.doctor.profiles import profile
from workbook.doctor.row_checks import check_row
from workbook.doctor.row_parts import messages_of
from workbook.doctor.row_sizes import counter
from workbook.prices import registry


@dataclass
class PartialResult:
    """All that can be said of each row of a stretch without the others."""

    lines: int = 0
    findings: Findings = field(default_factory=Findings)
    counts: dict[str, array] = field(default_factory=dict)
    """Whole numbers of each example, by `columns`."""
    kinds: Counter[str] = field(default_factory=Counter)
    """How many examples there are of each format."""
    images: int = 0
    """How many examples hold images."""
    examples: list[Example] = field(default_factory=list)
    gaps: set[str] = field(default_factory=set)
    """What of the examples no rule counts, such as a sound."""


BOUNDS = ("tokens_at_least", "tokens_at_most")


def columns(model: str | None) -> list[str]:
    """What is counted of each example: its line and messages and, for a model, tokens."""
    return ["line", "messages", *(("tokens", "answer_tokens", *BOUNDS) if model else ())]


def check_lines(
    lines: Iterable[Line],
    model: str | None = None,
    with_texts: bool = True,
    host: str | None = None,
) -> PartialResult:
    """Check every row by itself.

    host: whose rules hold, too.
    with_texts: whether examples get the texts among which near duplicates are looked for.
    Raises WorkbookError for an unknown model.
    """
    limit = registry.get(model).max_example_tokens if model else None
    sizes = counter(registry.token_rules(model)) if model else None
    result = PartialResult(counts={column: array("q") for column in columns(model)})
    asker = profile(host)
    for line in lines:
        result.lines += 1
        for code, message, value in host_checks.of_line(asker, line):
            if code != "host-form" or host != "vertex" or VERTEX not in message:
                result.findings.add(code, line.number, message, value)
        if not line.readable:
            continue
        codes = set()
        for code, message, value in problems_of(line, host):
            result.findings.add(code, line.number, message, value)
            codes.add(code)
        result.images += "image" in codes
        # What could not be read as it was meant is like nothing else.
        is_sound = not any(CODES[code].severity == "error" for code in codes)
        example = example_of(line, with_texts and is_sound)
        if example is None:
            continue
        result.examples.append(example)
        result.kinds[kind_of(line, example.kind)] += 1
        result.counts["line"].append(line.number)
        result.counts["messages"].append(len(messages_of(line.value)))
        if sizes is None:
            continue
        size, answers, _ = sizes.plain(line.value) or sizes.any(line.value)
        result.gaps |= size.gaps
        result.counts["tokens"].append(size.expected)
        result.counts["answer_tokens"].append(answers)
        for column, bound in zip(BOUNDS, (size.at_least, size.at_most), strict=True):
            result.counts[column].append(bound)
        if limit and size.expected > limit:
            message = f"{size.expected:,} tokens, of which the model reads {limit:,}"
            result.findings.add("too-long", line.number, message, line.value)
    if sizes:
        sizes.forget_if_large()
    return result


def kind_of(line: Line, kind: str) -> str:
    """The format in which a host counts a row: Vertex AI's own is read as chat."""
    is_vertex = any(code == "host-form" and VERTEX in text for code, text, _ in line.problems)
    return "vertex" if is_vertex else kind


def problems_of(line: Line, host: str | None = None, with_texts: bool = True) -> Iterator[Problem]:
    """What is wrong with a row, but for what its form explains already.

    host, with_texts: as for `check_row`.
    """
    hidden = {name for code, _, _ in line.problems for name in CODES[code].explains}
    problems = check_row(line.value, host, with_texts)
    return (problem for problem in problems if problem[0] not in hidden)
