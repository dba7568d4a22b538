"""A state folder that can't be written: a sentence before anything is changed, and no new mode."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from labserver import MODEL, offline

from workbook import paths

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="modes, and root without its powers"
)
DAC_OVERRIDE, DROP = 1, 24  # of capabilities(7) and prctl(2)


def as_anybody() -> None:
    """Root may write everywhere; not without this capability."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(DROP, DAC_OVERRIDE, 0, 0, 0)


def run(command: str, state: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "workbook", "lab", *command.split(), "--state", str(state)],
        cwd=paths.ROOT,
        preexec_fn=as_anybody,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("command", "part"),
    [("serve", ""), ("serve", "lab.sqlite3"), ("serve", "files"), ("reset --yes", "")],
)
def test_it_is_refused_and_stays_as_it_is(tmp_path: Path, command: str, part: str) -> None:
    state = tmp_path / "state"
    lab, client = offline(state)
    file = {"file": ("a.jsonl", b"{}")}
    assert client.post("/v1/files", files=file, data={"purpose": "fine-tune"}).status_code == 200
    lab.store.close()
    (state / part).chmod(0o500)
    before = {path: (path.stat().st_mode, path.stat().st_size) for path in state.rglob("*")}
    done = run(command, state)
    assert done.returncode and "is read-only for you" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "with --state" in done.stderr
    assert {path: (path.stat().st_mode, path.stat().st_size) for path in before} == before
    (state / part).chmod(0o700)


def test_a_new_one_within_a_folder_that_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    done = run("serve", tmp_path / "closed" / "a" / "state")
    assert done.returncode and f"{tmp_path / 'closed'} is read-only for you" in done.stderr
    assert MODEL not in done.stderr
