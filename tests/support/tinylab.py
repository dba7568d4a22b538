"""A real lab that serves a tiny model, in a home of its own: for what needs no course model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tinybase
from labserver import Server, start

from workbook.lab.model import bases


@contextmanager
def serving(folder: Path, *options: str, state: str = "state", **config: Any) -> Iterator[Server]:
    """The lab, stopped at the end; WORKBOOK_HOME and WORKBOOK_LAB_BASE hold meanwhile.

    options: of `workbook lab serve`
    state: its folder, within `folder`
    config: settings of the model's config.json
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        patch.setenv("WORKBOOK_LAB_BASE", "tiny")
        bases.add("tiny", tinybase.folder(folder / "hf", **config))
        server = start(folder / state, *options)
        try:
            yield server
        finally:
            server.stop()
