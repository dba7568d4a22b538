"""The trainer, a process of its own: its losses, its end, and its going on."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tinybase
import torch
from waiting import until

from workbook import paths
from workbook.lab.model import bases, weights
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.serving.engine import Engine
from workbook.lab.serving.types import Request
from workbook.lab.training import failures


@pytest.fixture
def tiny(home: Path, tmp_path: Path) -> Path:
    """A base that trains in no time."""
    return bases.add("tiny", tinybase.folder(tmp_path / "hf"))


@pytest.fixture(scope="module")
def folder() -> Path:
    return weights.ensure()


def job_folder(
    base: Path, at: Path, epochs: int, examples: list[dict] | None = None, **changes
) -> Path:
    examples = examples or [
        {
            "messages": [
                {"role": "user", "content": f"Say the word for {i}."},
                {"role": "assistant", "content": f"word {i}"},
            ]
        }
        for i in range(12)
    ]
    at.mkdir()
    (at / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples))
    spec = {
        "method": "supervised",
        "base": str(base),
        "start_from": None,
        "validation_file": None,
        "training_file": str(at / "train.jsonl"),
        "n_epochs": epochs,
        "batch_size": 4,
        "learning_rate_multiplier": 1.0,
        "seed": 7,
    } | changes
    (at / "spec.json").write_text(json.dumps(spec))
    return at


def start(job: Path, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "workbook.lab.training.trainer", str(job)]
    return subprocess.Popen(command, cwd=paths.ROOT, **options)


def entries(job: Path, kind: str) -> list[dict]:
    lines = (job / "progress.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["type"] == kind]


def tuned(job: Path) -> Path:
    return job / entries(job, "checkpoint")[-1]["folder"]


def test_a_killed_job_goes_on_and_ends_as_if_nothing_had_happened(folder, tmp_path):
    whole, broken = (job_folder(folder, tmp_path / name, 3) for name in ("whole", "broken"))
    assert start(whole).wait(600) == 0
    process = start(broken)

    def has_first_epoch() -> bool:
        assert process.poll() is None
        return (broken / "checkpoints" / "step-3").exists()

    until(has_first_epoch, pause=0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not entries(broken, "done")
    assert start(broken).wait(600) == 0
    assert [e["step"] for e in entries(broken, "step")] == list(range(1, 10))
    for ours, theirs in zip(entries(broken, "step"), entries(whole, "step"), strict=True):
        assert math.isclose(ours["train_loss"], theirs["train_loss"], abs_tol=0.05)
    first, last = entries(whole, "step")[0]["train_loss"], entries(whole, "step")[-1]["train_loss"]
    assert last < first / 2
    folders = {e["folder"] for e in entries(broken, "checkpoint")}
    assert folders == {f"checkpoints/step-{n}" for n in (3, 6, 9)}
    assert (
        entries(broken, "done")[0]["trained_tokens"] == entries(whole, "done")[0]["trained_tokens"]
    )


def test_a_loss_that_is_not_a_number_fails_the_job_with_a_reason(tiny, tmp_path):
    job = job_folder(tiny, tmp_path / "wild", 25, learning_rate_multiplier=1e30)
    assert start(job).wait(600) == 0
    assert entries(job, "failed")[0]["code"] == "loss_not_finite"
    assert not entries(job, "done")


def test_the_engine_answers_as_the_trainer_taught_and_dpo_changes_its_mind(folder, tmp_path):
    """A supervised job, then preferences on what it made: each does what its data say."""
    taught = job_folder(folder, tmp_path / "taught", 8)
    assert start(taught).wait(600) == 0
    pairs = [
        {
            "input": {"messages": [{"role": "user", "content": f"Say the word for {i}."}]},
            "preferred_output": [{"role": "assistant", "content": f"number {i}"}],
            "non_preferred_output": [{"role": "assistant", "content": f"word {i}"}],
        }
        for i in range(12)
    ]
    turned = job_folder(
        folder, tmp_path / "turned", 4, pairs, method="dpo", beta=0.1, start_from=str(tuned(taught))
    )
    assert start(turned).wait(600) == 0
    steps = entries(turned, "step")
    assert math.isclose(steps[0]["train_loss"], math.log(2), abs_tol=0.05)
    assert steps[0]["train_reward_accuracy"] < 1 == steps[-1]["train_reward_accuracy"]
    assert steps[-1]["train_reward_margin"] > 1
    question = Tokenizer(folder).chat_prompt([{"role": "user", "content": "Say the word for 3."}])
    engine = Engine(folder, dtype=torch.float32)
    answers = [
        engine.submit(Request(question, 8, temperature=0, adapter=a)).result(60).text
        for a in (None, tuned(taught), tuned(turned))
    ]
    engine.close()
    assert answers[0] != answers[1] == "word 3"
    assert answers[2] == "number 3"


def test_a_damaged_model_to_start_from_is_said_to_be_damaged(tiny, tmp_path):
    broken = tmp_path / "adapter"
    broken.mkdir()
    (broken / "adapter.safetensors").write_bytes(b"no adapter")
    job = job_folder(tiny, tmp_path / "job", 1, start_from=str(broken))
    assert start(job).wait(600) == 0
    assert "damaged" in entries(job, "failed")[0]["message"]


@pytest.mark.parametrize("take", [lambda: torch.empty(2**50), lambda: bytearray(2**60)])
def test_want_of_memory_is_told_from_other_errors(take):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        take()
    assert failures.describe(caught.value)[0] == "out_of_memory"
    assert failures.describe(RuntimeError("shapes differ"))[0] == "training_process_died"
