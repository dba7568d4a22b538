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

from workbook import confirm, doctor, paths
from workbook.cli import exits, options
from workbook.doctor import terminal
from workbook.doctor.fixes.learned_fixes import ENDINGS, SEPARATORS
from workbook.doctor.progress import watched
from workbook.doctor.readers.jsonl import BOM
from workbook.doctor.spool import Spool
from workbook.doctor.writing import write_files

_UNSAFE = ", ".join(code for code, fix in doctor.FIXES.items() if not fix.safe)
FIX = click.option(
    "--fix",
    "codes",
    multiple=True,
    metavar="CODE",
    help=f"Also fix this, which is not safe: {_UNSAFE}.",
)
SYSTEM = click.option("--system", help="A system message for examples that have none.")


@click.command()
@options.FILE
@options.MODEL
@click.option("--to", type=click.Choice(doctor.FORMATS), default="chat", show_default=True)
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
    codes: tuple[str, ...],
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
    codes = tuple(dict.fromkeys([*codes, *columns]))
    others = [
        code
        for code in report.codes
        if code in doctor.FIXES and not doctor.FIXES[code].safe and code not in codes
    ]
    if others:
        print("not fixed unless you say so:", " ".join(f"--fix {code}" for code in others))
    repair = report.fix(*codes)
    losses = Losses()
    with Spool(_converted(repair, to, system, losses)) as rows:
        print(repair)
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
            places = doctor.split_places(rows, shares, seed=seed)
            parts = {f"_{name}": part for name, part in places.items()}
        files = {f"{_stem(file)}_prepared{name}.jsonl": part for name, part in parts.items()}
        outputs = _write(rows, files, to)
    _print_next(outputs, to, reminders)
    return exits.DONE if fine else exits.NO


def _print_next(files: list[Path], to: str, reminders: list[str]) -> None:
    if to == "vertex":
        print("Next: copy the files to Cloud Storage, then client.tunings.tune(…).")
    else:
        print(f"Next: workbook check {' '.join(map(str, files))}")
        upload = f'client.files.create(file=open("{files[0].name}", "rb"), purpose="fine-tune")'
        print(f"Then: {upload}")
    for reminder in reminders:
        print(f"Remember: {reminder}.")


def _reminders(row: Mapping[str, Any]) -> list[str]:
    """What requests to the tuned model must have, too, by one of the rows it learned from."""
    if "completion" in row:
        prompt, completion = str(row.get("prompt")), str(row["completion"])
        separator = next(filter(prompt.endswith, SEPARATORS), "")
        ending = next(filter(completion.endswith, ENDINGS), "")
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
@click.option("--to", type=click.Choice(doctor.FORMATS), required=True)
@SYSTEM
@FIX
@options.reading
def convert(
    file: str, to: str, system: str | None, codes: tuple[str, ...], reading: dict[str, Any]
) -> int:
    """Write the examples in another format."""
    rows: Iterable[Any] = (
        doctor.check(file, **reading).fix(*codes)
        if codes
        else doctor.stream(file, "converting", **reading)
    )
    losses = Losses()
    with Spool(_converted(rows, to, system, losses)) as results:
        losses.print()
        if not results:
            print("error: no example could be converted", file=sys.stderr)
            return exits.NO
        _write(results, {f"{_stem(file)}_{to}.jsonl": range(len(results))}, to)
    return exits.NO if losses.failed else exits.DONE


@click.command()
@options.FILE
@options.SHARES
@options.SEED
@options.reading
def split(file: str, shares: dict[str, float], seed: int, reading: dict[str, Any]) -> int:
    """Divide the examples; equal questions stay together."""
    with Spool(map(_example, doctor.stream(file, **reading))) as rows:
        places = doctor.split_places(rows, shares, seed=seed)
        _write(rows, {f"{_stem(file)}_{name}.jsonl": part for name, part in places.items()})
    return exits.DONE


def _example(row: Any) -> Any:
    if not isinstance(row, dict):
        raise doctor.DatasetError("Some rows are no examples: `workbook check` says which.")
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
            converted = doctor.convert(row, to, losses.parts, system)
        except doctor.ConversionError as error:
            losses.failed[str(error)] += 1
        else:
            yield converted


def _write(rows: Spool, parts: Mapping[str, Sequence[int]], to: str = "chat") -> list[Path]:
    """Write the rows of these places under each name. Azure asks for the byte order mark; nobody
    else wants it."""
    start = [BOM] if to == "azure" else []
    contents = {
        paths.work() / name: chain(start, _lines(rows, places, f"writing {name}"))
        for name, places in parts.items()
    }
    write_files(contents)
    for path, places in zip(contents, parts.values(), strict=True):
        print(f"wrote {len(places):,} examples to {path}")
    return list(contents)


def _lines(rows: Spool, places: Sequence[int], doing: str) -> Iterable[bytes]:
    return map(rows.line, watched(places, doing))


COMMANDS = {"prepare": prepare, "convert": convert, "split": split}
