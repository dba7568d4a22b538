"""On a Dask cluster the doctor finds what it finds on one machine, also when a worker dies."""

import functools
import gzip
import http.server
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from training_rows import ANIMALS, MODEL

from workbook import cli, doctor
from workbook.doctor import fast_pass, job_checks
from workbook.doctor.cluster import checks, scans
from workbook.errors import WorkbookError

WORDS = ANIMALS[:14]


def text(number: int, seed: int = 0) -> str:
    """Good rows, bad rows, repeated ones and nearly repeated ones, over many ranges."""
    dice = random.Random(seed)
    lines = []
    for n in range(number):
        question = f"Tell me, number {n}: " + " ".join(dice.choices(WORDS, k=12))
        row = {
            "messages": [
                {"role": "user", "content": f"{question}?"},
                {"role": "assistant", "content": f"Ask the {WORDS[n % 14]} {n}."},
            ]
        }
        lines.append(json.dumps(row))
        if n % 97 == 0:
            lines.append(lines[dice.randrange(len(lines))])
        if n % 89 == 0:
            lines.append(json.dumps(row).replace("?", "!"))
        if n % 83 == 0:
            lines.append(
                dice.choice(
                    [
                        "{oops",
                        "",
                        '{"messages": []}',
                        "[1]",
                        '{"prompt": "a"}',
                        '\ufeff{"prompt": "", "completion": "b"}',
                    ]
                )
            )
    return "\ufeff" + "\n".join(lines)


def content_of(report: doctor.Report) -> tuple:
    return (
        report.findings,
        report.codes,
        report.summary,
        report.labels,
        dict(report.kinds),
        report.counts.to_dict("list"),
    )


def test_without_dask_it_says_what_to_install(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    (tmp_path / "a.jsonl").write_text(text(20))
    assert cli.main(["check", str(tmp_path / "a.jsonl"), "--scheduler", "tcp://x:1"]) == 2
    output = capsys.readouterr().err
    assert "pip install" in output and "dask[distributed]" in output and "Traceback" not in output


def test_ranges_share_out_every_line_once(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    path = tmp_path / "a.jsonl"
    path.write_bytes(text(200).encode())
    whole = [line for _, *line in map(vars_of, checks.lines(str(path), 0, 10**9))]
    size = path.stat().st_size
    for part in (7, 100, 3_333):
        pieces = [
            vars_of(line)[1:]
            for start in range(0, size, part)
            for line in checks.lines(str(path), start, start + part)
        ]
        assert list(map(list, pieces)) == whole


def vars_of(line) -> tuple:
    return line.number, line.value, line.problems, line.readable


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[Any]:
    if os.environ.get("CI") != "true":
        pytest.importorskip("distributed")
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=None
    ) as local:
        yield local


@pytest.mark.full
def test_a_cluster_finds_the_same_in_the_same_order(dask_cluster, tmp_path: Path, capsys) -> None:
    train, other = tmp_path / "train.jsonl", tmp_path / "other.csv"
    train.write_bytes(text(1_500).encode())
    rows = [json.loads(line) for line in text(300).splitlines()[1:60] if line.startswith('{"mes')]
    other.write_text(
        "prompt,completion\n"
        + "".join(f'"{row["messages"][0]["content"]}",There.\n' for row in rows if row["messages"])
    )
    files = [str(train), f"file://{other}"]
    alone = doctor.check_files([train, other], MODEL, job={"suffix": "x" * 70})
    for part in (20_000, 150_000):
        first, second = checks.check_files(
            files,
            dask_cluster.scheduler_address,
            MODEL,
            job_problems=list(job_checks.check({"suffix": "x" * 70}, MODEL)),
            range_bytes=part,
        )
        assert content_of(first) == content_of(alone[0])
        assert second.codes == alone[1].codes and second.codes["leakage"] > 20
    assert {"near-duplicate", "duplicate", "not-json", "bom"} <= alone[0].codes.keys()
    command = ["check", str(train), "--format", "json"]
    assert cli.main(command) == 1
    here = capsys.readouterr().out
    assert cli.main([*command, "--scheduler", dask_cluster.scheduler_address]) == 1
    assert capsys.readouterr().out == here
    basics = ["check", str(train), str(other), "--model", MODEL, "--basics"]
    assert cli.main(basics) == 1
    here = capsys.readouterr().out
    assert cli.main([*basics, "--scheduler", dask_cluster.scheduler_address]) == 1
    assert capsys.readouterr().out == here
    for part in (20_000, 150_000):
        [result] = scans.scan_files([str(train)], dask_cluster.scheduler_address, MODEL, part)
        assert result == fast_pass.scan(train, MODEL)
    with pytest.raises(WorkbookError, match="can't be"):
        checks.check_files([str(tmp_path / "none.jsonl")], dask_cluster.scheduler_address)


@pytest.mark.full
def test_files_at_an_address_are_read_too(dask_cluster, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(text(300).encode())
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/train.jsonl"
        plain, packed = checks.check_files(
            [address, f"{address}.gz"], dask_cluster.scheduler_address, MODEL
        )
        server.shutdown()
    assert content_of(plain) == content_of(doctor.check(path, MODEL))
    assert plain.codes.items() <= packed.codes.items()


@pytest.mark.full
def test_a_worker_that_is_killed_changes_nothing(dask_cluster, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(text(6_000).encode())
    alone = doctor.check(path, MODEL)
    victim = next(iter(dask_cluster.workers.values())).pid
    killed = threading.Event()

    def kill() -> None:
        time.sleep(1)  # in the middle: the whole takes several seconds
        os.kill(victim, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill).start()
    begun = time.monotonic()
    [report] = checks.check_files(
        [str(path)], dask_cluster.scheduler_address, MODEL, range_bytes=25_000
    )
    assert killed.is_set() and time.monotonic() - begun > 1
    assert content_of(report) == content_of(alone)
    assert victim not in {worker.pid for worker in dask_cluster.workers.values()}
