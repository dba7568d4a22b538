"""The lab from outside: where it keeps its state, whether one runs, starting and stopping it.

Whoever is not the lab asks here: the names of the state folder and of its files stand nowhere else.
Knows nothing of what the lab answers.

    WORKBOOK_LAB_URL    a lab on another machine, such as a classroom's: http://192.168.1.20:8321
    WORKBOOK_LAB_KEY    the key for it
"""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbook import display, paths
from workbook.errors import WorkbookError
from workbook.lab.state import mark, server_file

# The first start fetches and converts 98 MB of weights; later ones take seconds.
START_SECONDS = 600
KEY_FILE = server_file.KEY_FILE  # in the state folder
SHARED, SHARED_KEY = "WORKBOOK_LAB_URL", "WORKBOOK_LAB_KEY"  # variables


if sys.platform == "win32":
    _DETACHED = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _DETACHED = 0


@dataclass(frozen=True)
class Connection:
    """What a client needs to call the lab."""

    base_url: str
    api_key: str
    model: str | None


def state_folder() -> Path:
    """Where the lab keeps its state, unless it is started with another folder."""
    return server_file.default_folder()


def url(server: dict[str, Any]) -> str:
    """Where a server that `running` has found answers."""
    return server_file.url(server)


def running(folder: Path | None = None) -> dict[str, Any] | None:
    """What a running lab says of itself (port, status, model, …); None when none answers.

    folder: its state folder; default: the usual one, or the lab of WORKBOOK_LAB_URL.
    """
    if folder is None and os.environ.get(SHARED):
        with contextlib.suppress(WorkbookError):
            return _shared()
        return None
    return server_file.find(folder or state_folder())


def stop(folder: Path | None = None) -> bool:
    """End the lab on a state folder (default: the usual one); False when there is none.

    Raises WorkbookError when it does not end.
    """
    return server_file.stop(folder or state_folder())


def connect() -> Connection:
    """Find the lab, or start it and wait until it has loaded its model. Raises WorkbookError.

    With WORKBOOK_LAB_URL, the lab there; none is started.
    """
    server, key = _shared_with_key() if os.environ.get(SHARED) else _own()
    if server["status"] == "failed":
        raise WorkbookError(
            f"The lab can't load its model: {server['message']}. Stop it with "
            "`workbook lab stop`, then run the set-up cell again."
        )
    # A proxy that the machine uses for the internet must not stand between it and itself.
    hosts = os.environ.get("NO_PROXY", "")
    if server["host"] not in hosts:
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{hosts},{server['host']}".lstrip(",")
    return Connection(f"{server_file.url(server)}/v1", key, server.get("model"))


def _own() -> tuple[dict[str, Any], str]:
    """The lab of this machine, running, and its key."""
    folder = state_folder()
    mark.check(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / "starting.lock"):  # two notebooks may be opened at the same moment
        server = running() or _start(folder)
    return server, server_file.stored_key(folder)


def _shared() -> dict[str, Any]:
    """What the lab of WORKBOOK_LAB_URL says of itself. Raises WorkbookError."""
    address = os.environ[SHARED].strip()
    try:
        parts = urllib.parse.urlsplit(address)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host = None
    if not host or parts.scheme != "http" or parts.path.rstrip("/") not in ("", "/v1"):
        raise WorkbookError(
            f"{SHARED} is '{address[:80]}', and not the address of a lab as `workbook lab serve` "
            "prints it, such as http://192.168.1.20:8321. Mend it, or unset it to use your own lab."
        )
    server = {"host": host, "port": port}
    try:
        return server | server_file.call(server, "/health")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise WorkbookError(
            f"No lab answers at {address} ({reason}). Ask whoever runs it, or unset {SHARED} to "
            "use a lab of your own."
        ) from None


def _shared_with_key() -> tuple[dict[str, Any], str]:
    """That lab, and a key that it takes."""
    key = os.environ.get(SHARED_KEY, "").strip()
    if not key:
        raise WorkbookError(f"{SHARED} is set, and {SHARED_KEY} is not: set it to your key.")
    server = _shared()
    try:
        server_file.call(server, "/v1/models", key, "GET")
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise WorkbookError(f"The lab at {url(server)} answers with {error.code}.") from None
        raise WorkbookError(
            f"The lab at {url(server)} does not take the key in {SHARED_KEY}. Ask whoever runs it."
        ) from None
    except (OSError, ValueError) as error:
        raise WorkbookError(f"The lab at {url(server)} does not answer: {error}.") from None
    return server, key


def _start(folder: Path) -> dict[str, Any]:
    """Start the lab as a process of its own, which outlives this kernel, and wait for it."""
    log = folder / "lab.log"
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "workbook", "lab", "serve"],
            cwd=paths.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            creationflags=_DETACHED,
            start_new_session=True,  # on POSIX; Windows has the flags
        )
    started = time.monotonic()
    with _progress_line() as progress:
        while time.monotonic() - started < START_SECONDS:
            time.sleep(0.2)
            server = running()
            if server and server["status"] != "starting":
                return server
            message = _last_line(log, before)
            if process.poll() is not None:
                raise WorkbookError(f"The lab did not start. It said: {message or 'nothing'}")
            if time.monotonic() - started > 2:
                progress("Starting the lab: " + ("it loads its model…" if server else message))
    raise WorkbookError(
        f"The lab did not answer within {START_SECONDS // 60} minutes. "
        f"Its log is {log}; `workbook lab stop` ends it."
    )


@contextlib.contextmanager
def _progress_line() -> Iterator[Callable[[str], None]]:
    """One line on stderr that is written over, and wiped at the end."""
    shown = ""

    def progress(text: str) -> None:
        nonlocal shown
        text = text[:100]
        if text != shown:
            print("\r" + text.ljust(len(shown)), end="", file=sys.stderr, flush=True)
            shown = text

    try:
        yield progress
    finally:
        if shown and display.in_notebook():  # else a stripe in stderr's colour would stay
            from IPython.display import clear_output

            clear_output()
        elif shown:
            print("\r" + " " * len(shown) + "\r", end="", file=sys.stderr, flush=True)


def _last_line(log: Path, start: int) -> str:
    """The last line of what was written to the log since `start` (bytes)."""
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else ""
