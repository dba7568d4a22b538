"""The lab's own process: its port, its key, its state folder, and the server that answers there.

Knows how the process begins and ends; what is answered in between stands in `workbook.lab.api`.
"""

import contextlib
import logging
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path

from workbook.errors import WorkbookError
from workbook.lab.jobs.process import FEW_SHAPES
from workbook.lab.model import bases
from workbook.lab.state import server_file

PORT = 8321  # if it is free and no other is asked for
HOST = "127.0.0.1"

_log = logging.getLogger("lab")


def serve(
    folder: Path, port: int | None = None, base: str | None = None, api_key: str | None = None
) -> None:
    """Run the lab on a state folder until it is stopped.

    port: default: PORT, or a free one if that is taken.
    base: the base model's name; default: see `bases.find`.
    api_key: what clients must send; default: the one in the state folder, made once.
    Raises WorkbookError that says what is in the way.
    """
    # Threads that wait sleep instead of spinning: up to a sixth slower alone, and up to twice as
    # fast where another program wants the processor too. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ |= FEW_SHAPES | dict(os.environ)  # what the user has set stays
    with server_file.hold(folder), contextlib.closing(_listen(port)) as listener:
        _run(folder, server_file.api_key(folder, api_key), listener, base)


def _run(folder: Path, key: str, listener: socket.socket, base: str | None) -> None:
    import uvicorn

    from workbook.lab.api import app
    from workbook.lab.service import Lab

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    name, base_folder = bases.find(base)
    try:
        lab = Lab(folder, base_folder, name)
    except sqlite3.DatabaseError as error:
        raise WorkbookError(
            f"The state in {folder} can't be read: {error}. Give another folder with --state, or "
            "begin anew: workbook lab reset"
        ) from None
    config = uvicorn.Config(
        app.create(lab, key, os.getpid()),
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    lab.stop = lambda: setattr(server, "should_exit", True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises them again after its clean end
    port = listener.getsockname()[1]
    server_file.announce(folder, port)
    _log.info("The lab answers at http://%s:%d/v1 with %s", HOST, port, name)
    try:
        server.run(sockets=[listener])
    finally:
        server_file.withdraw(folder)
    _log.info("The lab has stopped")


def _listen(port: int | None) -> socket.socket:
    """A listening socket on the loopback. Raises WorkbookError when the port asked for is taken."""
    try:
        return _bind(PORT if port is None else port)
    except OSError as error:
        if port is None:
            return _bind(0)
        raise WorkbookError(
            f"Port {port} can't be used ({error.strerror}): another program has it. Give another "
            "one with --port, or leave --port out and a free one is found."
        ) from None


def _bind(port: int) -> socket.socket:
    # asyncio sends answers at once (TCP_NODELAY) only where the protocol is named: 40 ms a request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # a port just left by another lab may be used; Windows means more
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
