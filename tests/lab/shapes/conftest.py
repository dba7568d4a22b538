"""One lab with a tiny model for the shapes of other hosts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tinylab
from labserver import Server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shapes")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[Server]:
    with tinylab.serving(folder) as server:
        yield server
