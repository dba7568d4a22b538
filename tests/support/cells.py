"""Running some of a notebook's own cells: those in which certain texts stand.

For exercises that train: their cells need a few others, but not the notebook's exams.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import nbformat

from tools import notebooks


def run(
    number: str,
    needed: Sequence[str],
    names: dict[str, Any],
    answers: Mapping[str, str] | None = None,
) -> None:
    """Run the cells in their order.

    needed: texts; each stands in a cell that is run
    names: what is defined before, and after it what the cells define
    answers: what a student writes, by what stood there; each replaces something
    """
    [path] = notebooks.select([number])
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert all(any(text in source for source in cells) for text in needed)
    sources = [source for source in cells if any(text in source for text in needed)]
    for old, new in (answers or {}).items():
        assert any(old in source for source in sources), old
        sources = [source.replace(old, new) for source in sources]
    for source in sources:
        exec(compile(source, "cell", "exec"), names)
