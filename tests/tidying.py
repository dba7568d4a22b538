"""Somebody else who makes and removes folders in a folder while a test looks into it."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path


def meanwhile(folder: Path, name: str, times: int = 300) -> Iterator[None]:
    """Yield until folders `name`-0, `name`-1, … with an empty file each have come and gone."""

    def tidy_up() -> None:
        for number in range(times):
            made = folder / f"{name}-{number}"
            made.mkdir()
            (made / "file").touch()
            shutil.rmtree(made)

    other = threading.Thread(target=tidy_up)
    other.start()
    while other.is_alive():
        yield
