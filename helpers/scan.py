"""The fast pass over large JSONL files: structure, token counts and price, in several processes.

Does what OpenAI's Cookbook notebook does (section A of the checks), with line numbers, in bounded
memory: each process reads its own part of the file. What it finds in a row is found by the same
functions as `dataset.check` (`helpers.checks`), after a quick look that good rows pass.
"""

import json
import os
from array import array
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import checks, costs, masks, models, readers, tokens
from helpers.checks import Line

if TYPE_CHECKING:
    from helpers.report import Finding

_PART = 32 * 1024 * 1024  # bytes a task
_REMEMBERED = 20_000  # texts whose tokens are remembered (system messages, labels)
_SHORT = 25  # characters; longer texts seldom come again, but for system messages
_KEPT = 10_000
_ROLES = frozenset(checks.ROLES)


@dataclass
class Scan:
    """What a scan found. Lines are numbered through the whole file."""

    rows: int = 0
    lines: int = 0
    tokens: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    found: list[tuple[str, int, str, str]] = field(default_factory=list)
    """(code, line, message, excerpt) of the first findings; `codes` counts all."""
    counts: array = field(default_factory=lambda: array("i"))
    """Tokens of each example, in the order of the file."""
    answers: array = field(default_factory=lambda: array("i"))
    """Tokens of its answers."""
    without_system: int = 0

    @property
    def findings(self) -> "tuple[Finding, ...]":
        """The first findings, in the order of their lines."""
        from helpers.report import Finding

        return tuple(Finding(*each) for each in sorted(self.found, key=lambda each: each[1]))

    def cost(self, model: str, n_epochs: int | None = None) -> costs.Estimate:
        """What training on the file costs. Raises WorkbookError where no price is known."""
        return costs.estimate(self.counts, model, n_epochs)


def scan(path: str | Path, model: str, processes: int | None = None) -> Scan:
    """Scan a JSONL file in UTF-8. Raises WorkbookError for an unknown model or a missing file."""
    encoding = tokens.encoding_for(model)
    limit = models.get(model).max_example_tokens
    parts = list(_parts(Path(path)))
    processes = min(processes or os.cpu_count() or 1, len(parts) or 1)
    whole = Scan()
    if processes == 1:
        for part in parts:
            _append(whole, _part(str(path), part, encoding, limit))
        return whole
    # Spawned, not forked: the caller (a notebook's kernel) has threads.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_part, str(path), part, encoding, limit) for part in parts]
        for task in waiting:
            _append(whole, task.result())
    return whole


def _parts(path: Path) -> Iterator[tuple[int, int]]:
    """(start, end) of parts that begin and end between lines."""
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            step = max(1, min(_PART, size // (2 * (os.cpu_count() or 1)) + 1))
            start = 0
            while start < size:
                stream.seek(min(start + step, size))
                stream.readline()
                end = stream.tell()
                yield start, end
                start = end
    except OSError as error:
        raise readers.Unreadable(f"{path} can't be read: {error.strerror or error}.") from None


def _append(whole: Scan, part: Scan) -> None:
    whole.found += [(code, line + whole.lines, message, quoted)
                    for code, line, message, quoted in part.found[:_KEPT - len(whole.found)]]
    whole.rows += part.rows
    whole.lines += part.lines
    whole.tokens += part.tokens
    whole.codes.update(part.codes)
    whole.counts.extend(part.counts)
    whole.answers.extend(part.answers)
    whole.without_system += part.without_system


def _part(path: str, span: tuple[int, int], encoding: str, limit: int | None) -> Scan:
    found, known = Scan(), OrderedDict()
    vocabulary = tokens.vocabulary(encoding)
    count, loads = _counter(vocabulary, known), _loads()
    batch = _Batch(vocabulary.sizes)
    numbers = array("q")  # the line of each example
    start, end = span
    with open(path, "rb") as stream:
        stream.seek(start)
        place = start
        while place < end:
            raw = stream.readline()
            place += len(raw)
            found.lines += 1
            try:
                row = loads(raw)
                system = _good(row)
            except Exception:  # not JSON, or not as usual: the careful functions look at it
                system = None
            if system is not None:
                total, answers = batch.add(row["messages"], count, len(found.counts))
            else:
                # Only the file's first line may open with a byte order mark.
                first = start == 0 and found.lines == 1
                line = readers.line_of(1 if first else 2, raw)
                careful = _careful(Line(found.lines, line.value, line.problems, line.readable),
                                   count, found)
                if careful is None:
                    continue
                total, answers, system = careful
            found.without_system += not system
            found.counts.append(total)
            found.answers.append(answers)
            numbers.append(found.lines)
            if batch.full:
                batch.settle(found)
    batch.settle(found)
    found.rows, found.tokens = len(found.counts), sum(found.counts)
    for number, total in zip(numbers, found.counts, strict=True):
        if limit and total > limit:
            _add(found, "too-long", number, f"{total:,} tokens, of which the model reads {limit:,}",
                 "")
    return found


class _Batch:
    """Texts of many rows, counted in one call."""

    LARGEST = 1_000_000  # characters

    def __init__(self, sizes: Callable[[list[str]], list[int]]) -> None:
        self.sizes = sizes
        self.texts: list[str] = []
        self.places: list[tuple[int, bool]] = []  # (row, whether an answer)
        self.letters = 0

    def add(self, messages: list[dict], count: Any, row: int) -> tuple[int, int]:
        """Tokens that are known at once; those of the texts are added by `settle`."""
        total = tokens.PER_CONVERSATION
        answers = 0
        for message in messages:
            role, said = message["role"], message["content"]
            total += tokens.PER_MESSAGE + count(role)
            if role == "system" or len(said) < _SHORT:
                number = count(said)
                total += number
                answers += number if role == "assistant" else 0
            else:
                self.texts.append(said)
                self.places.append((row, role == "assistant"))
                self.letters += len(said)
        return total, answers

    @property
    def full(self) -> bool:
        return self.letters > self.LARGEST

    def settle(self, found: Scan) -> None:
        """Count what waits, and add it to its rows."""
        try:
            sizes = self.sizes(self.texts)
        except Exception:  # tiktoken gives up on a million spaces in a row: piece by piece
            sizes = [sum(self.sizes([text[at:at + 100_000]])[0]
                         for at in range(0, len(text), 100_000)) for text in self.texts]
        for (row, answer), size in zip(self.places, sizes, strict=True):
            found.counts[row] += size
            if answer:
                found.answers[row] += size
        self.texts, self.places, self.letters = [], [], 0


def _loads() -> Any:
    try:
        import orjson
    except ModuleNotFoundError:
        return json.loads
    return orjson.loads


def _counter(vocabulary: tokens.Vocabulary, known: "OrderedDict[str, int]") -> Any:
    """A function from a text to its tokens that remembers the last texts."""
    encode = vocabulary.encode

    def count(text: str) -> int:
        if (before := known.get(text)) is not None:
            return before
        number = len(encode(text))
        if len(known) >= _REMEMBERED:
            known.popitem(last=False)
        known[text] = number
        return number

    return count


def _good(row: Any) -> bool | None:
    """Whether a plain chat row has a system message; None for a row that is not plain, or that
    something may be wrong with."""
    messages = row["messages"]
    if len(row) != 1 or type(messages) is not list or not messages:
        return None
    roles = set()
    for message in messages:
        said, role = message["content"], message["role"]
        if len(message) != 2 or type(said) is not str or role not in _ROLES or not said \
                or said.isspace():
            return None
        roles.add(role)
    if role != "assistant" or "user" not in roles or "tool" in roles:
        return None
    return "system" in roles or "developer" in roles


def _careful(line: Line, count: Any, found: Scan) -> tuple[int, int, bool] | None:
    from helpers.report import tokens_of  # here: good rows don't need it, and it brings pandas

    for code, message, quoted in line.problems:
        _add(found, code, line.number, message, quoted)
    if not line.readable:
        return None
    for code, message, quoted in checks.check_row(line.value):
        if checks.CODES[code].severity == "error" or code == "no-user":
            _add(found, code, line.number, message, quoted)
    if checks.format_of(line.value) is None:
        return None
    listed = line.value.get("messages")
    system = any(isinstance(message, dict) and message.get("role") in ("system", "developer")
                 for message in listed) if isinstance(listed, list) else False
    return *tokens_of(line.value, count), system


def _add(found: Scan, code: str, number: int, message: str, quoted: Any) -> None:
    found.codes[code] += 1
    if len(found.found) < _KEPT:
        quoted = quoted if isinstance(quoted, str) else checks.as_json(quoted, in_order=False)
        found.found.append((code, number, message, checks.excerpt(masks.hide(quoted))))
