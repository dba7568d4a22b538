"""What can be wrong with a set of examples: repetition, contradiction, imbalance, leaks.

Each check sees the examples one after the other and keeps numbers, not texts, so that a file of a
million rows fits into memory. Single rows are looked at in `helpers.checks`.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from helpers import content
from helpers.checks import MINIMUM, Example, Problem, as_json, excerpt, format_of, texts_of

Found = tuple[int | None, Problem]
SAMPLE = 20_000
"""Rows that are compared for near duplicates."""
NEAR = 0.85
"""Share of five-letter pieces (Jaccard) from which two rows are nearly the same."""
PREFIX, ANSWER_PREFIX = 12, 5
"""Characters: the removed command-line tool's figures for common prefixes."""
_MARK = re.compile(r"[.!?…:;)\]}\"'”’»*`]\s*$")  # what ends a sentence, or a quotation
_PERMUTATIONS = 64
_QUOTED = 100_000  # answers kept to be quoted in contradictions


class Check:
    """One check of the set; it knows nothing of files."""

    def add(self, example: Example) -> Iterator[Found]:
        """Look at the next example."""
        yield from ()

    def end(self) -> Iterator[Found]:
        """Say what only the whole set shows."""
        yield from ()


class Mixed(Check):
    """Rows of another format than most."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.lines: dict[str, list[tuple[int, str]]] = {}

    def add(self, example: Example) -> Iterator[Found]:
        kind = format_of(example.value)
        self.kinds[kind] += 1
        kept = self.lines.setdefault(kind, [])
        if len(kept) < 1000:
            kept.append((example.line, excerpt(example.value)))
        yield from ()

    def end(self) -> Iterator[Found]:
        (main, _), *others = self.kinds.most_common() or [(None, 0)]
        for kind, _ in others:
            for line, quoted in self.lines[kind]:
                yield line, ("mixed-formats", f"most rows are {main}, this one is not", quoted)


class Duplicates(Check):
    """Rows that were there before."""

    def __init__(self) -> None:
        self.first: dict[int, int] = {}

    def add(self, example: Example) -> Iterator[Found]:
        line = self.first.setdefault(hash(as_json(example.value)), example.line)
        if line != example.line:
            yield example.line, ("duplicate", f"the same as line {line}", example.gist)


class Contradictions(Check):
    """Other answers to what was asked before."""

    def __init__(self) -> None:
        self.first: dict[int, tuple[int, int]] = {}
        self.quotes: dict[int, str] = {}

    def add(self, example: Example) -> Iterator[Found]:
        if example.question is None or example.question in ("", "[]"):
            return
        given = hash(example.answer)
        line, other = self.first.setdefault(hash(example.question), (example.line, given))
        if line == example.line and len(self.quotes) < _QUOTED:
            self.quotes[line] = excerpt(example.answer, 30)
        if other != given:
            quoted = f" with “{self.quotes[line]}”" if line in self.quotes else " otherwise"
            message = (f"answer “{excerpt(example.answer, 30)}”, but line {line} answers the same"
                       f"{quoted}")
            yield example.line, ("contradiction", message, example.gist)


class Labels(Check):
    """How often each answer occurs, where answers are labels, and whether one is rare.

    Answers are labels when they have fewer kinds than a third of the rows (the rule of OpenAI's
    former command-line tool), and at most 20.
    """

    MOST = 20

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.rows = 0

    def add(self, example: Example) -> Iterator[Found]:
        if example.question is not None:
            self.rows += 1
            if len(self.counts) <= self.MOST:
                self.counts[example.answer] += 1
        yield from ()

    @property
    def labels(self) -> Counter[str] | None:
        few = len(self.counts) <= self.MOST and 3 * len(self.counts) < self.rows
        return self.counts if few else None

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
        row = example.value
        if format_of(row) == "preference" and isinstance(row.get("input"), Mapping):
            row = row["input"]
        messages = row.get("messages")
        if isinstance(messages, list) and messages:
            systems = [message.get("content") for message in messages
                       if isinstance(message, Mapping)
                       and message.get("role") in ("system", "developer")]
            self.without += not systems
            if len(self.seen) < 100_000:
                self.seen.add(hash(as_json(systems)))
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
        self.refused += content.refuses(example.answer)
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
        if self.rows <= SAMPLE and (found := content.language(example.answer)):
            self.seen[found] += 1
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

    def add(self, example: Example) -> Iterator[Found]:
        kind = format_of(example.value)
        if example.question is None or kind == "preference":
            return
        self.rows[kind] += 1
        asked = " ".join(texts_of(example.gist))
        for name, text in ((f"{kind} question", asked), (f"{kind} answer", example.answer)):
            self.heads[name] = _common(self.heads.get(name, text), text)
            self.tails[name] = _common(self.tails.get(name, text[-40:])[::-1], text[::-1])[::-1]
        self.ended += kind == "chat" and bool(_MARK.search(example.answer[-20:]))
        if kind == "completion":
            self.empty += not asked.strip()
            self.spaced += example.answer[:1].isspace()
        yield from ()

    def end(self) -> Iterator[Found]:
        if (rows := self.rows["chat"]) >= MINIMUM:
            head = self.heads["chat question"]
            if len(head) > PREFIX:
                yield None, ("user-prefix", f"all {rows} questions begin “{excerpt(head, 40)}”", "")
            head = self.heads["chat answer"]
            if len(head) >= ANSWER_PREFIX and not self._one("chat answer"):
                yield None, ("answer-prefix", f"all {rows} answers begin “{excerpt(head, 40)}”", "")
            if 0.1 * rows <= self.ended <= 0.9 * rows and rows - self.ended > 1:
                yield None, ("endings-vary", f"{self.ended} of {rows} answers end with a mark", "")
        if (rows := self.rows["completion"]) >= MINIMUM:
            yield from self._completions(rows)

    def _one(self, name: str) -> bool:
        """Whether all texts were the same one: that is another finding."""
        return self.heads[name].endswith(self.tails[name]) and len(self.heads[name]) <= 40 \
            and self.heads[name] == self.tails[name]

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
        if len(head.strip()) >= ANSWER_PREFIX and not self._one("completion answer"):
            yield None, ("answer-prefix", f"all {rows} completions begin “{excerpt(head, 40)}”", "")
        if not self.tails["completion answer"]:
            yield None, ("no-ending", f"the {rows} completions have no common end", "")
        if self.spaced < rows:
            yield None, ("no-space", f"{rows - self.spaced} of {rows} completions begin without a "
                         "space", "")


def _common(one: str, other: str) -> str:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return one[:place]
    return min(one, other, key=len)


class NearDuplicates(Check):
    """Rows that differ in letters only, not in numbers, by MinHash (datasketch) and then exactly.

    The first `SAMPLE` rows are compared; beyond them the check says so.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.first: dict[int, int] = {}
        self.exact: set[int] = set()
        self.texts: dict[int, tuple[str, tuple[str, ...]]] = {}
        self.index: Any = None

    def add(self, example: Example) -> Iterator[Found]:
        self.rows += 1
        if self.rows > SAMPLE:
            return
        text = plain(f"{_asked(example)} ¦ {example.answer}")
        same = hash(as_json(example.value))
        if same in self.exact:
            return  # `duplicate` says so
        self.exact.add(same)
        line = self.first.setdefault(hash(text), example.line)
        if line != example.line:
            yield example.line, ("near-duplicate", f"line {line} but for case and signs",
                                 example.gist)
        elif len(text) >= 40:
            yield from self._similar(example, text)

    def _similar(self, example: Example, text: str) -> Iterator[Found]:
        from datasketch import MinHash, MinHashLSH  # here: its import takes a second

        if self.index is None:
            self.index = MinHashLSH(threshold=NEAR, num_perm=_PERMUTATIONS)
            # Drawing the permutations is slow; every hash shares one draw.
            self.start = MinHash(num_perm=_PERMUTATIONS, hashfunc=hash_piece)
        pieces = shingles(text)
        hashed = self.start.copy()
        hashed.update_batch(list(pieces))
        numbers = tuple(re.findall(r"\d+", text))
        for line in sorted(self.index.query(hashed)):
            other, its_numbers = self.texts[line]
            share = _jaccard(pieces, shingles(other))
            if share >= NEAR and numbers == its_numbers:
                yield example.line, ("near-duplicate", f"{share:.0%} the same as line {line}",
                                     example.gist)
                break
        self.index.insert(example.line, hashed)
        self.texts[example.line] = (text, numbers)

    def end(self) -> Iterator[Found]:
        if self.rows > SAMPLE:
            yield None, ("sampled", f"near duplicates: the first {SAMPLE:,} of {self.rows:,} rows "
                         "were compared", "")


def hash_piece(piece: str) -> int:
    """32 bits of a piece, the same in every process."""
    return zlib.crc32(piece.encode("utf-8", "replace"))


def plain(text: str) -> str:
    """Letters and digits in lower case, without accents, one space between words."""
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(sign for sign in text if not unicodedata.combining(sign))
    return " ".join(re.findall(r"[^\W_]+", text))


def shingles(text: str, size: int = 5) -> set[str]:
    """All pieces of that many letters."""
    return {text[start:start + size] for start in range(max(1, len(text) - size + 1))}


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def _asked(example: Example) -> str:
    """What the users of an example say; the prompt."""
    row = example.value
    if format_of(row) == "preference" and isinstance(row.get("input"), Mapping):
        row = row["input"]
    messages = row.get("messages")
    if not isinstance(messages, list):
        return example.question or ""
    return "\n".join(text for message in messages if isinstance(message, Mapping)
                     and message.get("role") == "user" for text in texts_of(message.get("content")))


class Leaks(Check):
    """Examples that ask what one of the other files asks."""

    def __init__(self, others: Mapping[str, Iterable[Example]]) -> None:
        self.asked: dict[int, tuple[str, int]] = {}
        for name, its in others.items():
            for example in its:
                if text := plain(_asked(example)):
                    self.asked.setdefault(hash(text), (name, example.line))

    def add(self, example: Example) -> Iterator[Found]:
        text = plain(_asked(example))
        if text and (there := self.asked.get(hash(text))):
            yield example.line, ("leakage", f"line {there[1]} of {there[0]} asks the same",
                                 example.gist)


def checks() -> list[Check]:
    """One of each, for one file."""
    return [Mixed(), Duplicates(), Contradictions(), Labels(), Systems(), Refusals(), Languages(),
            Style(), NearDuplicates()]
