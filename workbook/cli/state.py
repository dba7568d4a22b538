"""The option `--state`: on which of the lab's folders a command works."""

from collections.abc import Callable
from pathlib import Path

import click

from workbook.lab import client


def _folder(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path:
    return value.expanduser().resolve() if value else client.state_folder()


def with_state(command: Callable[..., int]) -> Callable[..., int]:
    """Add `--state`; the command gets a folder in any case, as `folder`."""
    return click.option(
        "--state",
        "folder",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        callback=_folder,
        help=f"Where records and files are kept; default: {client.state_folder()}",
    )(command)
