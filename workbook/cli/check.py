"""`workbook check` and `workbook stats`: what is wrong with data, and how much of it there is."""

import json
from typing import Any

import click

from workbook import doctor
from workbook.cli import exits, options
from workbook.doctor import fast_pass, terminal
from workbook.doctor.cluster import scans as cluster_scans
from workbook.errors import WorkbookError
from workbook.prices import costs

_MISFIT = {"model-format", "model-method"}  # nobody trains on it, so there is no price


@click.command()
@options.FILES
@options.MODEL
@options.HOST
@options.FORMAT
@click.option("--suffix", help="Check the job's suffix, too.")
@click.option(
    "--basics",
    is_flag=True,
    help="Structure, tokens and price only: the fast pass for very large JSONL files (needs "
    "--model).",
)
@click.option(
    "--meaning",
    is_flag=True,
    help="Also find questions that mean the same in other words (needs the extra `meaning`).",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Check on a Dask cluster, such as tcp://10.0.0.5:8786; FILE may then be an address like "
    "s3://….",
)
@options.reading
def check(
    files: tuple[str, ...],
    model: str | None,
    host: str | None,
    form: str,
    suffix: str | None,
    basics: bool,
    meaning: bool,
    scheduler: str | None,
    reading: dict[str, Any],
) -> int:
    """Find what is wrong; several files are also compared.

    FILE is JSONL, JSON, CSV, TSV, XLSX, TXT, Parquet, or exported from WhatsApp.
    """
    if basics and "columns" in reading:
        raise click.UsageError(
            "--basics reads keys as they stand: leave --columns out, or --basics."
        )
    if basics:
        return _basics(files, model, host, form, scheduler)
    job = {"suffix": suffix} if suffix is not None else {}
    reports = doctor.check_files(
        files, model, host=host, job=job, scheduler=scheduler, meaning=meaning, **reading
    )
    if form == "json":
        rows = [terminal.as_json(report, file) for file, report in zip(files, reports, strict=True)]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for file, report in zip(files, reports, strict=True):
            terminal.print_findings(report.findings, report.codes, file)
            print(report.summary)
            if model and len(report.counts) and not _MISFIT & report.codes.keys():
                print(terminal.price(report))
    return exits.DONE if all(report.ok for report in reports) else exits.NO


def _basics(
    files: tuple[str, ...], model: str | None, host: str | None, form: str, scheduler: str | None
) -> int:
    if not model:
        raise WorkbookError("--basics counts tokens: say for which --model.")
    scans = (
        iter(cluster_scans.scan_files(files, scheduler, model, host=host))
        if scheduler
        else (fast_pass.scan(file, model, host=host) for file in files)
    )
    status = exits.DONE
    for file, scan in zip(files, scans, strict=True):
        errors = sum(
            count for code, count in scan.codes.items() if doctor.CODES[code].severity == "error"
        )
        status = exits.NO if errors else status
        if form == "json":
            row = {
                "file": file,
                "examples": scan.rows,
                "tokens": scan.tokens,
                "errors": errors,
                "without system message": scan.without_system,
                "codes": dict(scan.codes),
                "findings": terminal.findings_as_json(scan.findings),
            }
            print(json.dumps(row, ensure_ascii=False))
            continue
        terminal.print_findings(scan.findings, scan.codes, file)
        print(
            f"{file}: {scan.rows:,} examples, {scan.tokens:,} tokens, {errors:,} errors, "
            f"{scan.without_system:,} without a system message."
        )
        if scan.rows and not _MISFIT & scan.codes.keys():
            try:
                bill = scan.cost(model)
            except WorkbookError as error:
                print(error)
                continue
            notices = bill.notices()
            print(f"Training: {costs.usd(bill.usd)} with {model}.")
            for notice in notices:
                print(f"Take care. {notice}")
    return status


@click.command()
@options.FILES
@options.MODEL
@options.FORMAT
@options.reading
def stats(files: tuple[str, ...], model: str | None, form: str, reading: dict[str, Any]) -> int:
    """Count messages, tokens and dollars."""
    for file in files:
        report = doctor.check(file, model, **reading)
        table = report.stats().round(1)
        if form == "json":
            row = {
                "file": file,
                "examples": len(report.counts),
                "kind": report.kind,
                "labels": report.labels,
                "stats": json.loads(table.T.to_json()),
            }
            print(json.dumps(row, ensure_ascii=False))
            continue
        print(f"{file}: {len(report.counts):,} examples, {report.kind}")
        print(table.to_string())
        if report.labels:
            print("labels:", ", ".join(f"{name} {n}" for name, n in sorted(report.labels.items())))
        if model and len(report.counts):
            print(terminal.price(report))
    return exits.DONE


COMMANDS = {"check": check, "stats": stats}
