"""Whether the files of a base are whole: none missing, cut off, or changed since they were written.

Reads as little as it can, without torch: a file is hashed only where its date or size is not the
one that was noted when it was last found whole. Knows the files of a base; nothing of models.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from workbook import fetch, files

FILES = ("config.json", "model.safetensors", "tokenizer.json")
_NOTE = "whole.json"  # name -> size, mtime_ns, sha256


def seal(folder: Path) -> None:
    """Note that a folder's files are whole."""
    note = {name: _stamp(folder / name, fetch.digest(folder / name)) for name in FILES}
    with contextlib.suppress(OSError):  # somebody else's folder, which may only be read
        files.replace_text(folder / _NOTE, json.dumps(note, indent=2))


def damage(folder: Path) -> str:
    """What is wrong with a folder's files; empty where they are whole."""
    for name in FILES:
        if not (folder / name).is_file():
            return f"{name} is missing"
    note = _noted(folder)
    if all(note.get(name) == _stamp(folder / name, _sha256(note, name)) for name in FILES):
        return ""
    for name in FILES:
        if (fault := _fault(folder / name)) or not (expected := _sha256(note, name)):
            if fault:
                return f"{name} {fault}"
        elif fetch.digest(folder / name) != expected:
            return f"{name} has changed since it was written"
    seal(folder)
    return ""


def _noted(folder: Path) -> dict[str, Any]:
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        return note if isinstance(note, dict) else {}
    except (OSError, ValueError):
        return {}


def _sha256(note: dict[str, Any], name: str) -> str | None:
    entry = note.get(name)
    return entry.get("sha256") if isinstance(entry, dict) else None


def _stamp(path: Path, sha256: str | None) -> dict[str, Any]:
    about = path.stat()
    return {"size": about.st_size, "mtime_ns": about.st_mtime_ns, "sha256": sha256}


def _fault(path: Path) -> str:
    """What is wrong with a file by itself."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
            return ""
        # https://github.com/huggingface/safetensors#format: the header's length, the header, data.
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(path.stat().st_size, 100_000_000):
                return "is cut off"
            header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name[:2] != "__"]
        return "" if path.stat().st_size == 8 + length + max(ends, default=0) else "is cut off"
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return "can't be read"
