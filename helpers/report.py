"""What `dataset.check` found, gathered and shown: as a table, as text, and for programs.

Knows how findings are collected and look. What can be wrong stands in `helpers.checks`.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers import models, tokens
from helpers.checks import (ADVISED, CODES, MESSAGE_KEYS, MINIMUM, SET_CHECKS, SEVERITIES, Line,
                            Problem, check_row, example_of, excerpt, format_of, labels_of)

SHOWN = 50
"""Findings shown in a notebook; `report.findings` has them all."""
_PIECE = 100_000  # characters
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
    """What `dataset.check` found. `ok` means: no errors; there may be warnings and notes."""

    name: str
    findings: tuple[Finding, ...]
    counts: pd.DataFrame
    """One row an example: line, messages; with a model also tokens, answer_tokens."""
    labels: Mapping[str, int] | None = None
    """How often each answer occurs, where the answers are labels."""
    model: str | None = None

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def codes(self) -> dict[str, int]:
        """How often each code was found."""
        return dict(Counter(finding.code for finding in self.findings))

    @property
    def summary(self) -> str:
        """One sentence: examples, findings by severity, tokens."""
        found = Counter(finding.severity for finding in self.findings)
        words = [f"{found[kind]} {kind}{'' if found[kind] == 1 else 's'}"
                 for kind in SEVERITIES if found[kind]]
        size = f"{len(self.counts):,} example{'' if len(self.counts) == 1 else 's'}"
        if "tokens" in self.counts:
            size += f", {int(self.counts['tokens'].sum()):,} tokens for {self.model}"
        return f"{self.name}: {size}; {', '.join(words) or 'nothing wrong found'}."

    def table(self) -> pd.DataFrame:
        """All findings: severity, code, line, message, excerpt, why, fix."""
        columns = ["severity", "code", "line", "message", "excerpt", "why", "fix"]
        return pd.DataFrame([[getattr(finding, name) for name in columns]
                             for finding in self.findings], columns=columns
                            ).astype({"line": "Int64"})

    def __repr__(self) -> str:
        lines = [f"{finding.severity}[{finding.code}] "
                 + (f"line {finding.line}: " if finding.line else "")
                 + finding.message + (f" | {finding.excerpt}" if finding.excerpt else "")
                 + f"\n    {finding.why} {finding.fix}" for finding in self.findings[:SHOWN]]
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
            f"<td {left}>{_marked(finding.fix)}</td></tr>" for finding in self.findings[:SHOWN])
        table = ("<table><thead><tr>" + "".join(f'<th scope="col" {left}>{h}</th>' for h in heads)
                 + f"</tr></thead><tbody>{rows}</tbody></table>" if rows else "")
        sign = "✔" if self.ok else "✘"
        more = "".join(f"<p>{html.escape(text)}</p>" for text in self._more())
        return f"<p><b>{sign} {html.escape(self.summary)}</b></p>{table}{more}"


def _marked(text: str) -> str:
    """Escaped, with what stands between `…` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _quoted(text: str) -> str:
    return f"<code>{html.escape(text)}</code>" if text else ""


def build(name: str, lines: Iterable[Line], model: str | None = None,
           file_problems: Iterable[Problem] = ()) -> Report:
    """Run every check over the lines. Raises WorkbookError for an unknown model only."""
    limit = models.get(model).max_example_tokens if model else None
    findings = [Finding(code, None, message, excerpt(quoted) if quoted else "")
                for code, message, quoted in file_problems]
    examples, counts = [], []
    for line in lines:
        found = list(line.problems)
        if line.readable:
            found += check_row(line.value)
            if format_of(line.value):
                examples.append(example_of(line))
                counts.append(_count(line, model))
                if limit and counts[-1]["tokens"] > limit:
                    found.append(("too-long", f"{counts[-1]['tokens']:,} tokens, of which "
                                  f"the model reads {limit:,}", line.value))
        findings += [Finding(code, line.number, message, excerpt(quoted))
                     for code, message, quoted in found]
    findings += [Finding(code, number, message, excerpt(quoted) if quoted else "")
                 for check in SET_CHECKS for number, (code, message, quoted) in check(examples)]
    findings += [Finding(code, None, message) for code, message in _size(len(examples))]
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), finding.line or 0))
    columns = ["line", "messages", *(("tokens", "answer_tokens") if model else ())]
    return Report(name, tuple(findings), pd.DataFrame(counts, columns=columns),
                  labels_of(examples), model)


def _size(rows: int) -> Iterator[tuple[str, str]]:
    if not rows:
        yield "empty-file", "no example at all"
    elif rows < MINIMUM:
        yield "too-few", f"only {rows} example{'' if rows == 1 else 's'}"
    elif rows < ADVISED:
        yield "few", f"{rows} examples"


def _count(line: Line, model: str | None) -> dict[str, int]:
    """Messages and tokens of one example; what is no text counts as its JSON."""
    row = line.value
    messages = row.get("messages")
    messages = [message for message in messages if isinstance(message, Mapping)] \
        if isinstance(messages, list) else []
    counted = {"line": line.number, "messages": len(messages)}
    if not model:
        return counted
    if format_of(row) == "completion":
        answer = _tokens(row.get("completion"), model)
        total = _tokens(row.get("prompt"), model) + answer
    else:
        total = tokens.PER_CONVERSATION
        for message in messages:
            total += tokens.PER_MESSAGE + tokens.PER_NAME * ("name" in message)
            total += sum(_tokens(value, model) for key, value in message.items()
                         if key in MESSAGE_KEYS and key != "weight")
        answer = sum(_tokens(message.get("content"), model) for message in messages
                     if message.get("role") == "assistant" and message.get("weight", 1) != 0)
    return counted | {"tokens": total, "answer_tokens": answer}


def _tokens(value: Any, model: str) -> int:
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
            total += sum(tokens.count(text[start:start + _PIECE], model)
                         for start in range(0, len(text), _PIECE))
    return total
