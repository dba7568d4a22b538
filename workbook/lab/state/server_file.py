"""The state folder from outside: who holds it, the key, and where the running server answers.

`server.json` {"host", "port", "pid", "version"} stands while a server answers; `key` (0600) is made
once; `lock` is held by the one server that may use the folder. Knows nothing of what else is
inside.
"""

import contextlib
import http.client
import json
import os
import secrets
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from workbook import files, paths
from workbook.errors import WorkbookError
from workbook.lab import __version__
from workbook.lab.state import mark

KEY_FILE = "key"


def default_folder() -> Path:
    """Where the lab keeps its state, unless it is started with another folder."""
    return paths.home() / "lab"


@contextlib.contextmanager
def hold(folder: Path, check: Callable[[Path], None] = mark.check) -> Iterator[None]:
    """Make the folder private, and keep it for this process.

    check: whether it may be used; raises WorkbookError before anything in it is touched.
    Raises WorkbookError: it is taken.
    """
    mark.check_writable(folder)  # first: SQLite can't even read without writing beside its file
    check(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        server = find(folder)
        where = f" (port {server['port']}, process {server['pid']})" if server else ""
        raise WorkbookError(
            f"A lab already uses the state folder {folder}{where}. Use that one, end it with "
            "`workbook lab stop`, or give another folder with --state."
        ) from None
    try:
        withdraw(folder)  # whoever is named there has died: now it names this server, or nobody
        yield
    finally:
        lock.release()


def api_key(folder: Path, new: str | None) -> str:
    """The key that clients must send: `new`, else the stored one, else one made here; stored."""
    path = folder / KEY_FILE
    stored = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    key = (new or stored or f"lab-{secrets.token_urlsafe(24)}").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise WorkbookError("The key must be printable ASCII without spaces: give another one.")
    if key != stored:
        files.replace_text(path, key + "\n", private=True)
    return key


def stored_key(folder: Path) -> str:
    """The key of the lab that has used the folder. Raises FileNotFoundError."""
    return (folder / KEY_FILE).read_text(encoding="utf-8").strip()


def announce(folder: Path, port: int, host: str) -> None:
    """Say where the server answers.

    host: the address by which this machine reaches it.
    """
    server = {"host": host, "port": port, "pid": os.getpid(), "version": __version__}
    files.replace_text(folder / "server.json", json.dumps(server), private=True)


def withdraw(folder: Path) -> None:
    """Take the announcement back."""
    (folder / "server.json").unlink(missing_ok=True)


def find(folder: Path) -> dict[str, Any] | None:
    """server.json and what /health says, if the server it names answers; None otherwise."""
    try:
        server = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        server = {"host": "127.0.0.1"} | server  # labs before 0.2 name none
        health = call(server, "/health")
        return server | health if health["pid"] == server["pid"] else None
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None  # nothing answers there, or something else does


def stop(folder: Path) -> bool:
    """Ask the server to end, or make it if it does not answer, and wait until its folder is free;
    False when there is none. Its process may take a moment longer.

    Raises WorkbookError when it has not ended after some seconds.
    """
    if not (folder / "lock").exists() or _is_free(folder, 0):
        return False
    server = find(folder)
    if server is not None:
        call(server, "/v1/lab/stop", stored_key(folder))
        if _is_free(folder, 15):
            return True
    try:
        process = json.loads((folder / "server.json").read_text(encoding="utf-8"))["pid"]
    except FileNotFoundError:
        raise WorkbookError("The lab is just starting or ending: try again in a moment.") from None
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        os.kill(process, number)
        if _is_free(folder, 5):
            withdraw(folder)
            return True
    raise WorkbookError(f"The lab (process {process}) does not end: end that process by hand.")


def _is_free(folder: Path, patience: float) -> bool:
    """Whether nobody holds the folder, or lets go of it within so many seconds."""
    try:
        with FileLock(folder / "lock").acquire(timeout=patience):
            return True
    except Timeout:
        return False


def url(server: dict[str, Any]) -> str:
    """The address of a server that was found."""
    host = f"[{server['host']}]" if ":" in server["host"] else server["host"]
    return f"http://{host}:{server['port']}"


def call(
    server: dict[str, Any], path: str, key: str | None = None, method: str = "POST"
) -> dict[str, Any]:
    """GET, or `method` with a key, past any proxy. Raises OSError or ValueError."""
    request = urllib.request.Request(url(server) + path)
    if key:
        request.method = method
        request.add_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        return json.load(answer)
