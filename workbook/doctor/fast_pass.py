"""The fast pass over large JSONL files: structure, token counts and price, in several processes.

Does what OpenAI's Cookbook notebook does (section A of the checks), with line numbers, in bounded
memory: each process reads its own part of the file. What it finds in a row is found by the same
functions as `doctor.check` (`workbook.doctor.row_checks`), after a quick look that good rows pass.
"""

import os
import signal
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import orjson

from workbook.doctor import host_checks, model_checks
from workbook.doctor.codes import CODES
from workbook.doctor.findings import Finding, Findings
from workbook.doctor.lines import Line, Problem
from workbook.doctor.partial_results import kind_of, problems_of
from workbook.doctor.profiles import Profile, profile
from workbook.doctor.progress import byte_bar, watched
from workbook.doctor.readers.bounded_lines import bounded_lines
from workbook.doctor.readers.jsonl import line_of
from workbook.doctor.readers.source import open_source
from workbook.doctor.row_sizes import RowCounter, RowSize, counter
from workbook.doctor.set_checks.size import size_problems
from workbook.prices import costs, registry
from workbook.prices.token_rules import TokenRules
from workbook.rows.rules import MAX_LINE
from workbook.rows.validator import format_of

_PART = 16 * 1024 * 1024  # bytes a task
_WORTH = 128 * 1024 * 1024  # bytes for which it pays to start another process

Task = tuple[str, int, int, TokenRules, int | None, str]
"""(path, start, end, rules, limit, host): what one process does in one go."""


@dataclass
class Scan:
    """What a scan found. Lines are numbered through the whole file."""

    lines: int = 0
    log: Findings = field(default_factory=Findings)
    counts: array = field(default_factory=lambda: array("i"))
    """Tokens of each example, in the order of the file."""
    answers: array = field(default_factory=lambda: array("i"))
    """Tokens of its answers."""
    at_least: array = field(default_factory=lambda: array("i"))
    at_most: array = field(default_factory=lambda: array("i"))
    """The bounds of the tokens of each example."""
    gaps: set[str] = field(default_factory=set)
    """What of the examples no rule counts, such as a sound."""
    without_system: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """How many examples there are of each format."""
    images: int = 0
    """How many of them hold images."""

    @property
    def rows(self) -> int:
        return len(self.counts)

    @property
    def tokens(self) -> int:
        return sum(self.counts)

    @property
    def codes(self) -> Counter[str]:
        """How many findings of each code there are."""
        return self.log.totals

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The first findings of each code, in the order of their lines."""
        return self.log.by_line()

    def cost(self, model: str, n_epochs: int | None = None) -> costs.Estimate:
        """What training on the file costs. Raises WorkbookError where no price is known."""
        return costs.estimate(
            self.counts,
            model,
            n_epochs,
            at_least=self.at_least,
            at_most=self.at_most,
            gaps=self.gaps,
        )

    def append(self, part: "Scan") -> None:
        """Add what was found in the part that follows."""
        self.log.join(part.log, self.lines)
        self.lines += part.lines
        self.counts.extend(part.counts)
        self.answers.extend(part.answers)
        self.at_least.extend(part.at_least)
        self.at_most.extend(part.at_most)
        self.gaps |= part.gaps
        self.without_system += part.without_system
        self.kinds.update(part.kinds)
        self.images += part.images

    def end(self, problems: Iterable[Problem], host: Profile, model: str, size: int) -> None:
        """Add what is said of the file as a whole, when all its parts are there.

        host, model: whose rules hold.
        size: of the file, in bytes.
        """
        for code, message, value in (
            *problems,
            *host_checks.of_file(host, self.kinds, self.images, size),
            *model_checks.of_kinds(host, self.kinds, model),
            *size_problems(self.rows, host),
        ):
            self.log.add(code, None, message, value)


def scan(
    path: str | Path, model: str, processes: int | None = None, host: str | None = None
) -> Scan:
    """Scan a training file, plain JSONL in several processes, anything else in this one.

    processes: by default as many as the file is worth, up to one a processor.
    host: whose rules hold; by default the model's host.
    Raises WorkbookError for an unknown model or a missing file.
    """
    asker = profile(host, model)
    rules = registry.token_rules(model)
    limit = registry.get(model).max_example_tokens
    source = open_source(path)
    if source.plain:
        whole = _scan_in_parts(source.path, rules, limit, asker.id, processes)
    else:  # packed, in UTF-16, or no JSONL: one stream
        lines = watched(source.raw_lines(), f"scanning {source.path.name}")
        whole = scan_lines(lines, True, rules, limit, asker.id)
    whole.end(source.problems, asker, model, source.size)
    return whole


def _scan_in_parts(
    path: Path, rules: TokenRules, limit: int | None, host: str, processes: int | None
) -> Scan:
    whole, size = Scan(), path.stat().st_size
    processes = processes or min(os.cpu_count() or 1, size // _WORTH + 1)
    tasks = [(str(path), start, end, rules, limit, host) for start, end in _parts(path)]
    with byte_bar(size, f"scanning {path.name}") as bar:
        for (_, start, end, *_), part in zip(tasks, _scans(tasks, processes), strict=True):
            whole.append(part)
            bar.update(end - start)
    return whole


def _scans(tasks: list[Task], processes: int) -> Iterator[Scan]:
    """The scans of the parts in their order, however many processes work on them."""
    if min(processes, len(tasks)) <= 1:
        yield from (_scan_part(*task) for task in tasks)
        return
    # Spawned, not forked: the caller (a notebook's kernel) has threads. Ctrl-C is its affair.
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield from pool.map(_scan_part, *zip(*tasks, strict=True))
    finally:
        pool.shutdown(cancel_futures=True)


def _parts(path: Path) -> Iterator[tuple[int, int]]:
    """(start, end) of parts that begin and end between lines."""
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start = 0
        while start < size:
            stream.seek(min(start + _PART, size))
            next(bounded_lines(stream), None)
            end = stream.tell()
            yield start, end
            start = end


def _scan_part(
    path: str, start: int, end: int, rules: TokenRules, limit: int | None, host: str
) -> Scan:
    with open(path, "rb") as stream:
        stream.seek(start)
        lines = bounded_lines(stream, end - start)
        return scan_lines(lines, start == 0, rules, limit, host)


def scan_lines(
    lines: Iterable[bytes | Line],
    opens_file: bool,
    rules: TokenRules,
    limit: int | None,
    host: str | None = None,
) -> Scan:
    """What is found in some lines.

    opens_file: whether the file's first line is one of them: it may open with a byte order mark.
    rules: how the model's tokens are counted.
    limit: tokens of an example that the model reads.
    """
    result, sizes = Scan(), counter(rules)
    # A host that asks something of turns has every row looked at.
    longest = 0 if host_checks.checks_of(host).asks_turns else MAX_LINE
    for raw in lines:
        result.lines = number = result.lines + 1
        if isinstance(raw, Line):
            number = raw.number
            row_size = _size_of_any(raw, number, sizes, result, host)
        elif row_size := _size_of_plain(raw, sizes) if len(raw) <= longest else None:
            result.kinds["chat"] += 1
        else:
            line = line_of(1 if opens_file and number == 1 else 2, raw)
            row_size = _size_of_any(line, number, sizes, result, host)
        if row_size is None:
            continue
        size, answers, has_system = row_size
        result.counts.append(size.expected)
        result.answers.append(answers)
        result.at_least.append(size.at_least)
        result.at_most.append(size.at_most)
        if not has_system:
            result.without_system += 1
        if limit and size.expected > limit:
            message = f"{size.expected:,} tokens, of which the model reads {limit:,}"
            result.log.add("too-long", number, message, "")
    sizes.forget_if_large()
    return result


def _size_of_plain(raw: bytes, sizes: RowCounter) -> RowSize | None:
    """The tokens of a line that is a chat of texts, at a quick look; None for any other."""
    try:
        return sizes.plain(orjson.loads(raw))
    except ValueError:
        return None


def _size_of_any(
    line: Line, number: int, sizes: RowCounter, result: Scan, host: str | None
) -> RowSize | None:
    """As `_size_of_plain`, for any line; None for what is no example.

    number: of the line in this part of the file.
    result: gets what is wrong.
    """
    for code, message, value in host_checks.of_line(profile(host), line):
        result.log.add(code, number, message, value)
    if not line.readable:
        return None
    has_image = False
    for code, message, value in problems_of(line, host):
        has_image = has_image or code == "image"
        if CODES[code].severity == "error" or code == "no-user":
            result.log.add(code, number, message, value)
    if (kind := format_of(line.value)) is None:
        return None
    result.images += has_image
    result.kinds[kind_of(line, kind)] += 1
    row_size = sizes.any(line.value)
    result.gaps |= row_size.size.gaps
    return row_size
