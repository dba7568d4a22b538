"""Somebody else who makes and removes folders in a folder while a test looks into it."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def meanwhile(folder: Path, name: str) -> Iterator[None]:
    """Yield until 300 folders `name`-0, `name`-1, … with an empty file each have come and gone."""

    def tidy_up() -> None:
        for number in range(300):
            made = folder / f"{name}-{number}"
            made.mkdir()
            (made / "file").touch()
            shutil.rmtree(made)

    with ThreadPoolExecutor(1) as other:
        tidied = other.submit(tidy_up)
        yield
        while not tidied.done():
            yield
        tidied.result()  # raises what went wrong there
