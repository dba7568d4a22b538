"""A reinforcement job that is killed goes on, and ends as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tinybase

from workbook import paths
from workbook.lab.model import bases

pytestmark = pytest.mark.full

# The trainer's own work, with a grader in the same process; each step is saved.
PROGRAM = """
import sys
from pathlib import Path
from workbook.lab.training import defaults, reinforcement

defaults.SAVE_SECONDS = float(sys.argv[2])

def grade(answers):
    return [
        {"reward": float("a" in each["output"]), "parts": {}, "errors": []} for each in answers
    ]

reinforcement.train(Path(sys.argv[1]), grade)
"""


def job(at: Path, base: Path) -> Path:
    at.mkdir()
    rows = [{"messages": [{"role": "user", "content": f"Question {i}?"}]} for i in range(16)]
    (at / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {
        "method": "reinforcement",
        "base": str(base),
        "start_from": None,
        "training_file": str(at / "rows.jsonl"),
        "validation_file": str(at / "rows.jsonl"),
        "seed": 7,
        "n_epochs": 6,
        "batch_size": 4,
        "learning_rate_multiplier": 20.0,
        "compute_multiplier": 1.0,
        "eval_interval": 5,
        "eval_samples": 1,
        "reasoning_effort": "low",
    }
    (at / "spec.json").write_text(json.dumps(spec))
    return at


def start(folder: Path, save_seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM, str(folder), str(save_seconds)]
    return subprocess.Popen(command, cwd=paths.ROOT)


def entries(folder: Path, kind: str) -> list[dict]:
    path = folder / "progress.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    return [entry for entry in whole if entry["type"] == kind]


@pytest.mark.parametrize("save_seconds", [0.0, 1000.0])
def test_a_killed_job_has_the_same_steps_and_rewards(
    home: Path, tmp_path: Path, save_seconds: float
) -> None:
    """Saved after each step; and at validations alone, so that steps are done again."""
    base = bases.add("tiny", tinybase.folder(tmp_path / "hf"))
    whole, broken = (job(tmp_path / name, base) for name in ("whole", "broken"))
    assert start(whole, save_seconds).wait(300) == 0
    for until_step in (3, 12):  # the storm below kills more often
        process = start(broken, save_seconds)
        until = time.monotonic() + 120
        while not any(each["step"] >= until_step for each in entries(broken, "step")):
            time.sleep(0.01)
            assert process.poll() is None and time.monotonic() < until
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not entries(broken, "done")
    assert start(broken, save_seconds).wait(300) == 0
    steps = [{e["step"]: e for e in entries(each, "step")} for each in (whole, broken)]
    assert list(steps[1]) == list(steps[0]) == list(range(25))
    for step in range(25):
        ours, theirs = steps[1][step], steps[0][step]
        for name in ("train_reward_mean", "valid_reward_mean", "entropy"):
            assert ours.get(name) == pytest.approx(theirs.get(name), abs=0.02), (step, name)
    assert entries(broken, "done")[0] == entries(whole, "done")[0]
    kept = [{path.name for path in (each / "checkpoints").iterdir()} for each in (whole, broken)]
    assert kept[0] == kept[1] and len(kept[0]) == 3


# A process that has torch already and forks the trainer: so thirty starts take seconds. It does no
# arithmetic of its own, as threads of that would not be there in the fork.
STORM = """
import json, os, random, sys, time
from pathlib import Path
from workbook.lab.training import defaults, reinforcement

folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
defaults.SAVE_SECONDS = 0.0
dice = random.Random(seed)

def grade(answers):
    return [
        {"reward": float("a" in each["output"]), "parts": {}, "errors": []} for each in answers
    ]

def size():
    path = folder / "progress.jsonl"
    return path.stat().st_size if path.exists() else 0

done = killed = 0
while True:
    child = os.fork()
    if not child:
        reinforcement.train(folder, grade)
        os._exit(0)
    if killed < kills:
        # From before its first line to some steps later, in the midst of whatever it does.
        until, before, lines = time.monotonic() + 60, size(), dice.choice([0, 1, 1])
        while lines and size() == before and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.15))
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break  # faster than the storm
        os.kill(child, 9)
        killed += 1
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        break
print(json.dumps({"killed": killed, "status": status}))
"""
KILLS = 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_storm_of_thirty_kills_changes_no_step_and_no_reward(home: Path, tmp_path: Path) -> None:
    base = bases.add("tiny", tinybase.folder(tmp_path / "hf"))
    whole, broken = (job(tmp_path / name, base) for name in ("whole", "broken"))
    for folder in (whole, broken):
        spec = json.loads((folder / "spec.json").read_text())
        (folder / "spec.json").write_text(json.dumps(spec | {"n_epochs": 15}))
    assert start(whole, 0.0).wait(300) == 0
    seed = os.environ.get("WORKBOOK_KILL_SEED") or str(random.randrange(10**6))
    storm = subprocess.run(
        [sys.executable, "-c", STORM, str(broken), str(KILLS), seed],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = f"WORKBOOK_KILL_SEED={seed}\n{storm.stdout}{storm.stderr[-2000:]}"
    assert storm.returncode == 0, said
    assert json.loads(storm.stdout.splitlines()[-1]) == {"killed": KILLS, "status": 0}, said
    steps = [{e["step"]: e for e in entries(each, "step")} for each in (whole, broken)]
    assert list(steps[1]) == list(steps[0]) == list(range(len(steps[0]))), said
    assert len(steps[0]) > KILLS, said
    for step in steps[0]:
        ours, theirs = steps[1][step], steps[0][step]
        for name in ("train_reward_mean", "valid_reward_mean", "entropy"):
            assert ours.get(name) == pytest.approx(theirs.get(name), abs=0.02), (step, name, said)
    assert entries(broken, "done") == entries(whole, "done")
    kept = [{path.name for path in (each / "checkpoints").iterdir()} for each in (whole, broken)]
    assert kept[0] == kept[1] and len(kept[0]) == 3
