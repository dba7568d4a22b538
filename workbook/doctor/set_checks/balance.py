"""How much there is of each kind: formats, labels, refusals."""

from collections import Counter
from collections.abc import Iterator

from workbook.doctor.fingerprints import Example
from workbook.doctor.set_checks.check import LineProblem, SetCheck
from workbook.quoting import excerpt
from workbook.rows.rules import MIN_EXAMPLES


class FormatMix(SetCheck):
    """Rows of another format than most."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.lines: dict[str, list[tuple[int, str]]] = {}

    def add(self, example: Example) -> Iterator[LineProblem]:
        self.kinds[example.kind] += 1
        lines = self.lines.setdefault(example.kind, [])
        if len(lines) < 1000:
            lines.append((example.line, example.gist))
        yield from ()

    def end(self) -> Iterator[LineProblem]:
        main, *others = [kind for kind, _ in self.kinds.most_common()] or [""]
        for kind in others:
            for line, gist in self.lines[kind]:
                yield line, ("mixed-formats", f"most rows are {main}, this one is {kind}", gist)


class Labels(SetCheck):
    """How often each answer occurs, where answers are labels, and whether one is rare.

    Answers are labels when they have fewer kinds than a third of the rows (the rule of OpenAI's
    former command-line tool), and at most 20.
    """

    MOST = 20

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.names: dict[int, str] = {}
        self.rows = 0

    def add(self, example: Example) -> Iterator[LineProblem]:
        if example.question is not None:
            self.rows += 1
            if len(self.counts) <= self.MOST:
                self.counts[example.answer] += 1
                self.names.setdefault(example.answer, example.label)
        yield from ()

    @property
    def labels(self) -> Counter[str] | None:
        """How often each label occurs; None where the answers are no labels."""
        if len(self.counts) > self.MOST or 3 * len(self.counts) >= self.rows:
            return None
        return Counter({self.names[key]: count for key, count in self.counts.items()})

    def end(self) -> Iterator[LineProblem]:
        counts = self.labels
        if not counts:
            return
        (common, most), (rare, least) = counts.most_common()[0], counts.most_common()[-1]
        if len(counts) == 1:
            if self.rows >= MIN_EXAMPLES:
                yield None, ("same-answer", f"every answer is “{excerpt(common, 40)}”", "")
        elif most >= 3 * least:
            message = f"{most} × “{excerpt(common, 40)}”, but only {least} × “{excerpt(rare, 40)}”"
            yield None, ("imbalance", message, "")


class Refusals(SetCheck):
    """The share of answers that refuse."""

    def __init__(self) -> None:
        self.rows = self.refusals = 0

    def add(self, example: Example) -> Iterator[LineProblem]:
        self.rows += 1
        self.refusals += example.refuses
        yield from ()

    def end(self) -> Iterator[LineProblem]:
        if self.rows >= MIN_EXAMPLES and self.refusals > 0.1 * self.rows:
            share = self.refusals / self.rows
            message = f"{self.refusals} of {self.rows} answers refuse ({share:.0%})"
            yield None, ("refusals", message, "")
