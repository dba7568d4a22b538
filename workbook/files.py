"""Files and folders that are whole or not there: written beside their place, then put into it.

What interrupts the writing (an error, Ctrl-C, a full disk) leaves the old file as it was and
nothing of the new one. Knows nothing of what is written.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def beside(path: Path, *, only_writer: bool = False) -> Iterator[Path]:
    """A hidden, unused name in the folder of `path`, for a file or folder that will replace it.

    Whatever stands under that name when the block ends is removed. only_writer: no other process
    writes to `path`, so the name is always the same, and what a killed one left there is removed.
    """
    salt = "" if only_writer else f".{secrets.token_hex(4)}"
    scratch = path.with_name(f".{path.name}{salt}.part")
    try:
        remove(scratch)
        yield scratch
    finally:
        remove(scratch)


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(
    path: Path, *, private: bool = False, only_writer: bool = False
) -> Iterator[BinaryIO]:
    """A file to write to; it takes the place of `path` when the block ends without an error.

    private: readable by its owner alone, from its first byte on. only_writer: as for `beside`.
    Raises OSError.
    """
    with beside(path, only_writer=only_writer) as scratch:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with open(os.open(scratch, flags, 0o600 if private else 0o666), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, path)


def replace_text(
    path: Path, text: str, *, private: bool = False, only_writer: bool = False
) -> None:
    """Write `text` (UTF-8) to `path` in one step; else as `replacing`."""
    with replacing(path, private=private, only_writer=only_writer) as stream:
        stream.write(text.encode("utf-8"))
