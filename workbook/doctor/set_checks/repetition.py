"""Rows that were there before, nearly or exactly, and the same question with other answers."""

from collections.abc import Iterator

from workbook.doctor.fingerprints import Example
from workbook.doctor.limits import SAMPLE
from workbook.doctor.near_duplicates import SHORTEST, NearIndex
from workbook.doctor.set_checks.check import FirstSeen, LineProblem, SetCheck
from workbook.quoting import excerpt

_QUOTED = 100_000  # answers kept to be quoted in contradictions


class Duplicates(SetCheck):
    """Rows that were there before."""

    def __init__(self) -> None:
        self.rows = FirstSeen()

    def add(self, example: Example) -> Iterator[LineProblem]:
        line = self.rows.place(example.row, example.line)
        if line != example.line:
            yield example.line, ("duplicate", f"the same as line {line}", example.gist)

    def end(self) -> Iterator[LineProblem]:
        yield from self.rows.limit("equal rows: rows")


class Contradictions(SetCheck):
    """Other answers to what was asked before."""

    def __init__(self) -> None:
        self.questions = FirstSeen()
        self.answers: dict[int, str] = {}

    def add(self, example: Example) -> Iterator[LineProblem]:
        if not example.question:
            return
        # One number for both: the line, and 32 bits of the answer.
        here = example.line << 32 | example.answer & 0xFFFFFFFF
        first = self.questions.place(example.question, here)
        answer = excerpt(example.label, 30)
        if first == here:
            if len(self.answers) < _QUOTED:
                self.answers[example.line] = answer
        elif (first ^ here) & 0xFFFFFFFF:
            line = first >> 32
            other = f" with “{self.answers[line]}”" if line in self.answers else " otherwise"
            message = f"answer “{answer}”, but line {line} answers the same{other}"
            yield example.line, ("contradiction", message, example.gist)

    def end(self) -> Iterator[LineProblem]:
        yield from self.questions.limit("contradictions: questions")


class NearDuplicates(SetCheck):
    """Rows that are nearly the same; the first `SAMPLE` are compared, and that is said."""

    def __init__(self) -> None:
        self.rows = 0
        self.first: dict[str, int] = {}
        self.exact: set[int] = set()
        self.index: NearIndex | None = None

    def add(self, example: Example) -> Iterator[LineProblem]:
        self.rows += 1
        if self.rows > SAMPLE or example.texts is None or example.row in self.exact:
            return  # `duplicate` tells of equal ones
        self.exact.add(example.row)
        text = " ".join(example.texts)
        if not text.strip():
            return  # nothing was said that could be read: this is like nothing else
        line = self.first.setdefault(text, example.line)
        if line != example.line:
            message = f"line {line} but for case and signs"
            yield example.line, ("near-duplicate", message, example.gist)
        elif len(text) >= SHORTEST:
            self.index = self.index or NearIndex()
            if nearest := self.index.match(example.line, text):
                line, share = nearest
                message = f"{share:.0%} the same as line {line}"
                yield example.line, ("near-duplicate", message, example.gist)

    def end(self) -> Iterator[LineProblem]:
        if self.rows > SAMPLE:
            message = (
                f"near duplicates and languages: the first {SAMPLE:,} of "
                f"{self.rows:,} rows were compared"
            )
            yield None, ("sampled", message, "")
