"""The lab's own process: its port, its key, its state folder, and the server that answers there.

Knows how the process begins and ends; what is answered in between stands in `workbook.lab.api`.
"""

import contextlib
import errno
import logging
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path

import psutil

from workbook.errors import WorkbookError
from workbook.lab.jobs.process import FEW_SHAPES
from workbook.lab.model import bases
from workbook.lab.quotas import Limits
from workbook.lab.reach import MIN_KEY, Reach
from workbook.lab.state import server_file
from workbook.lab.students import Students

PORT = 8321  # if it is free and no other is asked for

# libgomp's threads wait for each other awake so many times round, about a tenth of a millisecond,
# and then sleep; at once where there are more of them than cores. See `serving.free_cores`.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}

# What a container may use of all cores: "max", or microseconds, and of how many.
# https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
_QUOTA = Path("/sys/fs/cgroup/cpu.max")

_log = logging.getLogger("lab")


def serve(
    folder: Path,
    port: int | None = None,
    base: str | None = None,
    api_key: str | None = None,
    reach: Reach | None = None,
    students: Students | None = None,
    limits: Limits | None = None,
) -> None:
    """Run the lab on a state folder until it is stopped.

    port: default: PORT, or a free one if that is taken.
    base: the base model's name; default: see `bases.find`.
    api_key: what clients must send; default: the one in the state folder, made once.
    reach: who may reach it; default: this machine.
    students: who have keys of their own, and see what is theirs.
    limits: of each of them.
    Raises WorkbookError that says what is in the way.
    """
    reach = reach or Reach()
    with server_file.hold(folder), contextlib.closing(_listen(reach.host, port)) as listener:
        key = server_file.api_key(folder, api_key)
        if not reach.is_loopback and len(key) < MIN_KEY:  # chosen when nobody else reached it
            raise WorkbookError(
                f"With --host {reach.host} other machines reach the lab, and the key in {folder} "
                f"has {len(key)} characters: give another with --api-key, {MIN_KEY} or more."
            )
        _run(folder, key, listener, base, reach, students, limits)


def _granted() -> dict[str, str]:
    """As many threads as a container is granted cores: torch would take one for each that it sees,
    and threads that wait for each other awake would use up what is granted."""
    try:
        quota, period = map(int, _QUOTA.read_text().split())
    except (OSError, ValueError):  # none, or "max"
        return {}
    granted, cores = quota // period, psutil.cpu_count(logical=False) or 1
    return {"OMP_NUM_THREADS": str(max(1, granted))} if granted < cores else {}


def _run(
    folder: Path,
    key: str,
    listener: socket.socket,
    base: str | None,
    reach: Reach,
    students: Students | None,
    limits: Limits | None,
) -> None:
    # Read when torch is imported; what the user has set stays.
    os.environ |= FEW_SHAPES | WAITING | _granted() | dict(os.environ)
    import uvicorn

    from workbook.lab.api import app
    from workbook.lab.service import Lab

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    name, base_folder = bases.find(base)
    try:
        lab = Lab(folder, base_folder, name, limits)
    except sqlite3.DatabaseError as error:
        raise WorkbookError(
            f"The state in {folder} can't be read: {error}. Give another folder with --state, or "
            "begin anew: workbook lab reset"
        ) from None
    config = uvicorn.Config(
        app.create(lab, key, os.getpid(), reach, students),
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
        # The same, whatever else is installed beside it.
        loop="asyncio",
        http="h11",
        ws="none",  # such a request is answered as any other
    )
    server = uvicorn.Server(config)
    lab.stop = lambda: setattr(server, "should_exit", True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises them again after its clean end
    port = listener.getsockname()[1]
    server_file.announce(folder, port, reach.from_here)
    address = f"[{reach.host}]" if ":" in reach.host else reach.host
    _log.info("The lab answers at http://%s:%d/v1 with %s", address, port, name)
    if students:
        _log.info("%d students have keys; each sees what is theirs alone", len(students))
    if not reach.is_loopback:
        _log.info(
            "Other machines reach it, in plain HTTP; whoever has the lab's key may do everything"
        )
    try:
        server.run(sockets=[listener])
    finally:
        server_file.withdraw(folder)
    _log.info("The lab has stopped")


def _listen(host: str, port: int | None) -> socket.socket:
    """A listening socket on this address. Raises WorkbookError when it can't be had."""
    try:
        return _bind(host, PORT if port is None else port)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            message = f"This machine has no address {host}: give another one with --host."
            raise WorkbookError(message) from None
        if port is None:
            return _bind(host, 0)
        raise WorkbookError(
            f"Port {port} can't be used ({error.strerror}): another program has it. Give another "
            "one with --port, or leave --port out and a free one is found."
        ) from None


def _bind(host: str, port: int) -> socket.socket:
    # asyncio sends answers at once (TCP_NODELAY) only where the protocol is named: 40 ms a request.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # a port just left by another lab may be used; Windows means more
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
