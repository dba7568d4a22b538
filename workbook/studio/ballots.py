"""Blind votes: two models answer the same questions, the student prefers without knowing which.

Answers and votes are kept on disk as they come; what was voted on is not shown again. Knows no
pages.
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbook import doctor, paths
from workbook.doctor.writing import encode
from workbook.errors import WorkbookError
from workbook.evals import asking, completions, statistics
from workbook.evals.answers import key_of
from workbook.evals.examples import Example, from_rows
from workbook.prices import costs
from workbook.studio import datasets
from workbook.studio.host import Host

CHOICES = ("first", "second", "equal", "neither")
SAME = "same"  # both said the same: nothing to vote on
_ALONE = threading.Lock()  # the file of answers has one writer


def votes_file() -> Path:
    """Where every vote is kept, one a line."""
    return paths.work() / "evaluations" / "votes.jsonl"


@dataclass(frozen=True)
class Pair:
    """Two answers in the order in which they are shown. `a_first` is for the file, not the page."""

    example: Example
    first: str
    second: str
    a_first: bool


@dataclass
class Contest:
    """Two models and the questions that both are asked."""

    a: str
    b: str
    questions: Sequence[Example]
    temperature: float = 0.0
    max_tokens: int = 128
    _votes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise WorkbookError("Choose two different models: a vote between equals says nothing.")
        if not self.questions:
            raise WorkbookError("There is no question to vote on.")
        names = {self._name(question) for question in self.questions}
        self._votes = {
            vote["question"]: vote
            for vote in _votes()
            if {vote["a"], vote["b"]} == {self.a, self.b} and vote["question"] in names
        }

    @property
    def open_questions(self) -> list[Example]:
        """Those without a vote yet."""
        return [each for each in self.questions if self._name(each) not in self._votes]

    def pair(self, host: Host, question: Example) -> Pair:
        """Both answers, asked for unless they are on disk, in an order that nothing gives away."""
        answers = [self._ask(host, model, question) for model in (self.a, self.b)]
        digest = hashlib.sha256(f"{self._name(question)}{sorted((self.a, self.b))}".encode())
        a_first = (digest.digest()[0] % 2 == 0) == (self.a < self.b)
        first, second = answers if a_first else reversed(answers)
        return Pair(question, first, second, a_first)

    def _ask(self, host: Host, model: str, question: Example) -> str:
        with _ALONE:
            [answer] = asking.run(
                host.patient,
                model,
                [question],
                paths.work() / "evaluations" / "blind.jsonl",
                progress=False,
                temperature=self.temperature,
                max_completion_tokens=self.max_tokens,
            )
        return answer.text or ""

    def _name(self, question: Example) -> str:
        settings = {"temperature": self.temperature, "max_completion_tokens": self.max_tokens}
        return key_of("", "", question.messages, settings)

    def vote(self, pair: Pair, choice: str) -> None:
        """Keep a vote on disk. choice: one of `CHOICES`, or `SAME`."""
        sides = ("a", "b") if pair.a_first else ("b", "a")
        winner = {CHOICES[0]: sides[0], CHOICES[1]: sides[1]}.get(choice, choice)
        answers = dict(zip(sides, (pair.first, pair.second), strict=True))
        vote: dict[str, Any] = {
            "at": completions.now(),
            "question": self._name(pair.example),
            "messages": list(pair.example.messages),
            "a": self.a,
            "b": self.b,
            "answer_a": answers["a"],
            "answer_b": answers["b"],
            "shown_first": sides[0],
            "vote": winner,
        }
        file = votes_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f".{file.name}.lock")), file.open("ab") as stream:
            stream.write(encode(vote, 1))
        self._votes[vote["question"]] = vote

    def score(self) -> "Score":
        """What the votes on these questions say."""
        winners = [self._winner(vote) for vote in self._votes.values()]
        return Score(self.a, self.b, winners.count("a"), winners.count("b"), len(winners))

    def _winner(self, vote: dict[str, Any]) -> str:
        """The vote, also of an earlier contest in which the two had each other's letter."""
        if vote["vote"] in ("a", "b"):
            return "a" if vote[vote["vote"]] == self.a else "b"
        return vote["vote"]


@dataclass(frozen=True)
class Score:
    """Votes for a, for b, and all of them; the others prefer neither."""

    a: str
    b: str
    for_a: int
    for_b: int
    votes: int

    @property
    def interval(self) -> tuple[float, float, float] | None:
        """The share of decided votes that prefer b, with its 95 % interval; None without any."""
        decided = self.for_a + self.for_b
        if not decided:
            return None
        return (self.for_b / decided, *statistics.of_share(self.for_b, decided))

    @property
    def verdict(self) -> str:
        """The result in one or two sentences."""
        if self.interval is None:
            return "No vote yet that prefers one of the two."
        share, low, high = self.interval
        decided = self.for_a + self.for_b
        sentence = (
            f"{self.b} was preferred in {self.for_b} of {decided} decided votes: {share:.0%} "
            f"(95 %: {low:.0%} to {high:.0%})."
        )
        if low > 0.5 or high < 0.5:
            return f"{sentence} You prefer {self.b if low > 0.5 else self.a}, by more than chance."
        return f"{sentence} So few votes, or so even ones, can't tell the two apart."


def _votes() -> list[dict[str, Any]]:
    """All votes that were kept. Raises WorkbookError where the file holds something else."""
    file = votes_file()
    if not file.exists():
        return []
    votes = []
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            vote = json.loads(line)
            votes.append({**vote, "question": vote["question"], "a": vote["a"], "b": vote["b"]})
        except (ValueError, TypeError, KeyError):
            raise WorkbookError(
                f"Line {number} of {file} is no vote. Move the file away, or mend the line; it is "
                "left as it is."
            ) from None
    return votes


def questions(file: str, words: str, system: str, limit: int | None) -> list[Example]:
    """From a file of the work folder, or one a line of what was typed. Raises WorkbookError."""
    if file:
        return from_rows(doctor.read(datasets.path_of(file))[:limit])
    prompt = [{"role": "system", "content": system}] if system.strip() else []
    lines = [line.strip() for line in words.split("\n") if line.strip()][:limit]
    return [
        Example(str(number), [*prompt, {"role": "user", "content": line}])
        for number, line in enumerate(dict.fromkeys(lines), start=1)
    ]


def price(host: Host, models: Sequence[str], asked: Sequence[Example], max_tokens: int) -> str:
    """What the answers of both models cost at most, in a few words."""
    if host.backend.is_lab:
        return "Costs nothing on the lab."
    tokens = host.backend.count([{"messages": list(each.messages)} for each in asked])
    each = tokens // max(1, len(asked))
    prices = [host.backend.requests_usd(len(asked), each, max_tokens, model) for model in models]
    count = f"{len(asked) * len(models):,} answers"
    if None in prices:
        return f"{count}, at a price that is not known here."
    return f"{count}, at most about {costs.usd(sum(usd or 0.0 for usd in prices))}."
