"""Questions that an earlier file asks, too: what is trained on can't be tested on."""

from collections.abc import Iterator

from workbook.doctor.fingerprints import Example
from workbook.doctor.limits import SAMPLE
from workbook.doctor.near_duplicates import SHORTEST, NearIndex
from workbook.doctor.set_checks.check import FirstSeen, LineProblem, SetCheck

_LINE_BITS = 40  # of a place: a file's number stands above its line


class Leaks(SetCheck):
    """Rows that ask what a row of an earlier file asks, or nearly that.

    One for all files: `begin` says whose rows come next. Near ones are looked for among the first
    `SAMPLE` rows of each file.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self.questions = FirstSeen()
        self.index: NearIndex | None = None

    def begin(self, name: str) -> None:
        """The examples that follow are of this file."""
        self.files.append(name)
        self.rows = 0

    def add(self, example: Example) -> Iterator[LineProblem]:
        self.rows += 1
        if not example.user:
            return
        file = len(self.files) - 1
        here = file << _LINE_BITS | example.line
        first = self.questions.place(example.user, here)
        if first >> _LINE_BITS != file:
            message = f"asks the same as {self._name(first)}"
            yield example.line, ("leakage", message, example.gist)
            return
        if self.rows > SAMPLE or example.texts is None or len(example.texts[0]) < SHORTEST:
            return
        if first == here:  # not when this file asked it before
            self.index = self.index or NearIndex()
            nearest = self.index.match(
                here, example.texts[0], lambda place: place >> _LINE_BITS != file
            )
            if nearest:
                place, share = nearest
                message = f"asks nearly ({share:.0%}) the same as {self._name(place)}"
                yield example.line, ("near-leakage", message, example.gist)

    def _name(self, place: int) -> str:
        line = place & (1 << _LINE_BITS) - 1
        return f"line {line} of {self.files[place >> _LINE_BITS]}"

    def end(self) -> Iterator[LineProblem]:
        if self.rows > SAMPLE:
            message = f"near leaks: the first {SAMPLE:,} rows of each file were compared"
            yield None, ("sampled", message, "")
        yield from self.questions.limit("leaks: questions")
