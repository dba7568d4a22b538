"""A training file on its way to a host: kept, looked at, mended, divided, priced, uploaded.

The doctor and the prices do the work; what is written goes to the work folder, and nothing there is
written over. Knows no pages.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from workbook import doctor, paths
from workbook.doctor import reading
from workbook.doctor.changes import diff_lines
from workbook.doctor.readers.source import open_source
from workbook.doctor.repair import Repair
from workbook.doctor.report import Report
from workbook.doctor.row_parts import messages_of
from workbook.doctor.writing import encode, write_files
from workbook.errors import RefusedError, WorkbookError
from workbook.jobs import send
from workbook.prices import costs
from workbook.studio.host import Host

if TYPE_CHECKING:
    from openai.types import FileObject

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".txt", ".parquet", ".zip", ".gz", ".zst")
CHANGES = 200  # that are shown of the fixes
_BARS = 30


def files() -> list[str]:
    """The names of the data files in the work folder, the newest first."""
    there = [
        path
        for path in paths.work().iterdir()
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    return [
        path.name for path in sorted(there, key=lambda path: path.stat().st_mtime, reverse=True)
    ]


def path_of(name: str) -> Path:
    """A file of the work folder. Raises WorkbookError for any other place."""
    path = paths.work() / name
    if Path(name).name != name or name.startswith(".") or not path.is_file():
        raise WorkbookError(f"There is no file {name!r} in the work folder, {paths.work()}.")
    return path


def keep(name: str, content: BinaryIO) -> Path:
    """Put what was dropped into the work folder; where another file has the name, as NAME.1.jsonl.

    Raises WorkbookError for a name that is none, or of a kind that the doctor does not read.
    """
    plain = name.replace("\\", "/").rpartition("/")[2].strip().lstrip(".")
    if Path(plain).suffix.lower() not in SUFFIXES:
        raise WorkbookError(f"{name!r} is none of the files that are read: {', '.join(SUFFIXES)}.")
    number = 0
    while True:
        stem, dot, suffix = plain.partition(".")
        path = paths.work() / (f"{stem}.{number}{dot}{suffix}" if number else plain)
        content.seek(0)
        try:
            with path.open("xb") as stream:
                shutil.copyfileobj(content, stream)
            return path
        except FileExistsError:
            content.seek(0)
            if path.is_file() and _is_same(path, content):
                return path
            number += 1
        except BaseException:
            path.unlink(missing_ok=True)  # half of it
            raise


def _is_same(path: Path, content: BinaryIO) -> bool:
    with path.open("rb") as stream:
        while (part := stream.read(1 << 20)) == content.read(1 << 20):
            if not part:
                return True
    return False


def facts(report: Report) -> list[tuple[str, str]]:
    """What a file holds, in a few figures."""
    counts = report.counts
    pairs = [("Examples", f"{len(counts):,}"), ("Kind", report.kind)]
    if "tokens" in counts and len(counts):
        pairs += [
            ("Tokens", f"{int(counts['tokens'].sum()):,}"),
            ("Longest example", f"{int(counts['tokens'].max()):,} tokens"),
        ]
    elif "messages" in counts and len(counts):
        pairs.append(("Messages an example", f"{counts['messages'].mean():.1f}"))
    return pairs


def charts(report: Report) -> list[tuple[str, list[str], list[int]]]:
    """Figures as bars: (title, names, heights) for tokens or messages, and for labels."""
    import numpy as np

    bars = []
    for column in ("tokens", "messages"):
        if column in report.counts and len(report.counts):
            values = report.counts[column].to_numpy()
            low, high = int(values.min()), int(values.max())
            width = max(1, -(-(high - low + 1) // _BARS))
            edges = np.arange(low, high + width + 1, width)
            heights, _ = np.histogram(values, edges)
            names = [
                str(edge) if width == 1 else f"{edge}–{edge + width - 1}" for edge in edges[:-1]
            ]
            bars.append((f"{column.capitalize()} an example", names, heights.tolist()))
    if report.labels:
        common = sorted(report.labels.items(), key=lambda pair: -pair[1])[:_BARS]
        bars.append(("Answers", [name for name, _ in common], [count for _, count in common]))
    return bars


def examples(path: Path) -> list[tuple[int, str, str]]:
    """(line, question, answer) of every row that can be read; others are in the report."""
    return list(_examples(path))


def _examples(path: Path) -> Iterator[tuple[int, str, str]]:
    source = open_source(path)
    for line in source.lines():
        row = line.value
        if line.readable and isinstance(row, dict):
            yield line.number, question(row), doctor.answer_of(row)


def question(row: Mapping[str, Any]) -> str:
    """What an example asks, as it is written."""
    asked = [message for message in messages_of(row) if message.get("role") == "user"]
    if not asked:
        return str(row["prompt"]) if "prompt" in row else doctor.question_of(row)
    return "\n".join(str(message.get("content")) for message in asked)


@dataclass(frozen=True)
class Offer:
    """A fix that can be chosen: its code, what it does, how many findings it is for."""

    code: str
    what: str
    count: int


def safe_fixes(report: Report) -> list[Offer]:
    """What is mended without being asked for."""
    return _offers(report, safe=True)


def other_fixes(report: Report) -> list[Offer]:
    """What is mended where somebody says so."""
    return _offers(report, safe=False)


def _offers(report: Report, safe: bool) -> list[Offer]:
    return [
        Offer(code, fix.effect, report.codes[code])
        for code, fix in doctor.FIXES.items()
        if fix.safe == safe and report.codes.get(code)
    ]


@dataclass(frozen=True)
class Preview:
    """What fixes would do: in one sentence, line by line, and what else is to be known."""

    repair: Repair
    summary: str
    lines: Sequence[str]
    losses: Sequence[str]


def preview(report: Report, codes: Sequence[str]) -> Preview:
    """What the safe fixes, and those of these codes, would change. Raises WorkbookError."""
    repair = report.fix(*codes)
    changes = islice(repair.changes, CHANGES)
    lines = [line for change in changes for line in diff_lines(change)]
    return Preview(repair, repair.summary, lines, repair.losses.sentences())


def split(path: Path, shares: dict[str, float], seed: int) -> tuple[dict[str, int], list[str]]:
    """Divide a file: the names of the new files with their sizes, and what was left out.

    shares: of each part; those of 0 are left out. Raises WorkbookError.
    """
    losses = doctor.Losses()
    rows = [row for _, row in reading.numbered(path, losses)]
    parts = doctor.split(rows, {name: share for name, share in shares.items() if share}, seed=seed)
    stem = path.name.split(".")[0]
    contents = {
        paths.work() / f"{stem}_{name}.jsonl": (
            encode(row, number) for number, row in enumerate(part, start=1)
        )
        for name, part in parts.items()
    }
    write_files(contents)
    sizes = [len(part) for part in parts.values()]
    names = [target.name for target in contents]
    return dict(zip(names, sizes, strict=True)), list(losses.sentences())


def price(report: Report, n_epochs: int | None) -> list[str]:
    """Sentences: the bill of a job on the file, what to take care of, or why there is none."""
    try:
        bill = report.cost(n_epochs)
    except WorkbookError as error:
        return [str(error)]
    most = f"at least {costs.usd(bill.usd_low)}, at most {costs.usd(bill.usd_high)}"
    return [
        f"{costs.usd(bill.usd)} expected; {most}.",
        f"{bill.examples:,} examples × {bill.n_epochs} epochs = {bill.billed:,} billed tokens.",
        *bill.notices(),
    ]


def upload(host: Host, path: Path, report: Report, force: bool = False) -> "FileObject":
    """Send a file to the host. Raises RefusedError for one with errors, unless forced.

    report: of the same file
    """
    if path.suffix.lower() != ".jsonl":
        raise RefusedError(f"Hosts train on .jsonl files: write {path.name} as one first (Fix).")
    if not report.ok and not force:
        raise RefusedError(f"{path.name} has errors, so nothing was sent: mend them first.")
    return send.upload(host.backend, path)
