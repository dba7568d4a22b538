"""Python graders: what they give, what is wrong with them, and that they are shut in."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workbook.grading import python_grader

ANSWER = {"sample": {"output_text": "four"}, "item": {"stars": 4}}
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shuts a process in")


def result(body: str, **options: Any) -> dict[str, Any]:
    """What a grader with this body says of an answer."""
    source = "import os, sys\ndef grade(sample, item):\n    " + body.replace("\n", "\n    ")
    python_grader.check(source)
    [only] = python_grader.run_all(source, [ANSWER], **options)
    return only


def test_it_sees_the_answer_and_the_item() -> None:
    assert result("return len(sample['output_text']) / item['stars']") == {"reward": 1.0}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return item['moons']", "line 3: KeyError: 'moons'"),
        ("return 'good'", "'good', which is no finite number"),
        ("return float('nan')", "nan, which is no finite number"),
        ("sys.exit(0)", "line 3: SystemExit"),
        ("print('x' * 10**6)\nreturn 1 / 0", "line 4: ZeroDivisionError"),
    ],
)
def test_its_mistakes_are_said_with_their_line(body: str, said: str) -> None:
    assert said in result(body)["error"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def grade(sample, item)\n  return 1", "line 1"),
        ("def judge(sample, item): return 1", "no function grade"),
        ("def grade(sample): return 1", "two arguments"),
        ("#" * 300_000, "longer than 256 KB"),
        ("def grade(s, i): return 1\0", "null"),
    ],
)
def test_a_source_that_is_no_grader_is_refused(source: str, said: str) -> None:
    with pytest.raises(python_grader.SourceError, match=said):
        python_grader.check(source)


# Ways to the outside, each through Python and, where there is one, past it.
C = "import ctypes\nC = ctypes.CDLL(None)\n"
HOSTILE = {
    "a connection": "import socket\nsocket.create_connection(('127.0.0.1', PORT))",
    "a socket of C's": C + "if C.socket(2, 1, 0) >= 0: return 1\nraise OSError",
    "a program": "import subprocess\nsubprocess.run(['touch', PATH])",
    "a shell": "os.system('touch ' + PATH)",
    "a shell of C's": C + "C.system(b'touch ' + PATH.encode())\nraise OSError",
    "a fork": "os.fork()",
    "a fork of C's": C + "if C.fork() >= 0: return 1\nraise OSError",
    "a file": "open(PATH, 'w')",
    "a file by number": "os.open(PATH, os.O_CREAT | os.O_RDWR)",
    "a file of C's": C + "C.creat(PATH.encode(), 511)\nraise OSError",
    "a file that goes": "os.unlink(KEPT)",
    "a file that is emptied": "os.truncate(KEPT, 0)",
    "a file that is moved": "os.rename(KEPT, PATH)",
    "a folder": "os.mkdir(PATH)",
    "a secret": "open(KEPT).read()",
    "a secret of C's": C + "if C.open(KEPT.encode(), 0) >= 0: return 1\nraise OSError",
    "the server's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "a look around": "os.listdir('/')",
    "the server's end": "os.kill(os.getppid(), 9)",
    "more memory": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "a database": "import sqlite3\nsqlite3.connect(PATH).execute('create table t (x)')",
}


@linux
@pytest.mark.parametrize("way", HOSTILE)
def test_there_is_no_way_out(way: str, tmp_path: Path) -> None:
    kept, path = tmp_path / "kept", tmp_path / "path"
    kept.write_text("secret")
    names = {"PATH": str(path), "KEPT": str(kept), "PORT": 9}
    body = "\n".join([f"{name} = {value!r}" for name, value in names.items()] + [HOSTILE[way]])
    said = result(body)
    assert "error" in said, said
    assert kept.read_text() == "secret" and not path.exists()


def test_its_environment_holds_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "secret")
    assert result("return float('WORKBOOK_LAB_KEY' in os.environ)") == {"reward": 0.0}


@linux
def test_memory_ends() -> None:
    assert "MemoryError" in result("return len(bytearray(3 * 2**30))")["error"]


def test_an_endless_grader_is_ended_and_others_are_graded(tmp_path: Path) -> None:
    source = (
        "import os\ndef grade(sample, item):\n"
        "    while item['wait']: pass\n"
        "    if item.get('die'): os._exit(3)\n"
        "    return 1"
    )
    items = [{"wait": False}, {"wait": True}, {"wait": False, "die": True}, {"wait": False}]
    items += [{"wait": True}, {"wait": False}]
    began = time.monotonic()
    answers = [{"sample": {}, "item": item} for item in items]
    results = python_grader.run_all(source, answers, seconds=0.5)
    assert [each.get("died", each.get("reward")) for each in results] == [
        1.0,
        "timeout",
        "exited",
        1.0,
        "timeout",
        "not run",  # too many deaths: nobody is to wait for all of them
    ]
    assert time.monotonic() - began < 30


def test_what_it_writes_to_us_is_no_error_of_ours() -> None:
    """The pipe back to us is its own, too: only a grade comes through, and only its own."""
    fake = """for fd in range(3, 20):
    try: os.write(fd, b'[1]\\n')
    except OSError: pass
return 1"""
    assert result(fake) == {"died": "exited"}


@pytest.mark.skipif(os.name != "posix", reason="needs processes of POSIX")
def test_nothing_is_left_running() -> None:
    before = {path.name for path in Path("/proc").glob("[0-9]*")}
    result("while True: pass", seconds=0.5)
    workers = [
        path
        for path in Path("/proc").glob("[0-9]*")
        if path.name not in before and "python_worker" in _command(path)
    ]
    assert not workers


def _command(path: Path) -> str:
    try:
        return (path / "cmdline").read_text()
    except OSError:
        return ""
