"""What all examples have in common, or should: system message, language, openings and endings."""

import re
from collections import Counter
from collections.abc import Iterator

from workbook.doctor.common_text import common_end, common_start
from workbook.doctor.fingerprints import Example
from workbook.doctor.limits import SAMPLE
from workbook.doctor.set_checks.check import LineProblem, SetCheck
from workbook.quoting import excerpt
from workbook.rows.rules import MIN_EXAMPLES

PREFIX, ANSWER_PREFIX = 12, 5
"""Characters: the removed command-line tool's figures for common prefixes."""


def is_open(start: str) -> bool:
    """Whether a beginning opens what only the rest closes: a bracket, a quotation, a tag, code.
    Without it the rest would be broken."""
    pairs = (("{", "}"), ("[", "]"), ("(", ")"), ("“", "”"), ("«", "»"))
    return (
        any(start.count(left) > start.count(right) for left, right in pairs)
        or start.count('"') % 2 == 1
        or start.count("```") % 2 == 1
        or len(re.findall(r"<[a-zA-Z]", start)) > start.count("</")
    )


class Systems(SetCheck):
    """Different system messages, or rows without one."""

    def __init__(self) -> None:
        self.systems: set[int] = set()
        self.without_system = 0

    def add(self, example: Example) -> Iterator[LineProblem]:
        if example.system is not None:
            self.without_system += not example.system
            if len(self.systems) < 100_000:
                self.systems.add(example.system)
        yield from ()

    def end(self) -> Iterator[LineProblem]:
        if len(self.systems) > 1:
            none = f", {self.without_system} rows have none" if self.without_system else ""
            message = f"{len(self.systems)} different system messages (or none){none}"
            yield None, ("system-varies", message, "")


class Languages(SetCheck):
    """Answers in more than one language; every language that has a tenth of the rows counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.rows = 0

    def add(self, example: Example) -> Iterator[LineProblem]:
        self.rows += 1
        if self.rows <= SAMPLE and example.language:
            self.counts[example.language] += 1
        yield from ()

    def end(self) -> Iterator[LineProblem]:
        frequent = [
            f"{name} {count}"
            for name, count in self.counts.most_common()
            if count >= max(3, 0.1 * min(self.rows, SAMPLE))
        ]
        if len(frequent) > 1:
            message = f"answers in several languages: {', '.join(frequent)}"
            yield None, ("language-mix", message, "")


class Quotes(SetCheck):
    """All answers, or all questions, stand in quotation marks: those of a table that parts cells
    with others than CSV's, or of a program that quoted what was quoted already."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.marks: dict[str, tuple[str, str] | None] = {}
        """By what is said: the marks around all of it so far; None where it has no such."""

    def add(self, example: Example) -> Iterator[LineProblem]:
        if example.kind != "preference" and example.question is not None:
            head, tail, answer_head, answer_tail = example.edges
            for name, start, end in (
                ("questions", head.lstrip(), tail.rstrip()),
                ("answers", answer_head.lstrip(), answer_tail.rstrip()),
            ):
                if start:
                    self.rows[name] += 1
                    marks = (start[0], end[-1:])
                    is_fenced = start.startswith("```")  # code, as Markdown has it
                    is_pair = (
                        len(start) > 1
                        and not is_fenced
                        and _QUOTES.get(start[0], "").count(marks[1]) == 1
                    )
                    is_same = self.marks.get(name, marks) == marks
                    self.marks[name] = marks if is_pair and is_same else None
        yield from ()

    def end(self) -> Iterator[LineProblem]:
        for name, marks in self.marks.items():
            if marks and (rows := self.rows[name]) >= _FEW:
                message = f"all {rows:,} {name} stand in {marks[0]} … {marks[1]}, which are kept"
                yield None, ("in-quotes", message, "")


_QUOTES = {
    "'": "'",
    '"': '"',
    "`": "`",
    "“": "”",
    "„": "“”",
    "‘": "’",
    "‚": "‘’",
    "«": "»",
    "»": "«",
}
"""What opens a quotation, and what may close it."""
_FEW = 3  # rows of which it is no accident


class Style(SetCheck):
    """Common openings and endings of questions and answers, as the two formats want them."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.heads: dict[str, str] = {}
        self.tails: dict[str, str] = {}
        self.with_ending = self.with_space = self.without_prompt = 0
        self.answers: set[int] = set()

    def add(self, example: Example) -> Iterator[LineProblem]:
        kind = example.kind
        if example.question is None or kind == "preference":
            return
        self.rows[kind] += 1
        head, tail, answer_head, answer_tail = example.edges
        for name, start, end in (
            (f"{kind} question", head, tail),
            (f"{kind} answer", answer_head, answer_tail),
        ):
            self.heads[name] = common_start(self.heads.get(name, start), start)
            self.tails[name] = common_end(self.tails.get(name, end), end)
        if len(self.answers) < 2:
            self.answers.add(example.answer)
        self.with_ending += kind == "chat" and example.has_ending
        if kind == "completion":
            self.without_prompt += example.asks_nothing
            self.with_space += answer_head[:1].isspace()
        yield from ()

    def end(self) -> Iterator[LineProblem]:
        if (rows := self.rows["chat"]) >= MIN_EXAMPLES:
            head = self.heads["chat question"]
            if len(head) > PREFIX and not is_open(head):
                yield None, ("user-prefix", f"all {rows} questions begin “{excerpt(head, 40)}”", "")
            head = self.heads["chat answer"]
            if len(head) >= ANSWER_PREFIX and len(self.answers) > 1 and not is_open(head):
                yield None, ("answer-prefix", f"all {rows} answers begin “{excerpt(head, 40)}”", "")
            ends = self.with_ending
            if 0.1 * rows <= ends <= 0.9 * rows and rows - ends > 1:
                yield None, ("endings-vary", f"{ends} of {rows} answers end with a mark", "")
        if (rows := self.rows["completion"]) >= MIN_EXAMPLES:
            yield from self._completions(rows)

    def _completions(self, rows: int) -> Iterator[LineProblem]:
        if self.without_prompt == rows:
            yield None, ("open-ended", f"all {rows} prompts are empty", "")
        else:
            head = self.heads["completion question"]
            if len(head) > PREFIX and not is_open(head):
                yield None, ("user-prefix", f"all {rows} prompts begin “{excerpt(head, 40)}”", "")
            if not self.tails["completion question"]:
                yield None, ("no-separator", f"the {rows} prompts have no common end", "")
        head = self.heads["completion answer"]
        if len(head.strip()) >= ANSWER_PREFIX and len(self.answers) > 1 and not is_open(head):
            yield None, ("answer-prefix", f"all {rows} completions begin “{excerpt(head, 40)}”", "")
        if not self.tails["completion answer"]:
            yield None, ("no-ending", f"the {rows} completions have no common end", "")
        if self.with_space < rows:
            message = f"{rows - self.with_space} of {rows} completions begin without a space"
            yield None, ("no-space", message, "")
