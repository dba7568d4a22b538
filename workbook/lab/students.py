"""A key for each student: made, shown once, kept as hashes only, and recognised.

The file is JSON, {"students": [{"name", "sha256"}]} (null: the key was taken away), readable by its
owner alone. A key has 192 random bits, so that a plain hash gives nothing away. Knows nothing of
HTTP or of what students do.
"""

import contextlib
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from workbook import files, strict_json
from workbook.errors import WorkbookError

MAX_NAME = 64  # characters
PATIENCE = 10.0  # seconds for another command that changes the same file

_log = logging.getLogger("lab")


def make(path: Path, names: Iterable[str]) -> dict[str, str]:
    """New keys by student, added to the file. Raises WorkbookError: a name is taken, or none."""
    names = list(names)
    for i, name in enumerate(names):
        _check_name(name)
        if name in names[:i]:
            raise WorkbookError(f"Two students are called '{name}': give each a name of their own.")
    with _locked(path):
        hashes = load(path) if path.exists() else {}
        if taken := [name for name in names if name in hashes]:
            raise WorkbookError(
                f"{path} has a key for {', '.join(taken[:3])} already, and nothing was changed. "
                f"For another one: workbook lab keys renew '{taken[0]}'"
            )
        keys = {name: f"lab-{secrets.token_urlsafe(24)}" for name in names}
        _write(path, hashes | {name: _hash(key) for name, key in keys.items()})
    return keys


def renew(path: Path, name: str) -> str:
    """Another key for a student whose files and jobs stay; the old key is worth nothing then."""
    with _locked(path):
        hashes = load(path)
        _check_known(path, hashes, name)
        key = f"lab-{secrets.token_urlsafe(24)}"
        _write(path, hashes | {name: _hash(key)})
    return key


def remove(path: Path, name: str) -> None:
    """Take a student's key away. The name stays taken, as what they have made stays in the lab's
    state: nobody else may come into it."""
    with _locked(path):
        hashes = load(path)
        _check_known(path, hashes, name)
        _write(path, hashes | {name: None})


def load(path: Path) -> dict[str, str | None]:
    """Hashes by student; None where the key was taken away.

    Raises WorkbookError for what is no file of keys.
    """
    try:
        rows = strict_json.loads(path.read_bytes())["students"]
        hashes = {row["name"]: row["sha256"] for row in rows}
        if len(hashes) < len(rows) or not all(map(_is_hash_or_none, hashes.values())):
            raise ValueError
        for name in hashes:
            _check_name(name)
    except FileNotFoundError:
        raise WorkbookError(
            f"There is no file {path}. Make keys first: workbook lab keys make 20 --file {path}"
        ) from None
    except (ValueError, TypeError, KeyError):
        raise WorkbookError(
            f"{path} is no file of keys as `workbook lab keys make` writes it. Nothing was changed."
        ) from None
    return hashes


class Students:
    """The students of a file of keys, which may change while the lab runs."""

    def __init__(self, path: Path) -> None:
        """Raises WorkbookError for what is no file of keys, or has none."""
        self._path = path
        self._names = _by_hash(load(path))
        self._stamp = self._modified()
        if not self._names:
            raise WorkbookError(f"{path} has no keys: workbook lab keys make 20 --file {path}")

    def __len__(self) -> int:
        return len(self._names)

    def of_key(self, key: str) -> str | None:
        """The student who has this key."""
        if (stamp := self._modified()) != self._stamp:
            self._stamp = stamp
            try:
                self._names = _by_hash(load(self._path))
            except (WorkbookError, OSError) as error:  # those that were known stay
                _log.error("The keys were not read again: %s", error)
        return self._names.get(_hash(key))

    def _modified(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=PATIENCE):
            yield
    except Timeout:  # also of a folder that takes no files, and does not say so
        raise WorkbookError(
            f"{path} is being changed by another command, or its folder takes no files. Nothing "
            "was changed: try again, or give another place with --file."
        ) from None


def _write(path: Path, hashes: Mapping[str, str | None]) -> None:
    rows = [{"name": name, "sha256": key} for name, key in hashes.items()]
    text = json.dumps({"students": rows}, indent=1, ensure_ascii=False)
    files.replace_text(path, text + "\n", private=True)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _is_hash_or_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)))


def _by_hash(hashes: dict[str, str | None]) -> dict[str, str]:
    return {key: name for name, key in hashes.items() if key is not None}


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise WorkbookError(
            f"'{str(name)[:80]}' is no name for a student: up to {MAX_NAME} printable characters."
        )
    if name != name.strip():
        raise WorkbookError(f"The name '{name}' begins or ends with a space.")


def _check_known(path: Path, hashes: Mapping[str, str | None], name: str) -> None:
    if name not in hashes:
        raise WorkbookError(f"{path} has no key for '{name}'. It has: {', '.join(hashes)}.")
