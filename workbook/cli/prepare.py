"""`workbook prepare`, `convert` and `split`: data mended, in another format, in parts.

Originals are never written to: what is made goes to the work folder.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from workbook import confirm, doctor, paths
from workbook.cli import exits, options
from workbook.doctor import fixes, readers, repair, terminal
from workbook.doctor.checking import split_places
from workbook.doctor.convert import FORMATS, CannotConvert
from workbook.doctor.convert import convert as convert_row
from workbook.doctor.writing import DatasetError, Spool, write_files

_UNSAFE = ", ".join(code for code, fix in repair.FIXES.items() if not fix.safe)
FIX = click.option(
    "--fix",
    "named",
    multiple=True,
    metavar="CODE",
    help=f"Also fix this, which is not safe: {_UNSAFE}.",
)
SYSTEM = click.option("--system", help="A system message for examples that have none.")


@click.command()
@options.FILE
@options.MODEL
@click.option("--to", type=click.Choice(FORMATS), default="chat", show_default=True)
@SYSTEM
@FIX
@options.SHARES
@options.SEED
@click.option("--yes", is_flag=True, help="Don't ask before writing.")
@options.reading
def prepare(
    file: str,
    model: str | None,
    to: str,
    system: str | None,
    named: tuple[str, ...],
    shares: dict[str, float],
    seed: int,
    yes: bool,
    reading: dict[str, Any],
) -> int:
    """Read any format, convert, fix, split and write."""
    report = doctor.check(file, **reading)
    print(report.summary)
    # A table's other columns are no mistake: the format has no place for them.
    columns = ["unknown-key"] if report.source.format in ("csv", "tsv", "xlsx", "parquet") else []
    named = tuple(dict.fromkeys([*named, *columns]))
    not_named = [
        code
        for code in report.codes
        if code in repair.FIXES and not repair.FIXES[code].safe and code not in named
    ]
    if not_named:
        print("not fixed unless you say so:", " ".join(f"--fix {code}" for code in not_named))
    mended = repair.repair(report, named)
    losses = Losses()
    with Spool(_converted(mended, to, system, losses)) as rows:
        print(mended)
        losses.print()
        if not rows:
            print("error: no example is left", file=sys.stderr)
            return exits.NO
        reminders = _reminders(rows[0])
        fine = to == "vertex" or _is_fine(rows, model)
        if not yes and sys.stdin.isatty() and not confirm.agrees("Write this?", ""):
            print("Nothing was written.")
            return exits.REFUSED
        parts: dict[str, Sequence[int]] = {"": range(len(rows))}
        if len(rows) >= 20:
            places = split_places(rows, shares, seed=seed)
            parts = {f"_{name}": part for name, part in places.items()}
        named_parts = {f"{_stem(file)}_prepared{name}.jsonl": part for name, part in parts.items()}
        written = _write(rows, named_parts, to)
    _print_next(written, to, reminders)
    return exits.DONE if fine else exits.NO


def _print_next(written: list[Path], to: str, reminders: list[str]) -> None:
    if to == "vertex":
        print("Next: copy the files to Cloud Storage, then client.tunings.tune(…).")
    else:
        print(f"Next: workbook check {' '.join(map(str, written))}")
        upload = f'client.files.create(file=open("{written[0].name}", "rb"), purpose="fine-tune")'
        print(f"Then: {upload}")
    for reminder in reminders:
        print(f"Remember: {reminder}.")


def _reminders(row: Mapping[str, Any]) -> list[str]:
    """What requests to the tuned model must have, too, by one of the rows it learned from."""
    if "completion" in row:
        prompt, completion = str(row.get("prompt")), str(row["completion"])
        separator = next(filter(prompt.endswith, fixes.SEPARATORS), "")
        ending = next(filter(completion.endswith, fixes.ENDINGS), "")
        reminders = [f"end prompts with {separator!r} afterwards, too"] if separator else []
        return [*reminders, f"ask with stop=[{ending!r}]"] if ending else reminders
    messages = row.get("messages") or [{}]
    if messages[0].get("role") in ("system", "developer"):
        return ["send the same system message afterwards, too"]
    return []


def _is_fine(rows: Spool, model: str | None) -> bool:
    """Whether what is to be written has no errors; tells which it has, and what training costs."""
    report = replace(doctor.check(rows, model), name="prepared")
    errors = (
        finding
        for finding in report.findings
        if finding.severity == "error" and finding.code != "too-few"
    )
    terminal.print_findings(errors, report.codes, report.name)
    if model:
        print(terminal.price(report))
    return report.ok


@click.command()
@options.FILE
@click.option("--to", type=click.Choice(FORMATS), required=True)
@SYSTEM
@FIX
@options.reading
def convert(
    file: str, to: str, system: str | None, named: tuple[str, ...], reading: dict[str, Any]
) -> int:
    """Write the examples in another format."""
    rows: Iterable[Any] = (
        repair.repair(doctor.check(file, **reading), named)
        if named
        else doctor.stream(file, "converting", **reading)
    )
    losses = Losses()
    with Spool(_converted(rows, to, system, losses)) as done:
        losses.print()
        if not done:
            print("error: no example could be converted", file=sys.stderr)
            return exits.NO
        _write(done, {f"{_stem(file)}_{to}.jsonl": range(len(done))}, to)
    return exits.NO if losses.failed else exits.DONE


@click.command()
@options.FILE
@options.SHARES
@options.SEED
@options.reading
def split(file: str, shares: dict[str, float], seed: int, reading: dict[str, Any]) -> int:
    """Divide the examples; equal questions stay together."""
    with Spool(map(_example, doctor.stream(file, **reading))) as rows:
        places = split_places(rows, shares, seed=seed)
        _write(rows, {f"{_stem(file)}_{name}.jsonl": part for name, part in places.items()})
    return exits.DONE


def _example(row: Any) -> Any:
    if not isinstance(row, dict):
        raise DatasetError("Some rows are no examples: `workbook check` says which.")
    return row


def _stem(file: str) -> str:
    return Path(file).name.split(".")[0]


class Losses:
    """What did not survive a conversion: parts of rows, and whole rows with the reason."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def print(self) -> None:
        for part, count in self.parts.items():
            print(f"lost: {part} ({count:,} ×)")
        for reason, count in self.failed.items():
            print(f"left out: {count:,} examples. {reason}")


def _converted(rows: Iterable[Any], to: str, system: str | None, losses: Losses) -> Iterator[Any]:
    """The rows in another format; counts what is lost, and why rows could not be converted."""
    for row in rows:
        if to == "chat" and isinstance(row, dict) and "preferred_output" in row:
            yield row  # chat for two answers
            continue
        try:
            converted = convert_row(row, to, losses.parts, system)
        except CannotConvert as error:
            losses.failed[str(error)] += 1
        else:
            yield converted


def _write(rows: Spool, parts: Mapping[str, Sequence[int]], to: str = "chat") -> list[Path]:
    """Write the rows of these places under each name. Azure asks for the byte order mark; nobody
    else wants it."""
    start = [readers.BOM] if to == "azure" else []
    contents = {
        paths.work() / name: chain(start, _lines(rows, places, f"writing {name}"))
        for name, places in parts.items()
    }
    write_files(contents)
    for path, places in zip(contents, parts.values(), strict=True):
        print(f"wrote {len(places):,} examples to {path}")
    return list(contents)


def _lines(rows: Spool, places: Sequence[int], doing: str) -> Iterable[bytes]:
    return map(rows.line, tqdm(places, desc=doing, unit=" rows", delay=2, leave=False))


COMMANDS = {"prepare": prepare, "convert": convert, "split": split}
