"""Base models beside the course's own: registered by name, kept in the lab's own form.

A registered base is a folder: config.json, model.safetensors and tokenizer.json as Hugging Face has
them, and base.json with where it came from and its chat template. What is registered is a copy, so
the original may go. Knows where bases are kept; how they are read and checked, `from_gguf`,
`from_hugging_face` and `base_check` know.
"""

import json
import os
import re
import shutil
import time
from pathlib import Path

import psutil
from filelock import FileLock
from safetensors import SafetensorError

from workbook import files, paths
from workbook.errors import WorkbookError
from workbook.lab.model import integrity, weights

MOST_TEXT = 2**26  # bytes of a tokenizer, template or settings
_READ = (".json", ".jinja", ".safetensors", ".gguf")
VARIABLE = "WORKBOOK_LAB_BASE"


def names() -> list[str]:
    """The course's own model, then what was registered."""
    registered = sorted(path.parent.name for path in _home().glob("*/base.json"))
    # A hidden folder is one that is just being added, or removed.
    return [weights.MODEL, *(name for name in registered if not name.startswith("."))]


def find(name: str | None = None) -> tuple[str, Path]:
    """Name and folder of a base: `name`, or WORKBOOK_LAB_BASE, or the course's own, fetched if it
    is not there. Raises WorkbookError when there is none of that name."""
    name = name or os.environ.get(VARIABLE) or weights.MODEL
    if name == weights.MODEL:
        return name, weights.ensure()
    if name not in names():
        raise WorkbookError(
            f"There is no base model {name!r}. Registered: {', '.join(names())}. "
            "Add one: workbook lab models add NAME PATH"
        )
    folder = _home() / name
    if damage := integrity.damage(folder):
        raise WorkbookError(
            f"The base model {name!r} is damaged: {damage}. Remove it and add it again: "
            f"workbook lab models remove {name}, then workbook lab models add {name} PATH"
        )
    return name, folder


def location(name: str) -> Path:
    """Where a base's files lie; the course's own may not have been fetched yet."""
    return paths.cache() / name if name == weights.MODEL else _home() / name


def add(name: str, source: Path, tokenizer: Path | None = None) -> Path:
    """Register a model of the Llama family; the value is its folder.

    source: a Hugging Face folder, or a GGUF file.
    tokenizer: a tokenizer.json to use instead of the model's own.
    Raises WorkbookError that names what the lab can't run, or what is missing.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise WorkbookError(f"{name!r} can't be a name: use small letters, digits, '.', '_', '-'.")
    if name in names():
        raise WorkbookError(
            f"There is a base model {name!r} already. Choose another name, or "
            f"remove that one: workbook lab models remove {name}"
        )
    source = source.expanduser().resolve()
    try:
        # One at a time: what a killed one left under this name is then nobody's, and is removed.
        with (
            FileLock(_home().with_name(".bases.lock")),
            files.beside(_home() / name, only_writer=True) as staging,
        ):
            staging.mkdir()
            _fill(staging, source, tokenizer)
            integrity.seal(staging)
            os.replace(staging, _home() / name)
    except WorkbookError:
        raise
    except OSError as error:
        raise WorkbookError(
            f"{error.filename or source}: {error.strerror}. Nothing was registered."
        ) from None
    except SafetensorError as error:
        raise WorkbookError(f"The weights in {source.name} can't be read: {error}.") from None
    except KeyError as error:
        raise WorkbookError(
            f"{source.name} does not say what it must: {error} is missing."
        ) from None
    except Exception as error:  # whatever a damaged or hostile file makes a library stumble over
        reason = (str(error).strip() or "nothing more is known").splitlines()[0][:200]
        raise WorkbookError(
            f"{source.name} can't be read as a model ({type(error).__name__}: {reason}). "
            "Nothing was registered."
        ) from None
    return _home() / name


def remove(name: str) -> None:
    """Delete a registered base. Raises WorkbookError for the course's own, or an unknown one."""
    if name == weights.MODEL or name not in names():
        raise WorkbookError(
            f"{name!r} is no registered base model. Registered: {', '.join(names()[1:]) or 'none'}."
        )
    hidden = _home() / f".removing-{name}"
    files.remove(hidden)  # what a killed process left
    os.replace(_home() / name, hidden)  # at once: a base is there whole, or not at all
    shutil.rmtree(hidden)


def _fill(folder: Path, source: Path, tokenizer: Path | None) -> None:
    """Write a whole base into a new folder, and check it."""
    # They bring torch and gguf, which a list of names can do without.
    from workbook.lab.model import base_check, from_gguf, from_hugging_face

    _check_sizes(source, tokenizer)
    if source.is_dir():
        chat = from_hugging_face.convert(source, folder, tokenizer is None)
    elif source.is_file():
        chat = from_gguf.convert(source, folder, tokenizer is None)
    else:
        raise WorkbookError(f"{source} is not there. Name a folder or a GGUF file.")
    if tokenizer is not None:
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    about = {"source": str(source), "added": int(time.time())} | chat
    (folder / "base.json").write_text(json.dumps(about, indent=2), encoding="utf-8")
    base_check.check(folder, source.name)


def _check_sizes(source: Path, tokenizer: Path | None) -> None:
    """Raise WorkbookError for what could not be read to its end, or not be held in memory."""
    read = [path for path in source.iterdir() if path.suffix in _READ] if source.is_dir() else []
    read += [source] if source.exists() and not source.is_dir() else []
    read += [tokenizer] if tokenizer else []
    for path in read:
        if path.exists() and not path.is_file():
            raise WorkbookError(f"{path} is no regular file. Nothing was registered.")
        if path.suffix in (".json", ".jinja") and path.stat().st_size > MOST_TEXT:
            size = MOST_TEXT // 2**20
            raise WorkbookError(f"{path} is larger than {size} MiB. Nothing was registered.")
    whole = sum(path.stat().st_size for path in read if path.exists())
    available = psutil.virtual_memory().available
    if whole > available:
        raise WorkbookError(
            f"{source.name} takes {whole / 1e9:.1f} GB, and {available / 1e9:.1f} GB of memory are "
            "free: it can't be read here. Nothing was registered."
        )


def _home() -> Path:
    folder = paths.home() / "bases"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
