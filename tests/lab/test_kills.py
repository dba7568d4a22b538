"""The lab and its trainer are killed a hundred times, at random moments; nothing may be lost.

`WORKBOOK_KILL_SEED` repeats a storm's choices (not the machine's timing). Losses are compared in
float32, since another number format can be chosen at every start.
"""

import base64
import contextlib
import csv
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
import tinybase
import torch
from labserver import rows, start
from safetensors.torch import load_file

from workbook import paths
from workbook.lab.model import bases

KILLS = 100
TOLERANCE = 1e-3  # of a loss, against the uninterrupted run; measured: below 1e-5

PAIRS = "".join(
    json.dumps(
        {
            "input": {"messages": [{"role": "user", "content": f"Question {i}?"}]},
            "preferred_output": [{"role": "assistant", "content": f"Answer {i}."}],
            "non_preferred_output": [{"role": "assistant", "content": f"No {i}!"}],
        }
    )
    + "\n"
    for i in range(12)
)
FILES = {"supervised": rows(30), "dpo": PAIRS}


def hyperparameters(method: str) -> dict[str, Any]:
    return {"n_epochs": 10 if method == "supervised" else 20, "batch_size": 2}


@dataclass
class Run:
    """What a job left behind."""

    losses: list[float]
    steps: list[int]
    tokens: int
    adapter: dict[str, torch.Tensor]


class Storm:
    """A lab that is killed and started again, and what it has acknowledged so far."""

    def __init__(self, state: Path, seed: int) -> None:
        self.state, self.random, self.seed = state, random.Random(seed), seed
        self.files: dict[str, bytes] = {}  # id -> content
        self.jobs: dict[str, str] = {}  # id -> method
        self.training: dict[str, str] = {}  # method -> file id
        self.trained = 0  # steps that were done when the trainer was last killed
        self.counts = dict.fromkeys(("server", "trainer", "start", "upload", "create"), 0)
        self.server = start(state)

    @property
    def client(self) -> openai.OpenAI:
        return self.server.client(timeout=20)

    # What is asked for

    def upload(self, content: bytes) -> str:
        id = self.client.files.create(file=("a.jsonl", content), purpose="fine-tune").id
        self.files[id] = content
        return id

    def create(self, method: str) -> str:
        job = self.client.fine_tuning.jobs.create(
            model="tiny",
            training_file=self.training[method],
            seed=5,
            method={"type": method, method: {"hyperparameters": hyperparameters(method)}},
        )
        self.jobs[job.id] = method
        return job.id

    def unfinished(self) -> bool:
        jobs = self.client.fine_tuning.jobs.list(limit=100).data
        return any(job.status not in ("succeeded", "failed", "cancelled") for job in jobs)

    def keep_busy(self) -> None:
        if not self.unfinished():
            self.create(self.random.choice(sorted(FILES)))

    # Kills

    def kill(self, kind: str) -> None:
        self.counts[kind] += 1
        getattr(self, f"_kill_{kind}")()

    def _kill_server(self) -> None:
        time.sleep(self.random.uniform(0, 2.5))
        self.restart()

    def _kill_start(self) -> None:
        """Also while it starts, before it answers."""
        self.server.kill()
        process = subprocess.Popen(
            [sys.executable, "-m", "workbook", "lab", "serve", "--state", str(self.state)],
            cwd=paths.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(self.random.uniform(0, 1))
        process.kill()
        process.wait()
        self.server = start(self.state)
        self.check_acknowledged()

    def _kill_trainer(self) -> None:
        """Only after a further step: the lab gives a job up whose trainer gets nowhere."""
        until = time.monotonic() + 60
        while self.steps() == self.trained:
            self.keep_busy()
            assert time.monotonic() < until, self.said("no step in a minute")
            time.sleep(0.05)
        time.sleep(self.random.uniform(0, 1))
        killed = self.children()
        for child in killed:
            child.kill()
        while self.unfinished() and not self.children() - killed:
            assert time.monotonic() < until, self.said("no new trainer in a minute")
            time.sleep(0.05)
        self.trained = self.steps()  # the last of them were written before the kill

    def children(self) -> set[psutil.Process]:
        """The trainer; the lab has other processes, too, which render templates."""
        trainers = set()
        for child in psutil.Process(self.server.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if "workbook.lab.training.trainer" in child.cmdline():
                    trainers.add(child)
        return trainers

    def _kill_upload(self) -> None:
        content = self.random.randbytes(50).hex().encode() * 2 ** self.random.randint(4, 15)
        self._kill_during(lambda: self.upload(content))

    def _kill_create(self) -> None:
        self._kill_during(lambda: self.create("supervised"))

    def _kill_during(self, call: Any) -> None:
        """Kill the server while it answers a call, or just before or after."""

        def attempt() -> None:
            with contextlib.suppress(openai.APIConnectionError):
                call()

        thread = threading.Thread(target=attempt)
        thread.start()
        time.sleep(self.random.expovariate(1 / 0.02))
        self.server.kill()
        thread.join()
        self.server = start(self.state)
        self.check_acknowledged()

    def restart(self) -> None:
        self.server.kill()
        self.server = start(self.state)
        self.check_acknowledged()

    # What must hold

    def said(self, what: str) -> str:
        return f"{what}; WORKBOOK_KILL_SEED={self.seed}; killed: {self.counts}"

    def steps(self) -> int:
        """Steps that any job has reported."""
        with contextlib.closing(sqlite3.connect(self.state / "lab.sqlite3")) as records:
            return records.execute("SELECT count(step) FROM events").fetchone()[0]

    def check_acknowledged(self) -> None:
        files = {file.id: file.bytes for file in self.client.files.list(limit=10000).data}
        for id, content in self.files.items():
            assert files.get(id) == len(content), self.said(f"{id} is lost")
        jobs = {job.id for job in self.client.fine_tuning.jobs.list(limit=100).data}
        assert self.jobs.keys() <= jobs, self.said("a job is lost")

    def run(self, job_id: str) -> Run:
        """What a job has left behind; it must have succeeded, with all its rows."""
        job = self.server.finished(job_id, seconds=120)
        assert job.status == "succeeded", self.said(f"{job_id}: {job.error}")
        events = self.client.fine_tuning.jobs.list_events(job_id, limit=100)
        told = [event.message for event in events if event.message.startswith("Checkpoint")]
        assert len(told) == len(set(told)), self.said(f"{job_id}: an event came twice: {told}")
        table = base64.b64decode(self.client.files.content(job.result_files[0]).read()).decode()
        losses = list(csv.DictReader(io.StringIO(table)))
        adapter = self.state / "jobs" / job_id / "checkpoints" / f"step-{len(losses)}"
        return Run(
            [float(row["train_loss"]) for row in losses],
            [int(row["step"]) for row in losses],
            job.trained_tokens,
            load_file(adapter / "adapter.safetensors"),
        )


@pytest.fixture
def storm(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKBOOK_LAB_DEVICE", "cpu")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # no fast bfloat16: float32 is chosen
    monkeypatch.setenv("WORKBOOK_LAB_BASE", "tiny")
    bases.add("tiny", tinybase.folder(tmp_path / "hf"))  # steps in no time
    seed = int(os.environ.get("WORKBOOK_KILL_SEED") or random.randrange(2**32))
    storm = Storm(tmp_path / "state", seed)
    yield storm
    storm.server.stop()


@pytest.mark.full
def test_a_hundred_kills_lose_nothing(storm: Storm) -> None:
    for method, text in FILES.items():
        storm.training[method] = storm.upload(text.encode())
    expected = {method: storm.run(storm.create(method)) for method in FILES}
    quiet = set(storm.jobs)

    kinds = ["server"] * 30 + ["trainer"] * 30 + ["start"] * 10 + ["upload"] * 20 + ["create"] * 10
    assert len(kinds) == KILLS
    storm.random.shuffle(kinds)
    for kind in kinds:
        storm.keep_busy()
        storm.kill(kind)

    for id, content in storm.files.items():
        assert storm.client.files.content(id).read() == content, storm.said(f"{id} has changed")
    for job in storm.client.fine_tuning.jobs.list(limit=100).data:
        if job.id in quiet:
            continue
        method = job.method.type  # also of a job whose answer was cut off
        found, wanted = storm.run(job.id), expected[method]
        assert found.steps == list(range(1, len(wanted.losses) + 1)), storm.said(job.id)
        assert found.tokens == wanted.tokens
        assert found.losses == pytest.approx(wanted.losses, abs=TOLERANCE), storm.said(job.id)
        for name, tensor in found.adapter.items():
            torch.testing.assert_close(tensor, wanted.adapter[name], atol=TOLERANCE, rtol=0)
