"""Reinforcement jobs over HTTP, on a base that trains in no time: asked for, followed, refused."""

import base64
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import tinybase
from labserver import Server, conform, start

from workbook.lab.model import bases

CHECK = {
    "type": "string_check",
    "name": "letter",
    "input": "{{sample.output_text}}",
    "operation": "ilike",
    "reference": "{{item.letter}}",
}


def prompts(count: int, **more: Any) -> str:
    row = {"letter": "a"} | more
    return "".join(
        json.dumps({"messages": [{"role": "user", "content": f"Question {i}?"}]} | row) + "\n"
        for i in range(count)
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("reinforcement")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        patch.setenv("WORKBOOK_LAB_BASE", "tiny")
        bases.add("tiny", tinybase.folder(folder / "hf"))
        server = start(folder / "state")
    yield server
    server.stop()


def body(lab: Server, file: str | None = None, grader: Any = CHECK, **numbers: Any) -> dict:
    file = file or lab.upload(prompts(12))
    small = {"n_epochs": 2, "batch_size": 4, "reasoning_effort": "low", "eval_interval": 1}
    reinforcement = {"grader": grader, "hyperparameters": small | numbers}
    return {
        "model": "tiny",
        "seed": 1,
        "training_file": file,
        "validation_file": file,
        "method": {"type": "reinforcement", "reinforcement": reinforcement},
    }


@pytest.fixture(scope="module")
def trained(lab: Server) -> dict[str, Any]:
    status, job = lab.call("POST", "/fine_tuning/jobs", body(lab, learning_rate_multiplier=10))
    assert status == 200, job
    done = lab.finished(job["id"], 120)
    assert done.status == "succeeded", done.error
    return lab.call("GET", f"/fine_tuning/jobs/{job['id']}")[1]


def events(lab: Server, job: dict[str, Any]) -> list[dict[str, Any]]:
    return lab.call("GET", f"/fine_tuning/jobs/{job['id']}/events?limit=100")[1]["data"][::-1]


def test_a_job_echoes_what_it_was_asked_for(lab: Server, trained) -> None:
    conform(trained, "FineTuningJob")
    method = trained["method"]["reinforcement"]
    assert method["grader"] == CHECK
    assert method["hyperparameters"] == {
        "n_epochs": 2,
        "batch_size": 4,
        "learning_rate_multiplier": 10,
        "compute_multiplier": 1.0,
        "eval_interval": 1,
        "eval_samples": 1,
        "reasoning_effort": "low",
    }
    assert trained["trained_tokens"] > 0


def test_its_events_tell_of_rewards_in_openais_words(lab: Server, trained) -> None:
    steps = [event for event in events(lab, trained) if event["type"] == "metrics"]
    assert [event["data"]["step"] for event in steps] == list(range(7))
    last = steps[-1]
    data = last["data"]
    assert last["message"] == (
        f"Step 6/6 , train mean reward={data['train_reward_mean']:.2f}, full validation mean "
        f"reward={data['valid_reward_mean']:.2f}, full validation mean parse error=0.00"
    )
    assert data["total_steps"] == 6 and data["usage"]["samples"] == 32
    assert data["scores"]["train_reward_mean"] == data["train_mean_reward"]
    assert data["scores"]["valid_reward_mean"] == data["full_valid_mean_reward"]
    assert data["critic_rewards_mean"] == data["train_reward_mean"]
    assert data["response_length_mean"] == data["completion_tokens_mean"] <= 24
    assert 0 <= data["train_reward_mean"] <= 1 and data["entropy"] > 0
    for sample in data["samples"]:
        assert sample["reward"] == float("a" in sample["output"].lower())


def test_its_result_file_and_checkpoints_hold_them(lab: Server, trained) -> None:
    text = lab.client().files.content(trained["result_files"][0]).read()
    table = list(csv.DictReader(io.StringIO(base64.b64decode(text).decode())))
    assert [int(row["step"]) for row in table] == list(range(7))
    rewards = {int(row["step"]): float(row["valid_reward_mean"]) for row in table}
    assert not table[0]["train_reward_mean"]  # before training
    checkpoints = lab.call("GET", f"/fine_tuning/jobs/{trained['id']}/checkpoints")[1]["data"]
    kept = {c["step_number"]: c["metrics"]["valid_reward_mean"] for c in checkpoints}
    best = sorted(range(1, 7), key=lambda step: (rewards[step], step))[-3:]
    assert set(kept) == set(best)
    for name in (trained["fine_tuned_model"], checkpoints[0]["fine_tuned_model_checkpoint"]):
        answer = lab.chat(model=name)
        assert answer.choices[0].message.content is not None


def refused(lab: Server, request: dict[str, Any]) -> tuple[int, str | None, str | None]:
    return lab.refused("POST", "/fine_tuning/jobs", request)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("batch_size", 0),
        ("batch_size", 257),
        ("n_epochs", 51),
        ("learning_rate_multiplier", 0),
        ("compute_multiplier", 1e-5),
        ("compute_multiplier", 10.5),
        ("eval_interval", 0),
        ("eval_samples", 0),
        ("reasoning_effort", "extreme"),
        ("beta", 0.1),
    ],
)
def test_hyperparameters_have_bounds(lab: Server, name: str, wrong: Any) -> None:
    status, _, param = refused(lab, body(lab, "file-x", **{name: wrong}))
    assert status == 400 and param and param.endswith(name)


def test_what_is_missing_is_said(lab: Server) -> None:
    without = body(lab, "file-x")
    del without["validation_file"]
    assert refused(lab, without) == (400, "missing_required_parameter", "validation_file")
    without = body(lab, "file-x")
    del without["method"]["reinforcement"]["grader"]
    param = "method.reinforcement.grader"
    assert refused(lab, without) == (400, "missing_required_parameter", param)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            prompts(10) + '{"messages": [{"role": "assistant", "content": "x"}], "letter": "a"}\n',
            "line 11: the last message is the assistant's, not the user's",
        ),
        (prompts(9), "must have at least 10 examples"),
    ],
)
def test_files_are_checked_by_line(lab: Server, text: str, reason: str) -> None:
    status, job = lab.call("POST", "/fine_tuning/jobs", body(lab, lab.upload(text)))
    assert status == 200
    done = lab.finished(job["id"], 60)
    assert done.status == "failed" and reason in done.error.message


def test_a_job_without_anything_to_learn_stops_early_and_says_why(lab: Server) -> None:
    """No answer is ever right: the zero-reward trap."""
    file = lab.upload(prompts(16, letter="there is no such answer"))
    status, job = lab.call("POST", "/fine_tuning/jobs", body(lab, file, batch_size=8, n_epochs=50))
    assert status == 200
    done = lab.finished(job["id"], 120)
    assert done.status == "succeeded"
    told = events(lab, job)
    [warning] = [event["message"] for event in told if event["level"] == "warn"]
    assert warning.startswith("Stopped early after step 5") and "nothing is learned" in warning
