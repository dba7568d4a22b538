"""The dataset doctor's command line: `workbook`, then what it shall do.

Prints findings as compilers do, or as JSON. Exit status: 0 nothing wrong, 1 errors were found,
2 the command could not be carried out. Originals are never written to.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from workbook import confirm, paths
from workbook.doctor import checking, convert, fixes, readers, repair
from workbook.doctor.codes import CODES
from workbook.doctor.report import Finding, Report
from workbook.doctor.writing import DatasetError, Spool, write_files
from workbook.errors import WorkbookError
from workbook.prices import costs

SHARES = {"train": 0.9, "validation": 0.1}
SHOWN = 20
"""Findings of one code that are printed; JSON has all that the report keeps."""
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
        prog="workbook",
        description="The dataset doctor: checks and prepares "
        "training data in JSONL, JSON, CSV, TSV, XLSX, TXT, Parquet, or exported from WhatsApp.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, told: str, many: bool = False) -> argparse.ArgumentParser:
        its = commands.add_parser(name, help=told, description=told)
        its.add_argument("file", nargs="+" if many else None, metavar="FILE")
        its.add_argument("--assistant", help="WhatsApp: whose words are learned")
        its.add_argument(
            "--gap",
            type=float,
            metavar="HOURS",
            help="WhatsApp: the pause after which a new conversation starts (default 6)",
        )
        its.add_argument("--no-mask", action="store_true", help="WhatsApp: keep names and numbers")
        its.set_defaults(run=run)
        return its

    check = command("check", _check, "Find what is wrong; several files are also compared.", True)
    check.add_argument("--suffix", help="check the job's suffix, too")
    check.add_argument(
        "--basics",
        action="store_true",
        help="structure, tokens and price only: "
        "the fast pass for very large JSONL files (needs --model)",
    )
    check.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="check on a Dask cluster, such as "
        "tcp://10.0.0.5:8786; FILE may then be an address like s3://…",
    )
    for its in (check, command("stats", _stats, "Count messages, tokens and dollars.", True)):
        its.add_argument("--model", help="count tokens, limits and prices for this model")
        its.add_argument("--format", choices=["text", "json"], default="text")
    prepare = command("prepare", _prepare, "Read any format, convert, fix, split and write.")
    prepare.add_argument("--model", default=None)
    prepare.add_argument("--yes", action="store_true", help="don't ask before writing")
    for its in (prepare, command("convert", _convert, "Write the examples in another format.")):
        its.add_argument(
            "--to",
            choices=convert.FORMATS,
            default="chat" if its is prepare else None,
            required=its is not prepare,
        )
        its.add_argument("--system", help="a system message for examples that have none")
        its.add_argument(
            "--fix",
            action="append",
            default=[],
            metavar="CODE",
            help="also fix this, which is not safe: "
            + ", ".join(code for code, fix in repair.FIXES.items() if not fix.safe),
        )
    split = command("split", _split, "Divide the examples; equal questions stay together.")
    for its in (prepare, split):
        its.add_argument(
            "--shares",
            type=_shares,
            default=SHARES,
            metavar="NAME=SHARE,…",
            help="default train=0.9,validation=0.1",
        )
        its.add_argument("--seed", type=int, default=42)
    return parser


def _shares(text: str) -> dict[str, float]:
    try:
        return {name: float(share) for name, share in (each.split("=") for each in text.split(","))}
    except ValueError:
        raise argparse.ArgumentTypeError("for example train=0.8,validation=0.1,test=0.1") from None


def _options(chosen: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {
        "assistant": chosen.assistant,
        "gap_hours": chosen.gap,
        "mask": False if chosen.no_mask else None,
    }
    return {key: value for key, value in options.items() if value is not None}


# check, stats


def _check(chosen: argparse.Namespace) -> int:
    if chosen.basics:
        return _basics(chosen)
    job = {"suffix": chosen.suffix} if chosen.suffix is not None else {}
    reports = checking.check_files(
        chosen.file, chosen.model, job=job, scheduler=chosen.scheduler, **_options(chosen)
    )
    if chosen.format == "json":
        print(
            json.dumps(
                [_as_json(report, file) for report, file in zip(reports, chosen.file, strict=True)],
                ensure_ascii=False,
                indent=1,
            )
        )
    else:
        for report, file in zip(reports, chosen.file, strict=True):
            _show(report.findings, report.codes, file)
            print(report.summary)
            if chosen.model and len(report.counts):
                print(_price(report))
    return 0 if all(report.ok for report in reports) else 1


def _basics(chosen: argparse.Namespace) -> int:
    from workbook.doctor import fast_pass

    if not chosen.model:
        raise WorkbookError("--basics counts tokens: say for which --model.")
    if chosen.scheduler:
        from workbook.doctor import cluster

        scans = iter(cluster.scan_files(chosen.file, chosen.scheduler, chosen.model))
    else:
        scans = (fast_pass.scan(file, chosen.model) for file in chosen.file)
    wrong = False
    for file, found in zip(chosen.file, scans, strict=True):
        errors = sum(
            count for code, count in found.codes.items() if CODES[code].severity == "error"
        )
        wrong = wrong or errors > 0
        said = {
            "file": file,
            "examples": found.rows,
            "tokens": found.tokens,
            "errors": errors,
            "without system message": found.without_system,
            "codes": dict(found.codes),
        }
        if chosen.format == "json":
            print(json.dumps(said | {"findings": _listed(found.findings)}, ensure_ascii=False))
            continue
        _show(found.findings, found.codes, file)
        print(
            f"{file}: {found.rows:,} examples, {found.tokens:,} tokens, {errors:,} errors, "
            f"{found.without_system:,} without a system message."
        )
        if found.rows:
            try:
                print(f"Training: {costs.usd(found.cost(chosen.model).usd)} with {chosen.model}.")
            except WorkbookError as error:
                print(error)
    return int(wrong)


def _show(findings: Iterable[Finding], totals: Mapping[str, int], file: str) -> None:
    """Print findings; of each code the first few, and why it matters only once."""
    shown: Counter[str] = Counter()
    for finding in findings:
        code = finding.code
        shown[code] += 1
        if shown[code] <= SHOWN:
            print(text_of(finding, file, sys.stdout.isatty(), explained=shown[code] == 1))
        elif shown[code] == SHOWN + 1:
            print(
                f"{file}: {finding.severity}[{code}]: … and {totals[code] - SHOWN:,} more; "
                "--format json lists them"
            )


def text_of(finding: Finding, file: str, colours: bool = False, explained: bool = True) -> str:
    """One finding as a compiler would say it: place, severity, code, message, excerpt, help."""
    place = f"{file}:{finding.line}" if finding.line else file
    kind = f"{finding.severity}[{finding.code}]"
    if colours:
        kind = f"\x1b[1;{_COLOURS[finding.severity]}m{kind}\x1b[0m"
    lines = [f"{place}: {kind}: {finding.message}"]
    if finding.excerpt:
        lines.append(f"    | {finding.excerpt}")
    if explained:
        # What is a call in a notebook is an option here.
        fix = re.sub(r'report\.fix\("([\w-]+)"\)', r"prepare --fix \1", finding.fix)
        lines += [
            f"    = why: {finding.why}",
            f"    = help: {fix.replace('report.fix()', 'prepare')}",
        ]
    return "\n".join(lines)


def _as_json(report: Report, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "ok": report.ok,
        "summary": report.summary,
        "kind": report.kind,
        "examples": len(report.counts),
        "codes": dict(report.codes),
        "labels": report.labels,
        "findings": _listed(report.findings),
    }


def _listed(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    names = ("code", "severity", "line", "message", "excerpt", "why", "fix")
    return [{name: getattr(finding, name) for name in names} for finding in findings]


def _price(report: Report) -> str:
    try:
        bill = report.cost()
    except WorkbookError as error:
        return str(error)
    return (
        f"{report.name}: {bill.tokens:,} tokens, {bill.n_epochs} epochs, {bill.billed:,} "
        f"billed: {costs.usd(bill.usd)} with {report.model}."
    )


def _stats(chosen: argparse.Namespace) -> int:
    for file in chosen.file:
        report = checking.check(file, chosen.model, **_options(chosen))
        table = report.stats().round(1)
        if chosen.format == "json":
            print(
                json.dumps(
                    {
                        "file": file,
                        "examples": len(report.counts),
                        "kind": report.kind,
                        "labels": report.labels,
                        "stats": json.loads(table.T.to_json()),
                    },
                    ensure_ascii=False,
                )
            )
            continue
        print(f"{file}: {len(report.counts):,} examples, {report.kind}")
        print(table.to_string())
        if report.labels:
            print(
                "labels:",
                ", ".join(f"{name} {count}" for name, count in sorted(report.labels.items())),
            )
        if chosen.model and len(report.counts):
            print(_price(report))
    return 0


# prepare, convert, split


def _prepare(chosen: argparse.Namespace) -> int:
    report = checking.check(chosen.file, **_options(chosen))
    print(report.summary)
    # A table's other columns are no mistake: the format has no place for them.
    columns = ["unknown-key"] if report.source.format in ("csv", "tsv", "xlsx", "parquet") else []
    named = tuple(dict.fromkeys([*chosen.fix, *columns]))
    if open_fixes := [
        code
        for code in report.codes
        if code in repair.FIXES and not repair.FIXES[code].safe and code not in named
    ]:
        print("not fixed unless you say so:", " ".join(f"--fix {code}" for code in open_fixes))
    mended = repair.repair(report, named)
    lost, failed = Counter(), Counter()
    with Spool(_converted(mended, chosen.to, chosen.system, lost, failed)) as rows:
        print(mended)
        _tell(lost, failed)
        if not rows:
            print("error: no example is left", file=sys.stderr)
            return 1
        reminders = _reminders(rows[0])
        fine = chosen.to == "vertex" or _fine(rows, chosen.model)
        if not chosen.yes and sys.stdin.isatty() and not confirm.agrees("Write this?", ""):
            print("Nothing was written.")
            return 0
        parts: dict[str, Sequence[int]] = {"": range(len(rows))}
        if len(rows) >= 20:
            its = checking.split_places(rows, chosen.shares, seed=chosen.seed)
            parts = {f"_{name}": places for name, places in its.items()}
        written = _write(
            rows,
            {f"{_stem(chosen)}_prepared{name}.jsonl": places for name, places in parts.items()},
            chosen.to,
        )
    files = " ".join(map(str, written))
    if chosen.to == "vertex":
        print("Next: copy the files to Cloud Storage, then client.tunings.tune(…).")
    else:
        print(f"Next: workbook check {files}")
        print(
            f'Then: client.files.create(file=open("{written[0].name}", "rb"), purpose="fine-tune")'
        )
    for reminder in reminders:
        print(f"Remember: {reminder}.")
    return 0 if fine else 1


def _reminders(row: Mapping[str, Any]) -> list[str]:
    """What requests to the tuned model must have, too, by one of the rows it learned from."""
    if "completion" in row:
        asked, given = str(row.get("prompt")), str(row["completion"])
        ends = next(filter(asked.endswith, fixes.SEPARATORS), "")
        stops = next(filter(given.endswith, fixes.ENDINGS), "")
        told = [f"end prompts with {ends!r} afterwards, too"] if ends else []
        return told + [f"ask with stop=[{stops!r}]"] if stops else told
    messages = row.get("messages") or [{}]
    if messages[0].get("role") in ("system", "developer"):
        return ["send the same system message afterwards, too"]
    return []


def _fine(rows: Spool, model: str | None) -> bool:
    """Whether what is to be written has no errors; tells which it has, and what training costs."""
    report = replace(checking.check(rows, model), name="prepared")
    _show(
        (
            finding
            for finding in report.findings
            if finding.severity == "error" and finding.code != "too-few"
        ),
        report.codes,
        report.name,
    )
    if model:
        print(_price(report))
    return report.ok


def _convert(chosen: argparse.Namespace) -> int:
    named, options = tuple(chosen.fix), _options(chosen)
    rows = (
        repair.repair(checking.check(chosen.file, **options), named)
        if named
        else checking.stream(chosen.file, "converting", **options)
    )
    lost, failed = Counter(), Counter()
    with Spool(_converted(rows, chosen.to, chosen.system, lost, failed)) as done:
        _tell(lost, failed)
        if not done:
            print("error: no example could be converted", file=sys.stderr)
            return 1
        _write(done, {f"{_stem(chosen)}_{chosen.to}.jsonl": range(len(done))}, chosen.to)
    return 1 if failed else 0


def _split(chosen: argparse.Namespace) -> int:
    with Spool(map(_example, checking.stream(chosen.file, **_options(chosen)))) as rows:
        parts = checking.split_places(rows, chosen.shares, seed=chosen.seed)
        _write(rows, {f"{_stem(chosen)}_{name}.jsonl": places for name, places in parts.items()})
    return 0


def _example(row: Any) -> Any:
    if not isinstance(row, dict):
        raise DatasetError("Some rows are no examples: `check` says which.")
    return row


def _stem(chosen: argparse.Namespace) -> str:
    return Path(chosen.file).name.split(".")[0]


def _converted(
    rows: Iterable[Any], to: str, system: str | None, lost: Counter[str], failed: Counter[str]
) -> Iterator[Any]:
    """The rows in another format; counts what is lost, and why rows could not be converted."""
    for row in rows:
        if to == "chat" and isinstance(row, dict) and "preferred_output" in row:
            yield row  # chat for two answers
            continue
        try:
            converted = convert.convert(row, to, lost, system)
        except convert.CannotConvert as error:
            failed[str(error)] += 1
        else:
            yield converted


def _tell(lost: Counter[str], failed: Counter[str]) -> None:
    for what, count in lost.items():
        print(f"lost: {what} ({count:,} ×)")
    for why, count in failed.items():
        print(f"left out: {count:,} examples. {why}")


def _write(rows: Spool, parts: Mapping[str, Sequence[int]], to: str = "chat") -> list[Path]:
    """Write the rows of these places under each name. Azure asks for the byte order mark; nobody
    else wants it."""
    start = [readers.BOM] if to == "azure" else []
    files = {
        paths.work() / name: chain(
            start,
            map(
                rows.line, tqdm(places, desc=f"writing {name}", unit=" rows", delay=2, leave=False)
            ),
        )
        for name, places in parts.items()
    }
    write_files(files)
    for path, places in zip(files, parts.values(), strict=True):
        print(f"wrote {len(places):,} examples to {path}")
    return list(files)
