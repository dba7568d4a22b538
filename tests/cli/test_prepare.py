"""`workbook prepare`, `convert` and `split`: mended, converted, divided, and never in memory."""

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys

import pytest
from training_rows import chat, numbered, put

from workbook import cli, doctor, paths


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_prepare_reads_fixes_splits_and_writes(home, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    path = tmp_path / "shop.csv"
    path.write_text(
        "Question;Answer;Author\n"
        + "".join(f"Where is {n}?;Look at {n * 7}.;ana\n" for n in range(40)),
        encoding="latin-1",
    )
    assert run("prepare", path, "--system", "You know shelves.", "--drop", "author") == 0
    out = capsys.readouterr().out
    train, rest = (paths.work() / f"shop_prepared_{name}.jsonl" for name in ("train", "validation"))
    assert len(doctor.read(train)) + len(doctor.read(rest)) == 40
    assert doctor.read(train)[0]["messages"][0]["content"] == "You know shelves."
    assert doctor.check(train).ok
    assert "Next: workbook check" in out and "lost: `Author` (40 ×, first on line 2)" in out
    assert "Remember: send the same system message" in out
    assert (
        run(
            *("prepare", path, "--to", "completion", "--drop", "all"),
            *("--fix", "no-separator", "--fix", "no-ending"),
        )
        == 0
    )
    out = capsys.readouterr().out
    assert r"end prompts with '\n\n###\n\n' afterwards" in out and "stop=[' END']" in out
    for name in ("completion", "azure", "vertex"):
        assert run("prepare", path, "--to", name, "--yes", "--drop", "all") == 0
    assert train.read_text("utf-8").startswith('{"contents"')
    earlier = paths.work() / "shop_prepared_train.4.jsonl"
    assert earlier.read_bytes().startswith(b"\xef\xbb\xbf")


def test_convert_and_split(home, tmp_path, capsys) -> None:
    path = put(tmp_path, numbered())
    assert run("convert", path, "--to", "vertex") == 0
    assert run("convert", paths.work() / "data_vertex.jsonl", "--to", "chat") == 0
    assert doctor.read(paths.work() / "data_vertex_chat.jsonl") == numbered()
    assert run("convert", path, "--to", "dpo") == 1
    assert "left out: 30 examples" in capsys.readouterr().out
    assert run("split", path, "--shares", "a=0.5,b=0.5") == 0
    assert len(doctor.read(paths.work() / "data_a.jsonl")) == 15


def _piece(stream: io.RawIOBase) -> bytes:
    """The next bytes; what has ended, or hangs, would be waited for in vain."""
    assert select.select([stream], [], [], 120)[0], "the command says nothing any more"
    piece = stream.read(10_000)
    assert piece, "the command ended before its bar was seen"
    return piece


@pytest.mark.full
@pytest.mark.parametrize(
    ("command", "rows", "bar"),
    [
        (["check"], 60_000, "checking many.jsonl:"),
        (["prepare", "--yes"], 60_000, "checking: "),
        (["convert", "--to", "vertex"], 300_000, "converting many.jsonl:"),
        (["split"], 300_000, "reading many.jsonl:"),
    ],
)
def test_what_takes_long_has_a_bar_and_can_be_stopped(home, tmp_path, command, rows, bar) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text(
        "".join(
            f"{json.dumps(chat(f'Number {n} {n * 7}?', 'Far ' * (n % 40)))}\n" for n in range(rows)
        )
    )
    termios = pytest.importorskip("termios")  # not on Windows
    screen, terminal = os.openpty()  # bars are drawn for people, not into pipes
    termios.tcsetwinsize(terminal, (24, 80))
    with (
        open(screen, "rb", buffering=0) as shown,
        subprocess.Popen(
            [sys.executable, "-m", "workbook", *command, str(path)],
            cwd=paths.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            stdin=subprocess.DEVNULL,
        ) as running,
    ):
        os.close(terminal)
        output = b""
        while bar.encode() not in output:
            output += _piece(shown)
        os.kill(running.pid, signal.SIGINT)
        with contextlib.suppress(
            OSError
        ):  # a terminal nobody writes to any more ends with an error
            while True:
                output += _piece(shown)
    assert running.returncode == 130 and b"stopped: nothing is left half-written" in output
    assert b"Traceback" not in output
    assert list(paths.work().iterdir()) == []


@pytest.mark.parametrize("command", [["convert", "--to", "vertex"], ["split"]])
def test_memory_does_not_hold_the_rows(home, tmp_path, command) -> None:
    path = tmp_path / "many.jsonl"
    with open(path, "w") as stream:
        for n in range(15_000):  # 100 MB
            stream.write(json.dumps(chat(f"Number {n}?", f"{n} " * 1_000)) + "\n")
    script = (
        "import re, sys; from workbook import cli; cli.main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command, str(path)],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[-1]) / 1024 < 150  # MiB
