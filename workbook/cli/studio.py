"""`workbook studio`: the page in the browser. What it shows stands in `workbook.studio`."""

import contextlib
import importlib.util
import sys

import click

from workbook import backends
from workbook.cli import exits
from workbook.errors import WorkbookError


@click.command()
@click.option(
    "--backend",
    "name",
    type=click.Choice(backends.NAMES),
    help="Default: WORKBOOK_BACKEND, or the notebooks' choice, or lab.",
)
@click.option("--model", help="Another base model than the backend's own.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8322, or the next free one.")
@click.option("--no-browser", is_flag=True, help="Print the address, open nothing.")
@click.option("--colab", is_flag=True, help="For Colab's proxy; see docs/studio.md.")
def studio(
    name: str | None, model: str | None, port: int | None, no_browser: bool, colab: bool
) -> int:
    """Open the Studio: data, jobs, a playground, blind votes and comparisons, in the browser.

    It listens on this machine only, and opens with the token in its address.
    """
    if importlib.util.find_spec("nicegui") is None:
        raise WorkbookError(
            'The Studio needs NiceGUI, which is not installed: pip install "nicegui>=3.18".'
        )
    from workbook.studio import server

    def connect() -> backends.Backend:
        with contextlib.redirect_stdout(sys.stderr):
            return backends.connect(name, model)[1]

    server.serve(connect, port, browser=not (no_browser or colab), colab=colab)
    return exits.DONE


COMMANDS = {"studio": studio}
