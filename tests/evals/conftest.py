"""What the harness's tests share: a server that echoes, twenty examples, a file for the answers."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from echo import Echo

from workbook.evals.examples import Example


@pytest.fixture
def server() -> Iterator[Echo]:
    server = Echo()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


@pytest.fixture
def examples() -> list[Example]:
    return [Example(str(i), [{"role": "user", "content": f"q{i}"}], f"q{i}") for i in range(20)]
