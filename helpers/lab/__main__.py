"""`python -m helpers.lab serve | status | stop`: the lab from the command line."""

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from helpers.errors import WorkbookError
from helpers.lab import __version__, state

PORT = 8321  # if it is free and no other is asked for
HOST = "127.0.0.1"

_log = logging.getLogger("lab")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with one sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except WorkbookError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.lab",
        description="The lab answers OpenAI's files, fine-tuning and chat API on this machine, "
        "and really trains a small model.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the lab until it is stopped")
    serve.add_argument("--port", type=_port, help=f"default: {PORT}, or a free one if it is taken")
    serve.add_argument(
        "--api-key",
        help="the key that clients send; default: WORKBOOK_LAB_KEY, "
        "or one that is made once and kept in the state folder",
    )
    serve.set_defaults(run=_serve)

    status = commands.add_parser("status", help="say whether the lab runs, and where")
    status.set_defaults(run=_status)

    stop = commands.add_parser("stop", help="end the lab; a running job goes on at the next start")
    stop.set_defaults(run=_stop)

    for command in (serve, status, stop):
        command.add_argument(
            "--state", type=Path, metavar="FOLDER", help="where records and files are kept"
        )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def _folder(options: argparse.Namespace) -> Path:
    chosen = options.state.expanduser().resolve() if options.state else None
    return chosen or state.default_folder()


def _serve(options: argparse.Namespace) -> int:
    folder = _folder(options)
    # Threads that wait sleep instead of spinning: up to a sixth slower alone, and up to twice as
    # fast where another program wants the processor too. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with state.hold(folder), contextlib.closing(_listen(options.port)) as listener:
        key = state.key(folder, options.api_key or os.environ.get("WORKBOOK_LAB_KEY"))
        _run(folder, key, listener)
    return 0


def _run(folder: Path, key: str, listener: socket.socket) -> None:
    import uvicorn

    from helpers.lab import app, weights

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    base = weights.ensure()
    lab = app.Lab(folder, base, weights.MODEL, key)
    config = uvicorn.Config(
        app.create(lab, os.getpid()),
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
    state.announce(folder, port)
    _log.info("The lab answers at http://%s:%d/v1", HOST, port)
    try:
        server.run(sockets=[listener])
    finally:
        state.withdraw(folder)
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
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # a port just left by another lab may be used; Windows means more
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _status(options: argparse.Namespace) -> int:
    folder = _folder(options)
    server = state.find(folder)
    if server is None:
        print(f"No lab runs on {folder}. Start one: python -m helpers.lab serve")
        return 1
    print(f"The lab answers at http://{HOST}:{server['port']}/v1 (process {server['pid']})")
    speed = f", {server['dtype']} at {server['gflops']:.0f} GFLOP/s" if server["dtype"] else ""
    print(f"Model: {server['model']}, {server['status']}{speed}")
    print(f"State: {folder}; the key is in its file 'key'")
    return 0


def _stop(options: argparse.Namespace) -> int:
    print("The lab has stopped." if state.stop(_folder(options)) else "No lab was running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
