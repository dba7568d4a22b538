"""Training files: JSON Lines with one example a line, read and checked without loading the file.

What an example must look like stands in `workbook.rows`; which format a method trains on is known
here. Jobs, models and HTTP are not; how long an example is, the caller counts.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbook import strict_json
from workbook.rows.rules import MAX_LINE, OUTPUTS, RULES
from workbook.rows.validator import format_of, violations

FORMATS = {  # of each method
    "supervised": ("chat", "completion"),
    "dpo": ("preference",),
    "reinforcement": ("reinforcement",),
}
_BOM = b"\xef\xbb\xbf"


class RowError(ValueError):
    """One line is not a training example; the text says why."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with one line (counted from 1)."""

    line: int
    reason: str


@dataclass
class Report:
    """What a file holds: its examples, tokens, and the first findings of all that were made."""

    examples: int = 0
    tokens: int = 0
    bad_lines: int = 0
    findings: list[Finding] = field(default_factory=list)

    def describe(self, filename: str) -> str:
        """The findings as one sentence a person can act on, naming file, line and reason."""
        reasons = "; ".join(f"line {f.line}: {f.reason}" for f in self.findings)
        rest = self.bad_lines - len(self.findings)
        more = f"; and {rest} more line{'s' * (rest > 1)} with errors" if rest > 0 else ""
        end = "" if more == "" and reasons.endswith("?") else "."
        return f"{filename}, {reasons}{more}{end}"


def check(
    path: Path,
    count: Callable[[dict[str, Any]], int] | None = None,
    limit: int | None = None,
    shown: int = 5,
    method: str = "supervised",
) -> Report:
    """Read a whole file and report on it; never raises for what the file holds.

    count: gives the tokens of a chat or pair.
    limit: the most tokens that one may have.
    shown: how many findings to keep.
    method: what the file is to train.
    """
    report, file_format = Report(), ""
    for number, line in lines(path):
        try:
            row = parse(line, method)
            row_format = format_of(row)
            if row_format == "chat" and method == "reinforcement":
                row_format = method  # nothing for a grader to read, which not every grader needs
            if row_format not in FORMATS[method]:
                formats = " or ".join(FORMATS[method])
                raise RowError(
                    f"a {row_format} example: method {method!r} trains on {formats} examples"
                )
            if file_format and row_format != file_format:
                raise RowError(
                    f"a {row_format} example in a file of {file_format} examples: use one format"
                )
            file_format = row_format
            counts = [count(part) for part in conversations(row)] if count else [0]
            if limit and max(counts) > limit:
                raise RowError(
                    f"the example has {max(counts):,} tokens, more than the {limit:,} allowed"
                )
        except RowError as error:
            report.bad_lines += 1
            if len(report.findings) < shown:
                report.findings.append(Finding(number, str(error)))
        else:
            report.examples += 1
            report.tokens += sum(counts)
    return report


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, numbered from 1. A longer line than MAX_LINE comes cut."""
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            rest = line
            while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
                pass
            line = line.removeprefix(_BOM) if number == 1 else line
            if line.strip():
                yield number, line


def examples(path: Path, method: str = "supervised") -> Iterator[dict[str, Any]]:
    """Every example of a file that was checked. Raises RowError at a line that is none."""
    for _, line in lines(path):
        yield parse(line, method)


def parse(line: bytes, method: str = "supervised") -> dict[str, Any]:
    """One line as an example. Raises RowError, and nothing else, when it is not one."""
    row = _value(line)
    for violation in violations(row, prompt=method == "reinforcement"):
        if RULES[violation.rule].refused:
            raise RowError(violation.message)
    return row


def conversations(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What a parsed row is trained on: itself, or a preference's two chats, the preferred first.

    Of a preference only the outputs are learned from: earlier answers get weight 0.
    """
    if format_of(row) != "preference":
        return [row]
    prompt, tools = row["input"]["messages"], row["input"].get("tools")
    prompt = [m | {"weight": 0} if m["role"] == "assistant" else m for m in prompt]
    answers = [row[name][0] | {"weight": 1} for name in OUTPUTS]
    return [{"tools": tools, "messages": [*prompt, answer]} for answer in answers]


def _value(line: bytes) -> Any:
    if len(line) > MAX_LINE:
        raise RowError(f"the line is longer than {MAX_LINE // 2**20} MiB")
    try:
        return strict_json.loads(line)
    except UnicodeDecodeError as error:
        raise RowError(f"not UTF-8 (byte {error.start + 1} of the line)") from None
    except json.JSONDecodeError as error:
        raise RowError(f"not valid JSON ({error.msg} at character {error.pos + 1})") from None
    except ValueError as error:
        raise RowError(f"not valid JSON ({error})") from None
