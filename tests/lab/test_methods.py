"""Jobs by method, over HTTP on a base that trains in no time: what they echo, measure, refuse."""

import base64
import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import tinylab
from labserver import Server, conform, rows

QUESTION = {"messages": [{"role": "user", "content": "Which?"}]}


def pair(better: str, worse: str) -> dict[str, Any]:
    return {
        "input": QUESTION,
        "preferred_output": [{"role": "assistant", "content": better}],
        "non_preferred_output": [{"role": "assistant", "content": worse}],
    }


def lines(examples: list[dict]) -> str:
    return "".join(json.dumps(each) + "\n" for each in examples)


PAIRS = lines([pair(f"yes {i}", f"no {i}") for i in range(12)])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tinylab.serving(tmp_path_factory.mktemp("methods")) as server:
        yield server


@pytest.fixture(scope="module")
def supervised(lab: Server) -> dict[str, Any]:
    return finished(
        lab,
        training_file=lab.upload(rows(12)),
        suffix="first",
        hyperparameters={"n_epochs": 2, "batch_size": 4},
    )


def create(lab: Server, **body: Any) -> dict[str, Any]:
    status, job = lab.call("POST", "/fine_tuning/jobs", {"model": "tiny", "seed": 1} | body)
    assert status == 200, job
    return job


def finished(lab: Server, **body: Any) -> dict[str, Any]:
    id = create(lab, **body)["id"]
    lab.finished(id, 120)
    return lab.call("GET", f"/fine_tuning/jobs/{id}")[1]


def events(lab: Server, job: dict[str, Any]) -> list[dict[str, Any]]:
    return lab.call("GET", f"/fine_tuning/jobs/{job['id']}/events?limit=100")[1]["data"][::-1]


def test_dpo_goes_on_from_a_supervised_model(lab: Server, supervised) -> None:
    start_model = supervised["fine_tuned_model"]
    method = {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 4, "batch_size": 6}}}
    file = lab.upload(PAIRS)
    job = finished(lab, model=start_model, training_file=file, validation_file=file, method=method)
    assert job["status"] == "succeeded", job["error"]
    assert job["fine_tuned_model"].startswith("ft:tiny:lab:")
    conform(job, "FineTuningJob")
    numbers = {"beta": 0.1, "n_epochs": 4, "batch_size": 6, "learning_rate_multiplier": 1.0}
    assert job["method"] == {"type": "dpo", "dpo": {"hyperparameters": numbers}}

    measured = [event["data"] for event in events(lab, job) if event["type"] == "metrics"]
    assert [data["step"] for data in measured] == list(range(1, 9))
    assert {
        "train_loss",
        "train_mean_token_accuracy",
        "train_reward_margin",
        "train_reward_accuracy",
        "valid_reward_margin",
    } <= measured[-1].keys()
    assert measured[-1]["valid_reward_margin"] > measured[0]["train_reward_margin"]

    text = base64.b64decode(lab.client().files.content(job["result_files"][0]).read()).decode()
    table = list(csv.DictReader(io.StringIO(text)))
    assert list(table[0])[:5] == [
        "step",
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_mean_token_accuracy",
    ]
    assert float(table[-1]["train_reward_margin"]) == pytest.approx(
        measured[-1]["train_reward_margin"], abs=1e-4
    )

    checkpoints = lab.call("GET", f"/fine_tuning/jobs/{job['id']}/checkpoints")[1]["data"]
    assert "full_valid_reward_accuracy" in checkpoints[0]["metrics"]


def test_a_job_goes_on_from_a_checkpoint(lab: Server, supervised) -> None:
    """Its first loss is where the checkpoint's last one was, far below the base's."""
    checkpoint = f"{supervised['fine_tuned_model']}:ckpt-step-6"
    again = {"n_epochs": 1, "batch_size": 12}
    file = supervised["training_file"]
    job, fresh = (
        finished(lab, model=model, training_file=file, hyperparameters=again)
        for model in (checkpoint, "tiny")
    )
    first, plain = (
        next(e["data"]["train_loss"] for e in events(lab, each) if e["data"])
        for each in (job, fresh)
    )
    assert first < plain - 0.02
    assert lab.call("GET", f"/models/{job['fine_tuned_model']}")[0] == 200


def test_auto_is_echoed_until_the_file_is_known(lab: Server) -> None:
    job = create(lab, training_file=lab.upload(rows(20)), method={"type": "supervised"})
    auto = dict.fromkeys(("n_epochs", "batch_size", "learning_rate_multiplier"), "auto")
    assert job["method"] == {"type": "supervised", "supervised": {"hyperparameters": auto}}
    done = lab.finished(job["id"], 120)
    assert done.method.supervised.hyperparameters.n_epochs == 5  # OpenAI's rule: 100 // 20


@pytest.mark.parametrize(
    ("file", "kind", "reason"),
    [
        (rows(12), "dpo", "line 1: a chat example: method 'dpo' trains on preference examples"),
        (PAIRS, "supervised", "line 1: a preference example: method 'supervised' trains on"),
        (PAIRS + lines([pair("same", "same")]), "dpo", "line 13: both outputs are the same"),
    ],
)
def test_files_of_another_method_are_refused_by_line(lab: Server, file, kind, reason) -> None:
    job = finished(lab, training_file=lab.upload(file, "mine.jsonl"), method={"type": kind})
    assert job["error"]["code"] == "invalid_training_file"
    assert f"mine.jsonl, {reason}" in job["error"]["message"]


@pytest.mark.parametrize("beta", [0, 2.5, "none"])
def test_beta_has_bounds(lab: Server, beta) -> None:
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": beta}}}
    body = {"model": "tiny", "training_file": "file-x", "method": method}
    assert lab.call("POST", "/fine_tuning/jobs", body)[0] == 400


# Failures of the training process end their job, with a reason, and nothing else


def test_a_running_job_says_when_it_will_end_and_a_broken_one_why_it_did(lab: Server) -> None:
    """The second job's file is damaged on the disk while the first one trains."""
    file = lab.upload(rows(12))
    long = create(lab, training_file=file, hyperparameters={"n_epochs": 50, "batch_size": 1})
    broken = create(lab, training_file=file, hyperparameters={"n_epochs": 1})
    until, path = time.monotonic() + 60, f"/fine_tuning/jobs/{long['id']}"
    while not (ends := lab.call("GET", path)[1]["estimated_finish"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert ends >= long["created_at"]
    while lab.call("GET", f"/fine_tuning/jobs/{broken['id']}")[1]["status"] != "queued":
        assert time.monotonic() < until
    kept = lab.state / "jobs" / broken["id"] / "training.jsonl"
    kept.unlink()  # a link to the upload
    kept.write_text("damaged\n")
    assert lab.call("POST", f"{path}/cancel")[1]["estimated_finish"] is None
    job = lab.finished(broken["id"], 60)
    assert (job.status, job.error.code) == ("failed", "training_process_died")
    assert "not valid JSON" in job.error.message and "trainer.log" in job.error.message


def test_a_model_whose_weights_are_damaged_is_not_trained_further(lab: Server, supervised) -> None:
    checkpoints = lab.state / "jobs" / supervised["id"] / "checkpoints"
    folder = max(checkpoints.glob("step-*"), key=lambda path: path.stat().st_mtime)
    weights = folder / "adapter.safetensors"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[: len(whole) // 2])
        job = finished(
            lab, model=supervised["fine_tuned_model"], training_file=supervised["training_file"]
        )
    finally:
        weights.write_bytes(whole)
    assert job["status"] == "failed" and "damaged" in job["error"]["message"]
    assert lab.call("GET", "/models")[0] == 200
