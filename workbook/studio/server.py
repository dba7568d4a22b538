"""The Studio as a server on this machine: its pages, its address with the token, its end.

Knows NiceGUI's application; what the pages show stands in `pages`.
"""

import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable

from nicegui import app, ui

from workbook import backends, paths
from workbook.errors import WorkbookError
from workbook.studio.access import Access
from workbook.studio.host import Host
from workbook.studio.pages import blind, compare, data, frame, job, job_form, jobs, playground

HOST, PORT = "127.0.0.1", 8322
_ATTEMPTS = 20  # ports that are tried after the usual one


def serve(
    connect: Callable[[], backends.Backend],
    port: int | None = None,
    *,
    browser: bool = True,
    colab: bool = False,
) -> None:
    """Run the Studio until Ctrl-C.

    connect: gives the backend; called now, and again where the lab has stopped
    port: None takes the usual one, or the next that is free
    browser: whether the page is opened
    colab: whether it is shown through Colab's proxy
    Raises WorkbookError, of the backend or where the port is not free, and OSError where the work
    folder can't be made.
    """
    paths.work()  # now: every page needs it
    host = Host(connect)
    frame.prepare()
    for page in (data, jobs, job_form, job, playground, blind, compare):
        page.add(host)
    token = secrets.token_hex(24)
    port = _free_port(port)
    app.add_middleware(Access, token=token, port=port, colab=colab)
    address = f"http://{HOST}:{port}/?token={token}"

    def started() -> None:
        print(f"The Studio is at {address}", flush=True)
        print(f"It calls {host.backend.title}. Stop it with Ctrl-C.", flush=True)
        if browser:
            webbrowser.open(address)

    app.on_startup(started)
    ui.run(
        host=HOST,
        port=port,
        title="Studio",
        favicon=frame.ICON,
        dark=None,
        language="en-US",
        reload=False,
        show=False,
        show_welcome_message=False,
        tailwind=False,
        reconnect_timeout=30.0,
        # What uvicorn takes without the packages that NiceGUI brings along.
        loop="asyncio",
        http="h11",
    )


def _free_port(port: int | None) -> int:
    """The port, or the first that is free. Raises WorkbookError."""
    reason: str | None = None  # why the last one can't be had
    for number in [port] if port else range(PORT, PORT + _ATTEMPTS):
        with socket.socket() as listener:
            if sys.platform != "win32":  # there it would share the port with another program
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, number))
                return number
            except OSError as error:
                reason = error.strerror
    last = PORT + _ATTEMPTS - 1
    what = f"Port {port} can't be had" if port else f"No port from {PORT} to {last} can be had"
    raise WorkbookError(f"{what}: {reason}. Name another one: workbook studio --port N.")
