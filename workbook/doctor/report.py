"""What `doctor.check` found, gathered and shown: as a table, as text, and for programs.

Knows how findings are collected and look. What can be wrong stands in `workbook.doctor.row_checks`.
"""

import html
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from workbook.doctor import personal_data, set_checks
from workbook.doctor.codes import ADVISED, CODES, SEVERITIES, Line, Problem
from workbook.doctor.fingerprints import Example, example_of
from workbook.doctor.row_checks import check_row
from workbook.errors import WorkbookError
from workbook.prices import costs, registry, tokens
from workbook.quoting import as_json, excerpt
from workbook.rows.rules import MESSAGE_KEYS, MIN_EXAMPLES
from workbook.rows.validator import format_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbook.doctor.repair import Repair

SHOWN = 50
"""Findings shown in a notebook; `report.findings` has them all."""
KEPT = 10_000
"""Findings of one code that are kept; all are counted."""
_PIECE = 100_000  # characters
_CHUNK = 256  # rows that are looked at before the set's checks see them
_SIGNS = {"error": "✘", "warning": "⚠", "note": "ℹ"}


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `line` is None when it is about the whole file."""

    code: str
    line: int | None
    message: str
    excerpt: str = ""

    @property
    def severity(self) -> str:
        return CODES[self.code].severity

    @property
    def why(self) -> str:
        return CODES[self.code].why

    @property
    def fix(self) -> str:
        return CODES[self.code].fix


@dataclass(frozen=True, eq=False)
class Report:
    """What `doctor.check` found. `ok` means: no errors; there may be warnings and notes."""

    name: str
    findings: tuple[Finding, ...]
    counts: "pd.DataFrame"
    """One row an example: line, messages; with a model also tokens, answer_tokens."""
    labels: Mapping[str, int] | None = None
    """How often each answer occurs, where the answers are labels."""
    model: str | None = None
    codes: Mapping[str, int] = field(default_factory=dict)
    """How often each code was found."""
    source: Any = None
    """What was checked: a path, or the rows."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """How many examples there are of each format."""

    @property
    def ok(self) -> bool:
        return not any(CODES[code].severity == "error" for code in self.codes)

    @property
    def summary(self) -> str:
        """One sentence: examples, findings by severity, tokens."""
        found: Counter[str] = Counter()
        for code, count in self.codes.items():
            found[CODES[code].severity] += count
        words = [
            f"{found[kind]} {kind}{'' if found[kind] == 1 else 's'}"
            for kind in SEVERITIES
            if found[kind]
        ]
        size = f"{len(self.counts):,} example{'' if len(self.counts) == 1 else 's'}"
        if "tokens" in self.counts:
            size += f", {int(self.counts['tokens'].sum()):,} tokens for {self.model}"
        return f"{self.name}: {size}; {', '.join(words) or 'nothing wrong found'}."

    @property
    def kind(self) -> str:
        """What the examples are, by the removed tool's rule: "chat", "preference", or for pairs
        "open-ended", "classification" (answers are labels) or "conditional"."""
        if not self.kinds:
            return "nothing"
        kind = max(self.kinds, key=self.kinds.get)
        if kind != "completion":
            return kind
        if "open-ended" in self.codes:
            return "open-ended"
        return "classification" if self.labels else "conditional"

    def stats(self) -> "pd.DataFrame":
        """Messages and tokens an example: mean, smallest, tenths, median, largest.

        The Cookbook's notebook calls its tenths p5 and p95; here they are called what they are.
        """
        import pandas as pd

        numbers = self.counts.drop(columns="line")
        return pd.DataFrame(
            {
                "mean": numbers.mean(),
                "min": numbers.min(),
                "10 %": numbers.quantile(0.1),
                "median": numbers.median(),
                "90 %": numbers.quantile(0.9),
                "max": numbers.max(),
            }
        )

    def figure(self) -> "Figure":
        """Messages and tokens an example, and labels, as a figure for `figures.show`."""
        from workbook.doctor.overview import overview  # brings matplotlib

        return overview(self.counts, self.labels)

    def cost(self, n_epochs: int | None = None) -> costs.Estimate:
        """What training on the file costs with the model it was checked for, at its last known
        price. Raises WorkbookError without a model, without examples, or where no price is known.
        """
        if not self.model:
            raise WorkbookError("Say for which model: doctor.check(file, model=…).")
        return costs.estimate(self.counts["tokens"].tolist(), self.model, n_epochs)

    def fix(self, *named: str) -> "Repair":
        """The data with all safe fixes, and with those that are named by their code.

        Nothing is written: the result shows what would change, and `.write(name)` writes it to
        the work folder under a new name. `repair.FIXES` lists the fixes.
        """
        from workbook.doctor import repair

        return repair.repair(self, named)

    def table(self) -> "pd.DataFrame":
        """All findings: severity, code, line, message, excerpt, why, fix."""
        import pandas as pd

        columns = ["severity", "code", "line", "message", "excerpt", "why", "fix"]
        return pd.DataFrame(
            [[getattr(finding, name) for name in columns] for finding in self.findings],
            columns=columns,
        ).astype({"line": "Int64"})

    def __repr__(self) -> str:
        lines = [
            f"{finding.severity}[{finding.code}] "
            + (f"line {finding.line}: " if finding.line else "")
            + finding.message
            + (f" | {finding.excerpt}" if finding.excerpt else "")
            + f"\n    {finding.why} {finding.fix}"
            for finding in self.findings[:SHOWN]
        ]
        return "\n".join([self.summary, *lines, *self._more()])

    def _more(self) -> list[str]:
        hidden = len(self.findings) - SHOWN
        return [f"… and {hidden} more: report.table() has them all."] if hidden > 0 else []

    def _repr_html_(self) -> str:
        left = 'style="text-align:left;vertical-align:top;white-space:normal"'
        heads = ("", "Line", "What", "Excerpt", "Why it matters", "What to do")
        rows = "".join(
            f"<tr><td {left}><b>{_SIGNS[finding.severity]}&nbsp;{finding.severity}</b></td>"
            f"<td {left}>{finding.line or '–'}</td>"
            f"<td {left}>{_marked(finding.message)}<br><small>{finding.code}</small></td>"
            f"<td {left}>{_quoted(finding.excerpt)}</td>"
            f"<td {left}>{_marked(finding.why)}</td>"
            f"<td {left}>{_marked(finding.fix)}</td></tr>"
            for finding in self.findings[:SHOWN]
        )
        table = (
            "<table><thead><tr>"
            + "".join(f'<th scope="col" {left}>{h}</th>' for h in heads)
            + f"</tr></thead><tbody>{rows}</tbody></table>"
            if rows
            else ""
        )
        sign = "✔" if self.ok else "✘"
        more = "".join(f"<p>{html.escape(text)}</p>" for text in self._more())
        return f"<p><b>{sign} {html.escape(self.summary)}</b></p>{table}{more}"


def _marked(text: str) -> str:
    """Escaped, with what stands between `…` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _quoted(text: str) -> str:
    return f"<code>{html.escape(text)}</code>" if text else ""


class Findings:
    """Findings as they come; of each code the first `KEPT` are kept, all are counted."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.kept: list[Finding] = []

    def add(self, code: str, line: int | None, message: str, quoted: Any) -> None:
        """One more; keys are hidden in what is shown."""
        self.totals[code] += 1
        if self.totals[code] <= KEPT:
            quoted = quoted if isinstance(quoted, str) else as_json(quoted, in_order=False)
            shown = excerpt(personal_data.hide(quoted))
            self.kept.append(Finding(code, line, personal_data.hide(message), shown))

    def join(self, later: "Findings", offset: int) -> None:
        """Those of what comes next, whose lines were counted from 1."""
        room = {code: KEPT - self.totals[code] for code in later.totals}
        for finding in later.kept:
            room[finding.code] -= 1
            if room[finding.code] >= 0:
                self.kept.append(replace(finding, line=finding.line + offset))
        self.totals.update(later.totals)

    def sorted(self) -> tuple[Finding, ...]:
        """The worst first, then by line."""
        return tuple(
            sorted(
                self.kept,
                key=lambda finding: (SEVERITIES.index(finding.severity), finding.line or 0),
            )
        )


@dataclass
class Part:
    """What a stretch of a file holds, without its rows: another process can have looked at it."""

    lines: int = 0
    found: Findings = field(default_factory=Findings)
    counts: dict[str, array] = field(default_factory=dict)
    """Whole numbers of each example: its line, messages and, for a model, tokens."""
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)


def look(lines: Iterable[Line], model: str | None = None, near: bool = True) -> Part:
    """All that can be said of each row without the others.

    near   keep the texts that near duplicates are looked for in
    """
    limit = registry.get(model).max_example_tokens if model else None
    encode = tokens.vocabulary(tokens.encoding_for(model)).encode if model else None
    part = Part(counts={column: array("q") for column in _columns(model)})
    for line in lines:
        part.lines += 1
        for code, message, quoted in line.problems:
            part.found.add(code, line.number, message, quoted)
        if not line.readable:
            continue
        for code, message, quoted in check_row(line.value):
            part.found.add(code, line.number, message, quoted)
        if not (kind := format_of(line.value)):
            continue
        part.kinds[kind] += 1
        counted = _count(line, encode)
        for column, numbers in part.counts.items():
            numbers.append(counted[column])
        if limit and counted["tokens"] > limit:
            part.found.add(
                "too-long",
                line.number,
                f"{counted['tokens']:,} tokens, of which the model reads {limit:,}",
                line.value,
            )
        part.examples.append(example_of(line, near))
    return part


def _columns(model: str | None) -> list[str]:
    return ["line", "messages", *(("tokens", "answer_tokens") if model else ())]


class Gather:
    """Puts parts together, in the order of the file, and shows the set's checks their examples."""

    def __init__(self, name: str, model: str | None, checks: Sequence[set_checks.Check]) -> None:
        self.name, self.model, self.checks = name, model, checks
        self.lines = 0
        self.found = Findings()
        self.counts = {column: array("q") for column in _columns(model)}
        self.kinds: Counter[str] = Counter()

    @property
    def near(self) -> bool:
        """Whether the next part needs its texts: near duplicates are sampled."""
        return len(self.counts["line"]) < set_checks.SAMPLE

    def take(self, part: Part, offset: int = 0) -> None:
        """The next part; `offset` is the number of lines before it, if it has counted from 1."""
        self.lines += part.lines
        self.found.join(part.found, offset)
        self.kinds.update(part.kinds)
        for column, numbers in part.counts.items():
            self.counts[column].extend(
                numbers
                if column != "line" or not offset
                else array("q", (number + offset for number in numbers))
            )
        for example in part.examples:
            if offset:
                example = replace(example, line=example.line + offset)
            for check in self.checks:
                for number, (code, message, quoted) in check.add(example):
                    self.found.add(code, number, message, quoted)

    def report(self, file_problems: Iterable[Problem] = (), source: Any = None) -> Report:
        """What was found, once all parts are in."""
        for code, message, quoted in file_problems:
            self.found.add(code, None, message, quoted)
        for check in self.checks:
            for number, (code, message, quoted) in check.end():
                self.found.add(code, number, message, quoted)
        for code, message in size_problems(len(self.counts["line"])):
            self.found.add(code, None, message, "")
        labels = next(
            (check.labels for check in self.checks if isinstance(check, set_checks.Labels)), None
        )
        import numpy as np
        import pandas as pd  # here: the fast pass of large files needs none of it

        counts = pd.DataFrame(
            {column: np.array(numbers) for column, numbers in self.counts.items()}
        )
        return Report(
            self.name,
            self.found.sorted(),
            counts,
            labels,
            self.model,
            {code: self.found.totals[code] for code in CODES if self.found.totals[code]},
            source,
            dict(self.kinds),
        )


def build(
    name: str,
    lines: Iterable[Line],
    model: str | None = None,
    file_problems: Iterable[Problem] = (),
    source: Any = None,
    checks: Sequence[set_checks.Check] | None = None,
) -> Report:
    """Run every check over the lines, one after the other; none is kept.

    Raises WorkbookError for an unknown model only.
    """
    gather = Gather(name, model, set_checks.checks() if checks is None else checks)
    lines = iter(lines)
    while (part := look(islice(lines, _CHUNK), model, gather.near)).lines:
        gather.take(part)
    return gather.report(file_problems, source)


def size_problems(rows: int) -> Iterator[tuple[str, str]]:
    """(code, message) where there are too few examples."""
    if not rows:
        yield "empty-file", "no example at all"
    elif rows < MIN_EXAMPLES:
        yield "too-few", f"only {rows} example{'' if rows == 1 else 's'}"
    elif rows < ADVISED:
        yield "few", f"{rows} examples"


def _count(line: Line, encode: Callable[[str], Sequence[int]] | None) -> dict[str, int]:
    """Messages and tokens of one example; what is no text counts as its JSON."""
    counted = {"line": line.number, "messages": len(_messages(line.value))}
    if not encode:
        return counted
    total, answer = tokens_of(line.value, lambda text: len(encode(text)))
    return counted | {"tokens": total, "answer_tokens": answer}


def _messages(row: Mapping) -> list[Mapping]:
    messages = row.get("messages")
    if format_of(row) == "preference":  # both answers are read, and trained on
        asked = row.get("input")
        parts = [
            asked.get("messages") if isinstance(asked, Mapping) else None,
            row.get("preferred_output"),
            row.get("non_preferred_output"),
        ]
        messages = [message for part in parts if isinstance(part, list) for message in part]
    return (
        [message for message in messages if isinstance(message, Mapping)]
        if isinstance(messages, list)
        else []
    )


def tokens_of(row: Mapping, count: Callable[[str], int]) -> tuple[int, int]:
    """(all tokens, those of the answers that are learned) of an example in any format.

    count   the tokens of one text
    """
    if format_of(row) == "completion":
        answer = _tokens(row.get("completion"), count)
        return _tokens(row.get("prompt"), count) + answer, answer
    total, answer = tokens.PER_CONVERSATION, 0
    for message in _messages(row):
        total += tokens.PER_MESSAGE + tokens.PER_NAME * ("name" in message)
        for key, value in message.items():
            if key in MESSAGE_KEYS and key != "weight":
                number = _tokens(value, count)
                total += number
                if (
                    key == "content"
                    and message.get("role") == "assistant"
                    and message.get("weight", 1) != 0
                ):
                    answer += number
    return total, answer


def _tokens(value: Any, count: Callable[[str], int]) -> int:
    """Tokens of all text in a value, as `tokens.count_chat` counts, but of any text and depth."""
    total, waiting = 0, [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, str):
            text = value.encode("utf-8", "replace").decode("utf-8")  # half a character is one "?"
            # Piece by piece: tiktoken gives up on a million spaces in a row.
            total += sum(
                count(text[start : start + _PIECE]) for start in range(0, len(text), _PIECE)
            )
    return total
