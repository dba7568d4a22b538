"""`workbook prepare`, `convert` and `split`: data mended, in another format, in parts.

Originals are never written to: what is made goes to the work folder.
"""

import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click

from workbook import confirm, doctor, paths
from workbook.cli import exits, options
from workbook.doctor import reading as reader
from workbook.doctor import terminal
from workbook.doctor.check_result import CheckResult
from workbook.doctor.codes import CODES
from workbook.doctor.converting import Conversion
from workbook.doctor.fixes.learned_fixes import ENDINGS, SEPARATORS
from workbook.doctor.partial_results import kind_of
from workbook.doctor.progress import watched
from workbook.doctor.readers.jsonl import BOM
from workbook.doctor.readers.source import open_source
from workbook.doctor.spool import Spool
from workbook.doctor.writing import write_files

_NO_ROWS = ("compressed", "file-kind", "json-list")
"""Codes that say why nothing could be read of a file as a whole."""
_UNSAFE = ", ".join(code for code, fix in doctor.FIXES.items() if not fix.safe)
FIX = click.option(
    "--fix",
    "codes",
    multiple=True,
    metavar="CODE",
    help=f"Also fix this, which is not safe: {_UNSAFE}.",
)
SYSTEM = click.option("--system", help="A system message for examples that have none.")


DROP = click.option(
    "--drop",
    multiple=True,
    metavar="KEY",
    help="Agree that this key or column is lost; `all`: whatever the new format has no place for.",
)


@click.command()
@options.FILE
@options.MODEL
@options.HOST
@click.option(
    "--to",
    type=click.Choice(doctor.FORMATS),
    help="Default: chat; dpo where rows have two answers; what the host of --for takes.",
)
@SYSTEM
@FIX
@DROP
@options.SHARES
@options.SEED
@click.option("--yes", is_flag=True, help="Don't ask before writing; no yes to losing data.")
@options.reading
def prepare(
    file: str,
    model: str | None,
    host: str | None,
    to: str | None,
    system: str | None,
    codes: tuple[str, ...],
    drop: tuple[str, ...],
    shares: dict[str, float],
    seed: int,
    yes: bool,
    reading: dict[str, Any],
) -> int:
    """Read any format, convert, fix, split and write.

    What is lost is named, and makes the exit status 1 unless --drop agrees to it. What `workbook
    check` would refuse is not written.
    """
    report = doctor.check(file, **reading)
    print(report.summary)
    _print_speakers(file, reading)
    to = to or _form_of(report.kind, host)
    others = [
        code
        for code in report.codes
        if code in doctor.FIXES and not doctor.FIXES[code].safe and code not in codes
    ]
    if others:
        print("not fixed unless you say so:", " ".join(f"--fix {code}" for code in others))
    repair = report.fix(*codes)
    conversion = Conversion(to, system)
    with Spool(conversion.rows(repair.numbered())) as rows:
        print(repair)
        missing = _tell(conversion, repair.losses, drop)
        if not rows:
            causes = [each for each in report.findings if each.code in _NO_ROWS]
            terminal.print_findings(causes, report.codes, report.name)
            print("error: no example is left", file=sys.stderr)
            return exits.NO
        reminders = _reminders(rows[0])
        result = _checked(rows, model, host, conversion)
        if any(code != "too-few" and CODES[code].severity == "error" for code in result.codes):
            return _refuse()
        if not yes and sys.stdin.isatty():
            question = "Write this, without what is lost?" if missing else "Write this?"
            if not confirm.agrees(question, ""):
                print("Nothing was written.")
                return exits.REFUSED
            missing = []
        parts: dict[str, Sequence[int]] = {"": range(len(rows))}
        if len(rows) >= 20:
            places = doctor.split_places(rows, shares, seed=seed)
            parts = {f"_{name}": part for name, part in places.items()}
        files = {f"{_stem(file)}_prepared{name}.jsonl": part for name, part in parts.items()}
        outputs = _write(rows, files, to or host)
    _print_next(outputs, to, reminders)
    return exits.DONE if result.ok and not missing else exits.NO


def _form_of(kind: str | None, host: str | None) -> str | None:
    """The format for examples of this kind and for this host, where none is named; None where they
    stay in their own."""
    if kind == "reinforcement":
        return None
    if host in ("azure", "vertex"):
        return host
    return "dpo" if kind == "preference" else "chat"


def _tell(conversion: Conversion, reading: doctor.Losses, drop: Sequence[str]) -> list[str]:
    """Say what is lost and which rows are left out; those that nobody agreed to.

    reading: what reading has left out.
    """
    for sentence in (*(f"read: {text}" for text in reading.told), *conversion.sentences()):
        print(sentence)
    missing = conversion.without_consent(drop)
    if reading is not conversion.losses:
        missing = [*reading.without_consent(drop), *missing]
    if missing:
        parts = [what for what in missing if what not in conversion.failed]
        keys = dict.fromkeys(key for what in parts for key in re.findall("`([^`]+)`", what))
        ways = ["all", *(shlex.quote(key) for key in keys)]
        print(
            "If that is meant, say so: "
            f"{' or '.join(f'--drop {way}' for way in ways)}. Else the exit status is {exits.NO}."
        )
    return missing


def _refuse() -> int:
    print(
        "error: nothing was written: the lines above would be refused. Mend them, or leave "
        "them out (`--fix`, see `workbook check`).",
        file=sys.stderr,
    )
    return exits.NO


def _print_speakers(file: str, reading: Mapping[str, Any]) -> None:
    """Of a chat: who becomes the assistant, and who else there is."""
    source = open_source(file, **reading)
    if source.format == "whatsapp":
        for _ in source.lines():  # they are known once the chat has been read
            pass
        print(*(message for code, message, _ in source.problems if code == "speakers"), sep="\n")


def _print_next(files: list[Path], to: str | None, reminders: list[str]) -> None:
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


def _checked(
    rows: Spool, model: str | None, host: str | None, conversion: Conversion
) -> CheckResult:
    """What a check says of what is to be written; its errors are printed, and the price."""
    host = host or (None if model else conversion.host)
    report = replace(doctor.check(rows, model, host=host), name="prepared")
    errors = (
        conversion.placed(finding) for finding in report.findings if finding.severity == "error"
    )
    terminal.print_findings(errors, report.codes, report.name)
    if model:
        print(terminal.price(report))
    return report


@click.command()
@options.FILE
@click.option("--to", type=click.Choice(doctor.FORMATS), required=True)
@SYSTEM
@FIX
@DROP
@options.reading
def convert(
    file: str,
    to: str,
    system: str | None,
    codes: tuple[str, ...],
    drop: tuple[str, ...],
    reading: dict[str, Any],
) -> int:
    """Write the examples in another format.

    What is lost is named, and makes the exit status 1 unless --drop agrees to it. What `workbook
    check` would refuse is not written.
    """
    _print_speakers(file, reading)
    conversion = Conversion(to, system)
    if codes:
        repair = doctor.check(file, **reading).fix(*codes)
        numbered = repair.numbered()
    else:
        numbered = reader.numbered(file, conversion.losses, "converting", **reading)
    with Spool(conversion.rows(numbered)) as results:
        if codes:
            print(repair)
        missing = _tell(conversion, repair.losses if codes else conversion.losses, drop)
        if not results:
            print("error: no example could be converted", file=sys.stderr)
            return exits.NO
        errors = conversion.errors(results)
        if errors.items:
            terminal.print_findings(errors.by_severity(), errors.totals, Path(file).name)
            return _refuse()
        _write(results, {f"{_stem(file)}_{to}.jsonl": range(len(results))}, to)
    return exits.NO if missing else exits.DONE


@click.command()
@options.FILE
@options.HOST
@DROP
@options.SHARES
@options.SEED
@options.reading
def split(
    file: str,
    host: str | None,
    drop: tuple[str, ...],
    shares: dict[str, float],
    seed: int,
    reading: dict[str, Any],
) -> int:
    """Divide the examples; equal questions stay together.

    What is lost is named, and makes the exit status 1 unless --drop agrees to it; so do examples
    that would be refused. With --for, those are not written.
    """
    host = host or ("vertex" if _is_vertex(file, reading) else None)
    conversion = Conversion("vertex" if host == "vertex" else None)
    numbered = reader.numbered(file, conversion.losses, **reading)
    examples = ((number, _example(row)) for number, row in numbered)
    with Spool(conversion.rows(examples)) as rows:
        missing = _tell(conversion, conversion.losses, drop)
        errors = conversion.errors(rows, host).totals
        if host and rows and any(code != "too-few" for code in _refusals(rows, host, conversion)):
            return _refuse()
        places = doctor.split_places(rows, shares, seed=seed)
        parts = {f"{_stem(file)}_{name}.jsonl": part for name, part in places.items()}
        _write(rows, parts, host)
    if errors:
        print(
            f"{sum(errors.values()):,} errors ({', '.join(errors)}) are in them as they were in "
            f"the file: workbook check {shlex.quote(file)}"
        )
    return exits.NO if missing or errors else exits.DONE


def _is_vertex(file: str, reading: Mapping[str, Any]) -> bool:
    """Whether the first row is in Vertex AI's form: it is divided in that form."""
    lines = open_source(file, **reading).lines()
    line = next((line for line in lines if line.readable), None)
    return line is not None and kind_of(line, "") == "vertex"


def _refusals(rows: Spool, host: str, conversion: Conversion) -> list[str]:
    """The codes of the errors for which the host would refuse the rows; they are printed."""
    codes = _checked(rows, None, host, conversion).codes
    return [code for code in codes if CODES[code].severity == "error"]


def _example(row: Any) -> Any:
    if not isinstance(row, dict):
        raise doctor.DatasetError("Some rows are no examples: `workbook check` says which.")
    return row


def _stem(file: str) -> str:
    return Path(file).name.split(".")[0]


def _write(rows: Spool, parts: Mapping[str, Sequence[int]], to: str | None) -> list[Path]:
    """Write the rows of these places under each name, for this format or host. Azure asks for the
    byte order mark; nobody else wants it."""
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
