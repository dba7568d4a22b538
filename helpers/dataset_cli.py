"""The dataset doctor's command line: `python -m helpers.dataset`, then what it shall do.

Prints findings as compilers do, or as JSON. Exit status: 0 nothing wrong, 1 errors were found,
2 the command could not be carried out. Originals are never written to.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from helpers import convert, costs, dataset, repair
from helpers.checks import CODES, MINIMUM
from helpers.errors import WorkbookError
from helpers.report import Finding, Report

SHARES = {"train": 0.9, "validation": 0.1}
_COLOURS = {"error": "31", "warning": "33", "note": "36"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command; the value is the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.run(chosen)
    except WorkbookError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: nothing was left half-written", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `… | head` has seen enough
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.dataset", description="The dataset doctor: checks and prepares "
        "training data in JSONL, JSON, CSV, TSV, XLSX, TXT, Parquet, or exported from WhatsApp.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, told: str, many: bool = False) -> argparse.ArgumentParser:
        its = commands.add_parser(name, help=told, description=told)
        its.add_argument("file", nargs="+" if many else None, metavar="FILE")
        its.add_argument("--assistant", help="WhatsApp: whose words are learned")
        its.add_argument("--gap", type=float, metavar="HOURS", help="WhatsApp: the pause after "
                         "which a new conversation starts (default 6)")
        its.add_argument("--no-mask", action="store_true", help="WhatsApp: keep names and numbers")
        its.set_defaults(run=run)
        return its

    check = command("check", _check, "Find what is wrong; several files are also compared.", True)
    check.add_argument("--suffix", help="check the job's suffix, too")
    check.add_argument("--basics", action="store_true", help="structure, tokens and price only: "
                       "the fast pass for very large JSONL files (needs --model)")
    for its in (check, command("stats", _stats, "Count messages, tokens and dollars.", True)):
        its.add_argument("--model", help="count tokens, limits and prices for this model")
        its.add_argument("--format", choices=["text", "json"], default="text")
    prepare = command("prepare", _prepare, "Read any format, convert, fix, split and write.")
    prepare.add_argument("--model", default=None)
    prepare.add_argument("--yes", action="store_true", help="don't ask before writing")
    for its in (prepare, command("convert", _convert, "Write the examples in another format.")):
        its.add_argument("--to", choices=convert.FORMATS,
                         default="chat" if its is prepare else None, required=its is not prepare)
        its.add_argument("--system", help="a system message for examples that have none")
        its.add_argument("--fix", action="append", default=[], metavar="CODE",
                         help="also fix this, which is not safe: "
                         + ", ".join(code for code, fix in repair.FIXES.items() if not fix.safe))
    split = command("split", _split, "Divide the examples; equal questions stay together.")
    for its in (prepare, split):
        its.add_argument("--shares", type=_shares, default=SHARES, metavar="NAME=SHARE,…",
                         help="default train=0.9,validation=0.1")
        its.add_argument("--seed", type=int, default=42)
    return parser


def _shares(text: str) -> dict[str, float]:
    try:
        return {name: float(share) for name, share in
                (each.split("=") for each in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError("for example train=0.8,validation=0.1,test=0.1") from None


def _options(chosen: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {"assistant": chosen.assistant, "gap_hours": chosen.gap,
                               "mask": False if chosen.no_mask else None}
    return {key: value for key, value in options.items() if value is not None}


# check, stats

def _check(chosen: argparse.Namespace) -> int:
    if chosen.basics:
        return _basics(chosen)
    reports, before = [], {}
    for file in chosen.file:
        job = {"suffix": chosen.suffix} if chosen.suffix is not None else None
        reports.append(dataset.check(file, chosen.model, job=job, against=dict(before) or None,
                                     **_options(chosen)))
        before[Path(file).name] = file
    if chosen.format == "json":
        print(json.dumps([_as_json(report, file) for report, file in
                          zip(reports, chosen.file, strict=True)], ensure_ascii=False, indent=1))
    else:
        for report, file in zip(reports, chosen.file, strict=True):
            for finding in report.findings:
                print(text_of(finding, file, sys.stdout.isatty()))
            print(report.summary)
            if chosen.model and len(report.counts):
                print(_price(report))
    return 0 if all(report.ok for report in reports) else 1


def _basics(chosen: argparse.Namespace) -> int:
    from helpers import scan

    if not chosen.model:
        raise WorkbookError("--basics counts tokens: say for which --model.")
    wrong = False
    for file in chosen.file:
        found = scan.scan(file, chosen.model)
        errors = sum(count for code, count in found.codes.items()
                     if CODES[code].severity == "error")
        wrong = wrong or errors > 0 or found.rows < MINIMUM
        said = {"file": file, "examples": found.rows, "tokens": found.tokens, "errors": errors,
                "without system message": found.without_system, "codes": dict(found.codes)}
        if chosen.format == "json":
            print(json.dumps(said, ensure_ascii=False))
            continue
        for finding in found.findings:
            print(text_of(finding, file, sys.stdout.isatty()))
        print(f"{file}: {found.rows:,} examples, {found.tokens:,} tokens, {errors:,} errors, "
              f"{found.without_system:,} without a system message.")
        if found.rows:
            try:
                print(f"Training: {costs.usd(found.cost(chosen.model).usd)} with {chosen.model}.")
            except WorkbookError as error:
                print(error)
    return int(wrong)


def text_of(finding: Finding, file: str, colours: bool = False) -> str:
    """One finding as a compiler would say it: place, severity, code, message, excerpt, help."""
    place = f"{file}:{finding.line}" if finding.line else file
    kind = f"{finding.severity}[{finding.code}]"
    if colours:
        kind = f"\x1b[1;{_COLOURS[finding.severity]}m{kind}\x1b[0m"
    lines = [f"{place}: {kind}: {finding.message}"]
    if finding.excerpt:
        lines.append(f"    | {finding.excerpt}")
    return "\n".join([*lines, f"    = why: {finding.why}", f"    = help: {finding.fix}"])


def _as_json(report: Report, file: str) -> dict[str, Any]:
    return {"file": file, "ok": report.ok, "summary": report.summary,
            "examples": len(report.counts), "kind": report.kind, "codes": dict(report.codes), "labels": report.labels,
            "findings": [{name: getattr(finding, name) for name in (
                "code", "severity", "line", "message", "excerpt", "why", "fix")}
                for finding in report.findings]}


def _price(report: Report) -> str:
    try:
        bill = report.cost()
    except WorkbookError as error:
        return str(error)
    return (f"{report.name}: {bill.tokens:,} tokens, {bill.n_epochs} epochs, {bill.billed:,} "
            f"billed: {costs.usd(bill.usd)} with {report.model}.")


def _stats(chosen: argparse.Namespace) -> int:
    for file in chosen.file:
        report = dataset.check(file, chosen.model, **_options(chosen))
        table = report.stats().round(1)
        if chosen.format == "json":
            print(json.dumps({"file": file, "examples": len(report.counts), "kind": report.kind,
                              "labels": report.labels,
                              "stats": json.loads(table.T.to_json())}, ensure_ascii=False))
            continue
        print(f"{file}: {len(report.counts):,} examples, {report.kind}")
        print(table.to_string())
        if report.labels:
            print("labels:", ", ".join(f"{name} {count}" for name, count in
                                       sorted(report.labels.items())))
        if chosen.model and len(report.counts):
            print(_price(report))
    return 0


# prepare, convert, split

def _prepare(chosen: argparse.Namespace) -> int:
    report = dataset.check(chosen.file, **_options(chosen))
    print(report.summary)
    # A table's other columns are no mistake: the format has no place for them.
    columns = ["unknown-key"] if report.source.format in ("csv", "tsv", "xlsx", "parquet") else []
    named = tuple(dict.fromkeys([*chosen.fix, *columns]))
    if open_fixes := [code for code in report.codes if code in repair.FIXES
                      and not repair.FIXES[code].safe and code not in named]:
        print("not fixed unless you say so:", " ".join(f"--fix {code}" for code in open_fixes))
    mended = repair.repair(report, named)
    print(mended)
    rows, lost, failed = _converted(mended.rows, chosen.to, chosen.system)
    _tell(lost, failed)
    if not rows:
        print("error: no example is left", file=sys.stderr)
        return 1
    after = dataset.check(rows, chosen.model) if chosen.to != "vertex" else None
    if after is not None:
        for finding in after.findings:
            if finding.severity == "error" and finding.code != "too-few":
                print(text_of(finding, "prepared"))
    if not chosen.yes and sys.stdin.isatty() and input("Write this? [y/N] ").lower() != "y":
        print("Nothing was written.")
        return 0
    parts = {"": rows}
    if len(rows) >= 20:
        parts = {f"_{name}": part for name, part in _parts(rows, chosen).items()}
    stem = Path(chosen.file).name.split(".")[0]
    written = [_write(part, f"{stem}_prepared{name}.jsonl", chosen.to)
               for name, part in parts.items()]
    for path, part in zip(written, parts.values(), strict=True):
        print(f"wrote {len(part):,} examples to {path}")
    files = " ".join(map(str, written))
    if chosen.to == "vertex":
        print("Next: copy the files to Cloud Storage, then client.tunings.tune(…).")
    else:
        print(f"Next: python -m helpers.dataset check {files}")
        print(f'Then: client.files.create(file=open("{written[0].name}", "rb"), '
              'purpose="fine-tune")')
    return 0 if after is None or all(finding.severity != "error" for finding in after.findings) \
        else 1


def _convert(chosen: argparse.Namespace) -> int:
    report = dataset.check(chosen.file, **_options(chosen))
    named = tuple(chosen.fix)
    source = repair.repair(report, named).rows if named else dataset.read(
        chosen.file, **_options(chosen))
    rows, lost, failed = _converted(source, chosen.to, chosen.system)
    _tell(lost, failed)
    if not rows:
        print("error: no example could be converted", file=sys.stderr)
        return 1
    path = _write(rows, f"{Path(chosen.file).name.split('.')[0]}_{chosen.to}.jsonl", chosen.to)
    print(f"wrote {len(rows):,} examples to {path}")
    return 1 if failed else 0


def _split(chosen: argparse.Namespace) -> int:
    rows = dataset.read(chosen.file, **_options(chosen))
    if not all(isinstance(row, dict) for row in rows):
        raise dataset.DatasetError("Some rows are no examples: `check` says which.")
    stem = Path(chosen.file).name.split(".")[0]
    for name, part in _parts(rows, chosen).items():
        print(f"wrote {len(part):,} examples to {dataset.write(part, f'{stem}_{name}.jsonl')}")
    return 0


def _parts(rows: Sequence[Any], chosen: argparse.Namespace) -> dict[str, list[Any]]:
    return dataset.split(rows, chosen.shares, seed=chosen.seed)


def _converted(rows: Iterable[Any], to: str, system: str | None
               ) -> tuple[list[Any], Counter[str], Counter[str]]:
    """(rows, what is lost, why rows could not be converted)."""
    done, lost, failed = [], Counter(), Counter()
    for row in rows:
        if to == "chat" and isinstance(row, dict) and "preferred_output" in row:
            done.append(row)  # chat for two answers
            continue
        try:
            done.append(convert.convert(row, to, lost, system))
        except convert.CannotConvert as error:
            failed[str(error)] += 1
    return done, lost, failed


def _tell(lost: Counter[str], failed: Counter[str]) -> None:
    for what, count in lost.items():
        print(f"lost: {what} ({count:,} ×)")
    for why, count in failed.items():
        print(f"left out: {count:,} examples. {why}")


def _write(rows: Sequence[Any], name: str, to: str) -> Path:
    """Azure asks for the byte order mark; nobody else wants it."""
    return dataset.write(rows, name, bom=to == "azure")
