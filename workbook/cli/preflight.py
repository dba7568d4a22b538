"""`workbook preflight`: what will happen to a file at a host, before anything is sent."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from workbook import hosts
from workbook.cli import exits

_SIGNS = {"ok": "ok  ", "look": "look", "stop": "STOP"}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--host", required=True, metavar="HOST", help=f"One of: {', '.join(hosts.contracts())}."
)
@click.option("--model", help="By the host's name for it.")
@click.option("--epochs", "n_epochs", type=int, metavar="N")
@click.option("--batch-size", type=int, metavar="N")
@click.option("--learning-rate-multiplier", type=float, metavar="X")
@click.option("--suffix", help="A part of the new model's name.")
@click.option("--region", help="Where it would be trained.")
@click.option("--existing-customer", is_flag=True, help="You have tuned models there before.")
@click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The day on which the job would be sent; default: today.",
)
@click.option(
    "--request",
    "with_requests",
    is_flag=True,
    help="Also print the HTTP requests that the host's own client would send.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def preflight(
    file: Path,
    host: str,
    model: str | None,
    day: datetime | None,
    with_requests: bool,
    as_json: bool,
    **options: object,
) -> int:
    """Say what is known beforehand about training with FILE: who may, the file's errors at that
    host, what the settings mean there, the price, what comes after. Nothing is sent.

    The exit status is 1 where something stops the job.
    """
    settings = hosts.Settings(**options)  # type: ignore[arg-type]
    lines = hosts.preflight(file, host, model, settings, day and day.date())
    requests = []
    if with_requests:
        if model is None:
            raise click.UsageError("--request needs --model.")
        requests = hosts.dry_run(file, host, model, settings, hosts.method_of(file, host))
    if as_json:
        rows = {"lines": [asdict(line) for line in lines], "requests": requests}
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for line in lines:
            print(f"{_SIGNS[line.level]} {line.about:<9}{line.text}")
        for request in requests:
            print(f"\n{request}")
    return exits.NO if any(line.level == "stop" for line in lines) else exits.DONE


COMMANDS = {"preflight": preflight}
