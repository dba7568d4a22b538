"""What can be wrong with a set of examples: repetition, contradiction, imbalance, leaks.

Each check is shown the examples one after the other, as `helpers.examples` has them, and keeps
numbers, not rows: about 300 bytes a row for the first `REMEMBERED` rows, none for later ones.
Single rows are looked at in `helpers.checks`.
"""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from helpers.codes import MINIMUM, Problem, excerpt
from helpers.examples import Example

Found = tuple[int | None, Problem]
SAMPLE = 20_000
"""Rows that are compared for near duplicates."""
REMEMBERED = 1_000_000
"""Different rows, and different questions, that later ones are compared with."""
NEAR = 0.85
"""Share of five-letter pieces (Jaccard) from which two texts are nearly the same."""
PREFIX, ANSWER_PREFIX = 12, 5
"""Characters: the removed command-line tool's figures for common prefixes."""
_PERMUTATIONS = 64
_CANDIDATES = 20  # texts that one text is compared with letter by letter
_FIRST = 10  # texts from which a common beginning and end are learned
_SHORTEST = 40  # letters; shorter texts are alike too easily
_NUMBER = re.compile(r"\d+")
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

    def place(self, key: int, here: int) -> int:
        """Where the same was first; `here` if nowhere."""
        if len(self.places) < REMEMBERED:
            return self.places.setdefault(key, here)
        return self.places.get(key, here)

    def limit(self, what: str) -> Iterator[Found]:
        """That not everything was compared, if it was not."""
        if len(self.places) >= REMEMBERED:
            yield None, ("sampled", f"{what} were compared with the first {REMEMBERED:,} different "
                         "ones only", "")


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
            yield example.line, ("contradiction", f"answer “{quoted}”, but line {line} answers "
                                 f"the same{other}", example.gist)

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
        return Counter({self.names[key]: count for key, count in self.counts.items()}) \
            if few else None

    def end(self) -> Iterator[Found]:
        counts = self.labels
        if not counts:
            return
        (common, most), (rare, least) = counts.most_common()[0], counts.most_common()[-1]
        if len(counts) == 1:
            if self.rows >= MINIMUM:
                yield None, ("same-answer", f"every answer is “{excerpt(common, 40)}”", "")
        elif most >= 3 * least:
            yield None, ("imbalance", f"{most} × “{excerpt(common, 40)}”, but only {least} × "
                         f"“{excerpt(rare, 40)}”", "")


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
            yield None, ("system-varies",
                         f"{len(self.seen)} different system messages (or none){none}", "")


class Refusals(Check):
    """The share of answers that refuse."""

    def __init__(self) -> None:
        self.rows = self.refused = 0

    def add(self, example: Example) -> Iterator[Found]:
        self.rows += 1
        self.refused += example.refuses
        yield from ()

    def end(self) -> Iterator[Found]:
        if self.rows >= MINIMUM and self.refused > 0.1 * self.rows:
            yield None, ("refusals", f"{self.refused} of {self.rows} answers refuse "
                         f"({self.refused / self.rows:.0%})", "")


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
        often = {name: count for name, count in self.seen.most_common()
                 if count >= max(3, 0.1 * min(self.rows, SAMPLE))}
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
        for name, start, end in ((f"{kind} question", head, tail),
                                 (f"{kind} answer", its_head, its_tail)):
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
        if (rows := self.rows["chat"]) >= MINIMUM:
            head = self.heads["chat question"]
            if len(head) > PREFIX:
                yield None, ("user-prefix", f"all {rows} questions begin “{excerpt(head, 40)}”", "")
            head = self.heads["chat answer"]
            if len(head) >= ANSWER_PREFIX and len(self.answers) > 1:
                yield None, ("answer-prefix", f"all {rows} answers begin “{excerpt(head, 40)}”", "")
            if 0.1 * rows <= self.ended <= 0.9 * rows and rows - self.ended > 1:
                yield None, ("endings-vary", f"{self.ended} of {rows} answers end with a mark", "")
        if (rows := self.rows["completion"]) >= MINIMUM:
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
            yield None, ("no-space", f"{rows - self.spaced} of {rows} completions begin without a "
                         "space", "")


def common_start(one: str, other: str) -> str:
    """What both texts begin with."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:place]
    return min(one, other, key=len)


class Near:
    """Texts that differ in letters only, not in numbers: by MinHash (datasketch), then exactly.

    What opens or ends all of the first texts (an instruction before every question) is left out of
    the comparison: it would make everything nearly the same.
    """

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.head = self.tail = ""
        self.index: Any = None
        """Once the first texts are known; those are few enough to be compared one by one."""

    def look(self, key: int, text: str, wanted: Callable[[int], bool] = lambda key: True
             ) -> tuple[int, float] | None:
        """The key of an earlier text that is nearly this one, and the share that is the same."""
        if self.index is None:
            self._learn(text)
        core = self._core(text)
        if len(core) < _SHORTEST:
            self.texts[key] = text
            return None
        hashed = self._hashed(core) if self.index is not None else None
        others = self.texts if hashed is None else self.index.query(hashed)
        pieces, numbers = _shingles(core), _NUMBER.findall(text)
        found = None
        for other in sorted(filter(wanted, others))[:_CANDIDATES]:
            its = self.texts[other]
            if numbers == _NUMBER.findall(its) \
                    and (share := _jaccard(pieces, _shingles(self._core(its)))) >= NEAR:
                found = other, share
                break
        self.texts[key] = text
        if hashed is not None:
            self.index.insert(key, hashed)
        elif len(self.texts) == _FIRST:
            self._settle()
        return found

    def _learn(self, text: str) -> None:
        self.head = common_start(self.head, text) if self.texts else text
        self.tail = common_start(self.tail[::-1], text[::-1])[::-1] if self.texts else text

    def _core(self, text: str) -> str:
        if len(self.texts) < 2 or not (text.startswith(self.head) and text.endswith(self.tail)):
            return text
        return text[len(self.head):max(len(self.head), len(text) - len(self.tail))]

    def _settle(self) -> None:
        from datasketch import MinHash, MinHashLSH  # here: its import takes a second

        # Drawing the permutations is slow; every hash shares one draw.
        self.start = MinHash(num_perm=_PERMUTATIONS, hashfunc=_piece)
        self.index = MinHashLSH(threshold=NEAR, num_perm=_PERMUTATIONS)
        for key, text in self.texts.items():
            if len(core := self._core(text)) >= _SHORTEST:
                self.index.insert(key, self._hashed(core))

    def _hashed(self, text: str) -> Any:
        hashed = self.start.copy()
        hashed.update_batch(list(_shingles(text)))
        return hashed


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
            yield example.line, ("near-duplicate", f"line {line} but for case and signs",
                                 example.gist)
        elif len(text) >= _SHORTEST:
            self.near = self.near or Near()
            if found := self.near.look(example.line, text):
                yield example.line, ("near-duplicate", f"{found[1]:.0%} the same as line "
                                     f"{found[0]}", example.gist)

    def end(self) -> Iterator[Found]:
        if self.rows > SAMPLE:
            yield None, ("sampled", f"near duplicates and languages: the first {SAMPLE:,} of "
                         f"{self.rows:,} rows were compared", "")


def _piece(piece: str) -> int:
    """32 bits of a piece, the same in every process."""
    return zlib.crc32(piece.encode("utf-8", "replace"))


def _shingles(text: str, size: int = 5) -> set[str]:
    """All pieces of that many letters."""
    return {text[start:start + size] for start in range(max(1, len(text) - size + 1))}


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


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
        if self.rows > SAMPLE or example.texts is None or len(example.texts[0]) < _SHORTEST:
            return
        if there == here:  # not when this file asked it before
            self.near = self.near or Near()
            if found := self.near.look(here, example.texts[0], lambda key: key >> 40 != file):
                yield example.line, ("near-leakage", f"asks nearly ({found[1]:.0%}) the same as "
                                     f"{self._told(found[0])}", example.gist)

    def _told(self, place: int) -> str:
        return f"line {place & (1 << 40) - 1} of {self.files[place >> 40]}"

    def end(self) -> Iterator[Found]:
        if self.rows > SAMPLE:
            yield None, ("sampled", f"near leaks: the first {SAMPLE:,} rows of each file were "
                         "compared", "")
        yield from self.asked.limit("leaks: questions")


def checks() -> list[Check]:
    """One of each, for one file."""
    return [Mixed(), Duplicates(), Contradictions(), Labels(), Systems(), Refusals(), Languages(),
            Style(), NearDuplicates()]
