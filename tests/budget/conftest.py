"""A server that answers as OpenAI would, and somebody who agrees to everything."""

from collections.abc import Iterator
from pathlib import Path

import budgets
import pytest

from workbook import confirm


@pytest.fixture
def server(home: Path) -> Iterator[budgets.Server]:
    yield from budgets.serve()


@pytest.fixture
def yes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every question is answered with yes; the value lists the questions."""
    asked: list[str] = []
    monkeypatch.setattr(confirm, "ask", lambda question, *_: asked.append(question) or "yes")
    return asked
