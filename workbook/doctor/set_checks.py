"""What can be wrong with a set of examples: repetition, contradiction, imbalance, leaks.

Each check is shown the examples one after the other, as `workbook.doctor.fingerprints` has them, and keeps
numbers, not rows: about 300 bytes a row for the first `REMEMBERED` rows, none for later ones.
Single rows are looked at in `workbook.doctor.row_checks`.
"""

from collections import Counter
from collections.abc import Iterator

from workbook.doctor.codes import Problem
from workbook.doctor.fingerprints import Example
from workbook.doctor.near_duplicates import SHORTEST, Near, common_start
from workbook.quoting import excerpt
from workbook.rows.rules import MIN_EXAMPLES

Found = tuple[int | None, Problem]
SAMPLE = 20_000
"""Rows that are compared for near duplicates."""
REMEMBERED = 1_000_000
"""Different rows, and different questions, that later ones are compared with."""
PREFIX, ANSWER_PREFIX = 12, 5
"""Characters: the removed command-line tool's figures for common prefixes."""
_QUOTED = 100_000  # answers kept to be quoted in contradictions


class Check:
    """One check of the set; it knows nothing of files."""

    def add(self, example: Example) -> Iterator[Found]:
        """Look at the next example."""
        yield from ()

    def end(self) -> Iterator[Found]:
        """Say what only the whole set shows."""
        yield from ()


class _First:
    """By fingerprint, where something was first seen; at most `REMEMBERED` are kept."""

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.full = False

    def place(self, key: int, here: int) -> int:
        """Where the same was first; `here` if nowhere."""
        if len(self.places) < REMEMBERED:
            return self.places.setdefault(key, here)
        self.full = self.full or key not in self.places
        return self.places.get(key, here)

    def limit(self, what: str) -> Iterator[Found]:
        """That not everything was compared, if it was not."""
        if self.full:
            yield (
                None,
                (
                    "sampled",
                    f"{what} were compared with the first {REMEMBERED:,} different ones only",
                    "",
                ),
            )


class Mixed(Check):
    """Rows of another format than most."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.lines: dict[str, list[tuple[int, str]]] = {}

    def add(self, example: Example) -> Iterator[Found]:
        self.kinds[example.kind] += 1
        kept = self.lines.setdefault(example.kind, [])
        if len(kept) < 1000:
            kept.append((example.line, example.gist))
        yield from ()

    def end(self) -> Iterator[Found]:
        (main, _), *others = self.kinds.most_common() or [(None, 0)]
        for kind, _ in others:
            for line, quoted in self.lines[kind]:
                yield line, ("mixed-formats", f"most rows are {main}, this one is {kind}", quoted)


class Duplicates(Check):
    """Rows that were there before."""

    def __init__(self) -> None:
        self.rows = _First()

    def add(self, example: Example) -> Iterator[Found]:
        line = self.rows.place(example.row, example.line)
        if line != example.line:
            yield example.line, ("duplicate", f"the same as line {line}", example.gist)

    def end(self) -> Iterator[Found]:
        yield from self.rows.limit("equal rows: rows")


class Contradictions(Check):
    """Other answers to what was asked before."""

    def __init__(self) -> None:
        self.questions = _First()
        self.quotes: dict[int, str] = {}

    def add(self, example: Example) -> Iterator[Found]:
        if not example.question:
            return
        # One number for both: the line, and 32 bits of the answer.
        here = example.line << 32 | example.answer & 0xFFFFFFFF
        there = self.questions.place(example.question, here)
        quoted = excerpt(example.label, 30)
        if there == here:
            if len(self.quotes) < _QUOTED:
                self.quotes[example.line] = quoted
        elif (there ^ here) & 0xFFFFFFFF:
            line = there >> 32
            other = f" with “{self.quotes[line]}”" if line in self.quotes else " otherwise"
            yield (
                example.line,
                (
                    "contradiction",
                    f"answer “{quoted}”, but line {line} answers the same{other}",
                    example.gist,
                ),
            )

    def end(self) -> Iterator[Found]:
        yield from self.questions.limit("contradictions: questions")


class Labels(Check):
    """How often each answer occurs, where answers are labels, and whether one is rare.

    Answers are labels when they have fewer kinds than a third of the rows (the rule of OpenAI's
    former command-line tool), and at most 20.
    """

    MOST = 20

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.names: dict[int, str] = {}
        self.rows = 0

    def add(self, example: Example) -> Iterator[Found]:
        if example.question is not None:
            self.rows += 1
            if len(self.counts) <= self.MOST:
                self.counts[example.answer] += 1
                self.names.setdefault(example.answer, example.label)
        yield from ()

    @property
    def labels(self) -> Counter[str] | None:
        few = len(self.counts) <= self.MOST and 3 * len(self.counts) < self.rows
        return (
            Counter({self.names[key]: count for key, count in self.counts.items()}) if few else None
        )

    def end(self) -> Iterator[Found]:
        counts = self.labels
        if not counts:
            return
        (common, most), (rare, least) = counts.most_common()[0], counts.most_common()[-1]
        if len(counts) == 1:
            if self.rows >= MIN_EXAMPLES:
                yield None, ("same-answer", f"every answer is “{excerpt(common, 40)}”", "")
        elif most >= 3 * least:
            yield (
                None,
                (
                    "imbalance",
                    f"{most} × “{excerpt(common, 40)}”, but only {least} × “{excerpt(rare, 40)}”",
                    "",
                ),
            )


class Systems(Check):
    """Different system messages, or rows without one."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.without = 0

    def add(self, example: Example) -> Iterator[Found]:
        if example.system is not None:
            self.without += not example.system
            if len(self.seen) < 100_000:
                self.seen.add(example.system)
        yield from ()

    def end(self) -> Iterator[Found]:
        if len(self.seen) > 1:
            none = f", {self.without} rows have none" if self.without else ""
            yield (
                None,
                (
                    "system-varies",
                    f"{len(self.seen)} different system messages (or none){none}",
                    "",
                ),
            )


class Refusals(Check):
    """The share of answers that refuse."""

    def __init__(self) -> None:
        self.rows = self.refused = 0

    def add(self, example: Example) -> Iterator[Found]:
        self.rows += 1
        self.refused += example.refuses
        yield from ()

    def end(self) -> Iterator[Found]:
        if self.rows >= MIN_EXAMPLES and self.refused > 0.1 * self.rows:
            yield (
                None,
                (
                    "refusals",
                    f"{self.refused} of {self.rows} answers refuse "
                    f"({self.refused / self.rows:.0%})",
                    "",
                ),
            )


class Languages(Check):
    """Answers in more than one language; every language that has a tenth of the rows counts."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.rows = 0

    def add(self, example: Example) -> Iterator[Found]:
        self.rows += 1
        if self.rows <= SAMPLE and example.language:
            self.seen[example.language] += 1
        yield from ()

    def end(self) -> Iterator[Found]:
        often = {
            name: count
            for name, count in self.seen.most_common()
            if count >= max(3, 0.1 * min(self.rows, SAMPLE))
        }
        if len(often) > 1:
            told = ", ".join(f"{name} {count}" for name, count in often.items())
            yield None, ("language-mix", f"answers in several languages: {told}", "")


class Style(Check):
    """Common openings and endings of questions and answers, as the two formats want them."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.heads: dict[str, str] = {}
        self.tails: dict[str, str] = {}
        self.ended = self.spaced = self.empty = 0
        self.answers: set[int] = set()

    def add(self, example: Example) -> Iterator[Found]:
        kind = example.kind
        if example.question is None or kind == "preference":
            return
        self.rows[kind] += 1
        head, tail, its_head, its_tail = example.edges
        for name, start, end in (
            (f"{kind} question", head, tail),
            (f"{kind} answer", its_head, its_tail),
        ):
            self.heads[name] = common_start(self.heads.get(name, start), start)
            self.tails[name] = common_start(self.tails.get(name, end)[::-1], end[::-1])[::-1]
        if len(self.answers) < 2:
            self.answers.add(example.answer)
        self.ended += kind == "chat" and example.ended
        if kind == "completion":
            self.empty += example.empty
            self.spaced += its_head[:1].isspace()
        yield from ()

    def end(self) -> Iterator[Found]:
        if (rows := self.rows["chat"]) >= MIN_EXAMPLES:
            head = self.heads["chat question"]
            if len(head) > PREFIX:
                yield None, ("user-prefix", f"all {rows} questions begin “{excerpt(head, 40)}”", "")
            head = self.heads["chat answer"]
            if len(head) >= ANSWER_PREFIX and len(self.answers) > 1:
                yield None, ("answer-prefix", f"all {rows} answers begin “{excerpt(head, 40)}”", "")
            if 0.1 * rows <= self.ended <= 0.9 * rows and rows - self.ended > 1:
                yield None, ("endings-vary", f"{self.ended} of {rows} answers end with a mark", "")
        if (rows := self.rows["completion"]) >= MIN_EXAMPLES:
            yield from self._completions(rows)

    def _completions(self, rows: int) -> Iterator[Found]:
        if self.empty == rows:
            yield None, ("open-ended", f"all {rows} prompts are empty", "")
        else:
            head = self.heads["completion question"]
            if len(head) > PREFIX:
                yield None, ("user-prefix", f"all {rows} prompts begin “{excerpt(head, 40)}”", "")
            if not self.tails["completion question"]:
                yield None, ("no-separator", f"the {rows} prompts have no common end", "")
        head = self.heads["completion answer"]
        if len(head.strip()) >= ANSWER_PREFIX and len(self.answers) > 1:
            yield None, ("answer-prefix", f"all {rows} completions begin “{excerpt(head, 40)}”", "")
        if not self.tails["completion answer"]:
            yield None, ("no-ending", f"the {rows} completions have no common end", "")
        if self.spaced < rows:
            yield (
                None,
                (
                    "no-space",
                    f"{rows - self.spaced} of {rows} completions begin without a space",
                    "",
                ),
            )


class NearDuplicates(Check):
    """Rows that are nearly the same; the first `SAMPLE` are compared, and that is said."""

    def __init__(self) -> None:
        self.rows = 0
        self.first: dict[str, int] = {}
        self.exact: set[int] = set()
        self.near: Near | None = None

    def add(self, example: Example) -> Iterator[Found]:
        self.rows += 1
        if self.rows > SAMPLE or example.texts is None or example.row in self.exact:
            return  # `duplicate` tells of equal ones
        self.exact.add(example.row)
        text = " ".join(example.texts)
        line = self.first.setdefault(text, example.line)
        if line != example.line:
            yield (
                example.line,
                ("near-duplicate", f"line {line} but for case and signs", example.gist),
            )
        elif len(text) >= SHORTEST:
            self.near = self.near or Near()
            if found := self.near.look(example.line, text):
                yield (
                    example.line,
                    ("near-duplicate", f"{found[1]:.0%} the same as line {found[0]}", example.gist),
                )

    def end(self) -> Iterator[Found]:
        if self.rows > SAMPLE:
            yield (
                None,
                (
                    "sampled",
                    f"near duplicates and languages: the first {SAMPLE:,} of "
                    f"{self.rows:,} rows were compared",
                    "",
                ),
            )


class Leaks(Check):
    """Rows that ask what a row of an earlier file asks, or nearly that.

    One for all files: `begin` says whose rows come next. Near ones are looked for among the first
    `SAMPLE` rows of each file.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self.asked = _First()
        self.near: Near | None = None

    def begin(self, name: str) -> None:
        """The examples that follow are of this file."""
        self.files.append(name)
        self.rows = 0

    def add(self, example: Example) -> Iterator[Found]:
        self.rows += 1
        if not example.asked:
            return
        file = len(self.files) - 1
        here = file << 40 | example.line
        there = self.asked.place(example.asked, here)
        if there >> 40 != file:
            yield example.line, ("leakage", f"asks the same as {self._told(there)}", example.gist)
            return
        if self.rows > SAMPLE or example.texts is None or len(example.texts[0]) < SHORTEST:
            return
        if there == here:  # not when this file asked it before
            self.near = self.near or Near()
            if found := self.near.look(here, example.texts[0], lambda key: key >> 40 != file):
                yield (
                    example.line,
                    (
                        "near-leakage",
                        f"asks nearly ({found[1]:.0%}) the same as {self._told(found[0])}",
                        example.gist,
                    ),
                )

    def _told(self, place: int) -> str:
        return f"line {place & (1 << 40) - 1} of {self.files[place >> 40]}"

    def end(self) -> Iterator[Found]:
        if self.rows > SAMPLE:
            yield (
                None,
                (
                    "sampled",
                    f"near leaks: the first {SAMPLE:,} rows of each file were compared",
                    "",
                ),
            )
        yield from self.asked.limit("leaks: questions")


def checks() -> list[Check]:
    """One of each, for one file."""
    return [
        Mixed(),
        Duplicates(),
        Contradictions(),
        Labels(),
        Systems(),
        Refusals(),
        Languages(),
        Style(),
        NearDuplicates(),
    ]
