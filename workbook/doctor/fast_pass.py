"""The fast pass over large JSONL files: structure, token counts and price, in several processes.

Does what OpenAI's Cookbook notebook does (section A of the checks), with line numbers, in bounded
memory: each process reads its own part of the file. What it finds in a row is found by the same
functions as `doctor.check` (`workbook.doctor.row_checks`), after a quick look that good rows pass.
"""

import os
import signal
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import psutil
from tqdm import tqdm

from workbook import quoting
from workbook.doctor import codes, personal_data, readers, row_checks
from workbook.doctor.codes import Line, Problem
from workbook.prices import costs, registry, tokens
from workbook.rows import rules
from workbook.rows.validator import format_of

if TYPE_CHECKING:
    from workbook.doctor.report import Finding

_PART = 16 * 1024 * 1024  # bytes a task
_WORTH = 128 * 1024 * 1024  # bytes for which it pays to start another process
_GROWTH = 128 * 1024 * 1024  # bytes of memory after which the counter is started anew
_LONG = 100_000  # characters; longer texts are counted as `report.tokens_of` does, in pieces
_KEPT = 10_000  # findings of one code
_ROLES = frozenset(rules.ROLES)
Count = Callable[[str], int]


@dataclass
class Scan:
    """What a scan found. Lines are numbered through the whole file."""

    lines: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    """How many findings of each code there are."""
    found: list[tuple[str, int, str, str]] = field(default_factory=list)
    """(code, line, message, excerpt) of the first of each; line 0 is the file as a whole."""
    counts: array = field(default_factory=lambda: array("i"))
    """Tokens of each example, in the order of the file."""
    answers: array = field(default_factory=lambda: array("i"))
    """Tokens of its answers."""
    without_system: int = 0

    @property
    def rows(self) -> int:
        return len(self.counts)

    @property
    def tokens(self) -> int:
        return sum(self.counts)

    @property
    def findings(self) -> "tuple[Finding, ...]":
        """The first findings of each code, in the order of their lines."""
        from workbook.doctor.report import Finding

        return tuple(
            Finding(code, line or None, message, quoted)
            for code, line, message, quoted in sorted(self.found, key=lambda each: each[1])
        )

    def cost(self, model: str, n_epochs: int | None = None) -> costs.Estimate:
        """What training on the file costs. Raises WorkbookError where no price is known."""
        return costs.estimate(self.counts, model, n_epochs)

    def add(self, code: str, line: int, message: str, quoted: Any) -> None:
        """Count a finding, and keep it if it is one of the first."""
        self.codes[code] += 1
        if self.codes[code] <= _KEPT:
            quoted = quoted if isinstance(quoted, str) else quoting.as_json(quoted, in_order=False)
            self.found.append(
                (
                    code,
                    line,
                    personal_data.hide(message),
                    quoting.excerpt(personal_data.hide(quoted)),
                )
            )

    def append(self, part: "Scan") -> None:
        """Add what was found in the part that follows."""
        room = {code: _KEPT - self.codes[code] for code in part.codes}
        for code, line, message, quoted in part.found:
            if room[code] > 0:
                room[code] -= 1
                self.found.append((code, line + self.lines, message, quoted))
        self.lines += part.lines
        self.codes.update(part.codes)
        self.counts.extend(part.counts)
        self.answers.extend(part.answers)
        self.without_system += part.without_system

    def end(self, problems: Iterable[Problem]) -> None:
        """Add what is said of the file as a whole, when all its parts are there."""
        for code, message, quoted in problems:
            self.add(code, 0, message, quoted)
        if self.rows < codes.ADVISED:
            from workbook.doctor.report import size_problems  # here: it brings pandas

            for code, message in size_problems(self.rows):
                self.add(code, 0, message, "")


def scan(path: str | Path, model: str, processes: int | None = None) -> Scan:
    """Scan a training file, plain JSONL in several processes, anything else in this one.

    processes   as many as the file is worth, up to one a processor, unless told
    Raises WorkbookError for an unknown model or a missing file.
    """
    encoding = tokens.encoding_for(model)
    limit = registry.get(model).max_example_tokens
    source = readers.open_source(path)
    if source.plain:
        whole = _in_parts(source.path, encoding, limit, processes)
    else:  # packed, in UTF-16, or no JSONL: one stream
        whole = look(
            tqdm(
                source.raw_lines(),
                desc=f"scanning {source.path.name}",
                unit=" rows",
                delay=2,
                leave=False,
            ),
            True,
            encoding,
            limit,
        )
    whole.end(source.problems)
    return whole


def _in_parts(path: Path, encoding: str, limit: int | None, processes: int | None) -> Scan:
    whole, size = Scan(), path.stat().st_size
    processes = processes or min(os.cpu_count() or 1, size // _WORTH + 1)
    work = [(str(path), start, end, encoding, limit) for start, end in _parts(path)]
    with tqdm(
        desc=f"scanning {path.name}", total=size, unit="B", unit_scale=True, delay=2, leave=False
    ) as bar:
        for (_, start, end, _, _), part in zip(work, _done(work, processes), strict=True):
            whole.append(part)
            bar.update(end - start)
    return whole


def _done(work: list[tuple], processes: int) -> Iterator[Scan]:
    """The parts in their order, however many processes work on them."""
    if min(processes, len(work)) <= 1:
        yield from (_part(*task) for task in work)
        return
    # Spawned, not forked: the caller (a notebook's kernel) has threads. Ctrl-C is its affair.
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield from pool.map(_part, *zip(*work, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)


def _parts(path: Path) -> Iterator[tuple[int, int]]:
    """(start, end) of parts that begin and end between lines."""
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start = 0
        while start < size:
            stream.seek(min(start + _PART, size))
            next(readers.cut_lines(stream), None)
            end = stream.tell()
            yield start, end
            start = end


def _part(path: str, start: int, end: int, encoding: str, limit: int | None) -> Scan:
    with open(path, "rb") as stream:
        stream.seek(start)
        return look(readers.cut_lines(stream, end - start), start == 0, encoding, limit)


def look(lines: Iterable[bytes | Line], first: bool, encoding: str, limit: int | None) -> Scan:
    """What is found in some lines.

    first   whether the file's first line is one of them: it may open with a byte order mark
    """
    found = Scan()
    count, remembered, memory = _counters(encoding)
    loads = orjson.loads
    for raw in lines:
        found.lines = number = found.lines + 1
        try:
            seen = _plain(loads(raw), count, remembered)
        except Exception:  # not JSON, or not as usual: the careful functions look at it
            seen = None
        if seen is None or len(raw) > rules.MAX_LINE:
            if isinstance(raw, Line):
                line, number = raw, raw.number
            else:
                line = readers.line_of(1 if first and number == 1 else 2, raw)
            seen = _careful(line, number, count, found)
            if seen is None:
                continue
        total, answers, system = seen
        found.counts.append(total)
        found.answers.append(answers)
        if not system:
            found.without_system += 1
        if limit and total > limit:
            found.add(
                "too-long", number, f"{total:,} tokens, of which the model reads {limit:,}", ""
            )
    if _memory() > memory + _GROWTH:
        _counters.cache_clear()
    return found


@cache
def _counters(encoding: str) -> tuple[Count, Count, int]:
    """(a counter, one that remembers what often comes again, the memory in use at this time)."""
    quick = tokens.counter(encoding)

    def count(text: str) -> int:
        if len(text) <= _LONG:
            return quick(text)
        return sum(quick(text[at : at + _LONG]) for at in range(0, len(text), _LONG))

    return count, lru_cache(2_000)(quick), _memory()


def _memory() -> int:
    return psutil.Process().memory_info().rss


def _plain(row: Any, count: Count, remembered: Count) -> tuple[int, int, bool] | None:
    """(tokens, those of the answers, whether there is a system message) of a plain chat row; None
    for a row that is not plain, or that something may be wrong with."""
    messages = row["messages"]
    if len(row) != 1 or type(messages) is not list or not messages:
        return None
    total, answers, roles = tokens.PER_CONVERSATION, 0, set()
    for message in messages:
        role, said = message["role"], message["content"]
        if (
            len(message) != 2
            or type(said) is not str
            or role not in _ROLES
            or not said
            or said.isspace()
        ):
            return None
        # System messages and labels come again and again.
        number = (
            remembered(said) if len(said) < (5_000 if role == "system" else 25) else count(said)
        )
        total += tokens.PER_MESSAGE + remembered(role) + number
        if role == "assistant":
            answers += number
        roles.add(role)
    if role != "assistant" or "user" not in roles or "tool" in roles:
        return None
    return total, answers, "system" in roles or "developer" in roles


def _careful(line: Line, number: int, count: Count, found: Scan) -> tuple[int, int, bool] | None:
    """As `_plain`, for any line; None for what is no example. What is wrong goes to `found`."""
    from workbook.doctor.report import (
        tokens_of,
    )  # here: good rows don't need it, and it brings pandas

    for code, message, quoted in line.problems:
        found.add(code, number, message, quoted)
    if not line.readable:
        return None
    for code, message, quoted in row_checks.check_row(line.value):
        if codes.CODES[code].severity == "error" or code == "no-user":
            found.add(code, number, message, quoted)
    if format_of(line.value) is None:
        return None
    listed = line.value.get("messages")
    system = (
        any(
            isinstance(message, dict) and message.get("role") in ("system", "developer")
            for message in listed
        )
        if isinstance(listed, list)
        else False
    )
    return *tokens_of(line.value, count), system
