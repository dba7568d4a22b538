"""`workbook lab`, then what it shall do: the lab from the command line.

Knows how the lab is started, stopped and looked after; what it does in between, `app` knows.
Exit status: 0 done; 1 not, with one sentence on standard error; `status` also when no lab runs.
"""

import argparse
import contextlib
import logging
import os
import shutil
import signal
import socket
import sqlite3
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from workbook import confirm
from workbook.errors import WorkbookError
from workbook.lab import __version__
from workbook.lab.model import bases, weights
from workbook.lab.state import inventory, server_file

PORT = 8321  # if it is free and no other is asked for
HOST = "127.0.0.1"

DEVICES = ("auto", "cpu", "cuda", "mps")

_log = logging.getLogger("lab")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with one sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except WorkbookError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workbook lab",
        description="The lab answers OpenAI's files, fine-tuning and chat API on this machine, "
        "and really trains a small model.",
        epilog="Its state is in the folder that `status` names. More: docs/lab.md",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _command(commands, "status", _status, "Say whether the lab runs, where, and with which model.")
    _command(commands, "stop", _stop, "End the lab; a running job goes on at the next start.")
    _add_models(commands)
    reset = _command(commands, "reset", _reset, "Delete all files, jobs and tuned models.")
    reset.add_argument(
        "--weights",
        action="store_true",
        help="the base models, too; the lab's own is fetched again when needed",
    )
    reset.add_argument("--yes", action="store_true", help="don't ask")
    return parser


def _command(commands: Any, name: str, run: Any, told: str) -> argparse.ArgumentParser:
    its = commands.add_parser(name, help=told, description=told)
    its.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help=f"where records and files are kept; default: {server_file.default_folder()}",
    )
    its.set_defaults(run=run)
    return its


def _add_serve(commands: Any) -> None:
    serve = _command(commands, "serve", _serve, "Run the lab until it is stopped.")
    serve.add_argument("--port", type=_port, help=f"default: {PORT}, or a free one if it is taken")
    serve.add_argument(
        "--base",
        metavar="NAME",
        help="the base model to chat with and to tune; "
        f"default: {bases.VARIABLE}, or {weights.MODEL}",
    )
    serve.add_argument(
        "--device",
        choices=DEVICES,
        help="where to compute; default: WORKBOOK_LAB_DEVICE, or auto (a GPU where there is one)",
    )
    serve.add_argument(
        "--api-key",
        metavar="KEY",
        help="the key that clients send; default: "
        "WORKBOOK_LAB_KEY, or one that is made once and kept in the state folder",
    )


def _add_models(commands: Any) -> None:
    models = _command(
        commands, "models", _models, "List base and tuned models; add or remove a base."
    )
    what = models.add_subparsers(metavar="add | remove")
    told = "Register a Llama-family model as another base: a copy is kept in the lab's form."
    add = what.add_parser("add", help=told, description=told)
    add.add_argument("name", metavar="NAME", help="what clients will call it")
    add.add_argument(
        "path",
        metavar="PATH",
        type=Path,
        help="a Hugging Face folder (config.json, *.safetensors, tokenizer.json) or a GGUF file",
    )
    add.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="a tokenizer.json to use instead of the model's own",
    )
    add.set_defaults(run=_models_add)
    told = "Delete a registered base model (the original stays)."
    remove = what.add_parser("remove", help=told, description=told)
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--yes", action="store_true", help="also when models were tuned from it")
    remove.set_defaults(run=_models_remove)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def _folder(options: argparse.Namespace) -> Path:
    chosen = options.state.expanduser().resolve() if options.state else None
    return chosen or server_file.default_folder()


def _serve(options: argparse.Namespace) -> int:
    from workbook.lab.jobs import runner  # other commands need none of what it brings

    folder = _folder(options)
    if options.device:
        os.environ["WORKBOOK_LAB_DEVICE"] = options.device  # the training process reads it, too
    # Threads that wait sleep instead of spinning: up to a sixth slower alone, and up to twice as
    # fast where another program wants the processor too. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ |= runner.FEW_SHAPES | dict(os.environ)  # what the user has set stays
    with server_file.hold(folder), contextlib.closing(_listen(options.port)) as listener:
        key = server_file.key(folder, options.api_key or os.environ.get("WORKBOOK_LAB_KEY"))
        _run(folder, key, listener, options.base)
    return 0


def _run(folder: Path, key: str, listener: socket.socket, base: str | None) -> None:
    import uvicorn

    from workbook.lab.api import app

    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    name, base_folder = bases.find(base)
    try:
        lab = app.Lab(folder, base_folder, name, key)
    except sqlite3.DatabaseError as error:
        raise WorkbookError(
            f"The state in {folder} can't be read: {error}. Give another folder with --state, or "
            "begin anew: workbook lab reset"
        ) from None
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


def _status(options: argparse.Namespace) -> int:
    folder = _folder(options)
    server = server_file.find(folder)
    if server is None:
        print(f"No lab runs on {folder}. Start one: workbook lab serve")
        return 1
    print(f"The lab answers at http://{HOST}:{server['port']}/v1 (process {server['pid']})")
    speed = ""
    if server["dtype"]:
        speed = f" on {server['device']}, {server['dtype']} at {server['gflops']:.0f} GFLOP/s"
    print(f"Model: {server['model']}, {server['status']}{speed}")
    print(f"State: {folder}; the key is in its file 'key'")
    return 0


def _stop(options: argparse.Namespace) -> int:
    print("The lab has stopped." if server_file.stop(_folder(options)) else "No lab was running.")
    return 0


# Models


def _models(options: argparse.Namespace) -> int:
    folder = _folder(options)
    server = server_file.find(folder)
    served = server["model"] if server else None
    print("Base models")
    for name in bases.names():
        place = bases.location(name)
        size = _size(inventory.size(place)) if place.exists() else "not fetched yet"
        print(f"  {name:<40} {size:>10}{'  served now' if name == served else ''}")
    tuned = inventory.tuned(folder)
    print("Tuned models" if tuned else "No tuned models yet.")
    for model in tuned:
        day = datetime.fromtimestamp(model.created_at).strftime("%Y-%m-%d %H:%M")
        print(f"  {model.id}\n    {day}  {_size(model.bytes):>8}  {model.job_id}")
    return 0


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _models_add(options: argparse.Namespace) -> int:
    place = bases.add(options.name, options.path, options.tokenizer)
    print(f"registered {options.name} ({_size(inventory.size(place))}, in {place})")
    print(f"Next: workbook lab serve --base {options.name}")
    return 0


def _models_remove(options: argparse.Namespace) -> int:
    folder, name = _folder(options), options.name
    server = server_file.find(folder)
    if server and server["model"] == name:
        raise WorkbookError(f"The lab serves {name} now: workbook lab stop")
    needing = [model.id for model in inventory.tuned(folder) if model.base == name]
    if needing and not options.yes:
        raise WorkbookError(
            f"{len(needing)} tuned model{'s' * (len(needing) > 1)} can't be used without {name}, "
            f"{needing[-1]} for one. --yes removes it all the same."
        )
    bases.remove(name)
    print(f"removed {name}")
    return 0


def _reset(options: argparse.Namespace) -> int:
    folder = _folder(options)
    if not inventory.is_state(folder) and not options.weights:
        print(f"There is nothing to delete in {folder}.")
        return 0
    with server_file.hold(folder):
        lost = inventory.summary(folder)
        if options.weights:
            lost += ", and the base models: " + ", ".join(bases.names())
        if not options.yes and not confirm.agrees(f"Delete {lost}, in {folder}?", "--yes deletes."):
            print("Nothing was deleted.")
            return 1
        inventory.delete(folder)
        if options.weights:
            for name in bases.names()[1:]:
                bases.remove(name)
            shutil.rmtree(bases.location(weights.MODEL), ignore_errors=True)
    print(f"Deleted: {lost}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
