"""Reinforcement jobs over HTTP, on a base that trains in no time: asked for, followed, refused."""

import base64
import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import tinylab
from labserver import Server, conform

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
    with tinylab.serving(tmp_path_factory.mktemp("reinforcement")) as server:
        yield server


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


STARS = {
    "type": "json_schema",
    "json_schema": {
        "name": "stars",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"stars": {"type": "integer", "enum": [1, 2, 3, 4, 5]}},
            "required": ["stars"],
            "additionalProperties": False,
        },
    },
}


def formed(lab: Server, form: Any, file: str | None = None) -> dict[str, Any]:
    grader = CHECK | {"input": "{{sample.output_json.stars}}", "reference": "{{item.stars}}"}
    request = body(lab, file, grader | {"operation": "eq"}, learning_rate_multiplier=10)
    request["method"]["reinforcement"]["response_format"] = form
    return request


def test_answers_of_a_job_are_held_to_its_schema(lab: Server) -> None:
    """A model with random weights writes no JSON of its own; what it may write, it learns."""
    file = lab.upload(prompts(16, stars=4))
    request = formed(lab, STARS, file)
    request["method"]["reinforcement"]["hyperparameters"] |= {"n_epochs": 6, "eval_interval": 8}
    status, job = lab.call("POST", "/fine_tuning/jobs", request)
    assert status == 200, job
    conform(job, "FineTuningJob")
    assert job["method"]["reinforcement"]["response_format"] == STARS
    done = lab.finished(job["id"], 120)
    assert done.status == "succeeded", done.error
    steps = [event["data"] for event in events(lab, job) if event["type"] == "metrics"]
    assert all(not step["errors"] and not step["train_mean_parse_error"] for step in steps[1:])
    for step in steps[1:]:
        for sample in step["samples"]:
            assert json.loads(sample["output"])["stars"] in range(1, 6)
    assert steps[-1]["valid_reward_mean"] > 0.8 > steps[0]["valid_reward_mean"]
    answer = lab.chat(
        model=done.fine_tuned_model, response_format=STARS, temperature=0, max_tokens=30
    )
    assert json.loads(answer.choices[0].message.content) == {"stars": 4}


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"type": "json_object"}, "invalid_value"),
        ({"type": "json_schema"}, "missing_required_parameter"),
        ({"type": "json_schema", "json_schema": {"name": "no name"}}, "invalid_value"),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "strange"}}},
            None,
        ),
        (
            {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"multipleOf": 1e300, "type": "number"}},
            },
            "invalid_schema",
        ),
    ],
)
def test_a_form_that_answers_cant_have_is_refused(lab: Server, form: Any, code: str) -> None:
    status, got, param = refused(lab, formed(lab, form, "file-x"))
    assert (status, got) == (400, code)
    assert param and param.startswith("method.reinforcement.response_format")


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


# Reward functions as Bedrock has them

FUNCTION = """
def lambda_handler(event, context):
    scores = []
    for sample in event:
        answer = sample["messages"][-1]
        assert answer["role"] == "assistant" and context.function_name
        reward = float(sample["reference_answer"]["letter"] in answer["content"])
        metrics = [{"name": "length", "value": len(answer["content"]), "type": "Metric"}]
        scores.append(
            {"id": sample["id"], "aggregate_reward_score": reward, "metrics_list": metrics}
        )
    return scores[::-1]
"""


def by_function(lab: Server, file: str, function: str) -> dict[str, Any]:
    """A job as Bedrock's documentation asks for one: no validation file, no suffix."""
    grader = {"type": "lambda", "lambda": {"function": function}}
    request = body(lab, file, grader, n_epochs=1, eval_interval=3)
    del request["validation_file"]
    return request


def test_a_bedrock_job_is_graded_by_a_function_of_this_machine(lab: Server, tmp_path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(FUNCTION)
    file = lab.upload(prompts(12, reference_answer={"letter": "e"}))
    status, job = lab.call("POST", "/fine_tuning/jobs", by_function(lab, file, str(path)))
    assert status == 200, job
    conform(job, "FineTuningJob")
    done = lab.finished(job["id"], 120)
    assert done.status == "succeeded", done.error
    steps = [event["data"] for event in events(lab, job) if event["type"] == "metrics"]
    assert [step["step"] for step in steps] == [1, 2, 3]
    bedrock = (
        *("critic_rewards_mean", "actor_pg_loss", "actor_entropy", "actor_grad_norm"),
        *("critic_advantages_mean", "response_length_mean", "total_steps"),
    )
    for step in steps:
        assert all(isinstance(step[name], int | float) for name in bedrock), step
        assert not step["errors"] and step["scores"]["graders"][0]["name"] == "length"
        for sample in step["samples"]:
            assert sample["reward"] == float("e" in sample["output"])
    text = base64.b64decode(lab.client().files.content(done.result_files[0]).read()).decode()
    assert text.startswith("step,train_reward_mean,")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("arn:aws:lambda:us-west-2:123456789012:function:reward", "outside this machine"),
        ("http://example.com/score", "outside this machine"),
        ("http://127.0.0.1@example.com/", "outside this machine"),
        ("http://0.0.0.0:9000/", "outside this machine"),
        ("https://127.0.0.1:9000/", "http://"),
        ("reward.py", "absolute path"),
        ("/etc/passwd", "no Python file"),
        ("/nowhere/reward.py", "no file"),
    ],
)
def test_a_function_elsewhere_is_refused(lab: Server, function: str, reason: str) -> None:
    request = by_function(lab, "file-x", function)
    grader = request["method"]["reinforcement"]["grader"]
    status, answer = lab.call("POST", "/fine_tuning/alpha/graders/validate", {"grader": grader})
    assert (status, answer["error"]["param"]) == (400, "grader.lambda.function")
    assert reason in answer["error"]["message"]
    param = "method.reinforcement.grader.lambda.function"
    assert refused(lab, request) == (400, "invalid_function", param)


# Graders that are programs or ask a model

LENGTH = "def grade(sample, item):\n    return len(sample['output_text']) / 100"
LABELS = {"labels": ["good", "bad"], "passing_labels": ["good"]}
ASK = [
    {"role": "developer", "content": "Judge it."},
    {"role": "user", "content": {"type": "input_text", "text": "{{sample.output_text}}"}},
]


def model_grader(kind: str = "score_model", **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": "judge", "model": "tiny", "input": ASK} | more


def test_a_model_of_the_same_lab_judges(lab: Server) -> None:
    grader = model_grader(range=[2, 5])
    body = {"grader": grader, "item": {}, "model_sample": "An answer."}
    path = "/fine_tuning/alpha/graders/run"
    status, first = lab.call("POST", path, body)
    assert status == 200 and 2 <= first["reward"] <= 5, first
    assert first["metadata"]["sampled_model_name"] == "tiny"
    assert (
        first["metadata"]["token_usage"] == first["model_grader_token_usage_per_model"]["tiny"] > 0
    )
    assert lab.call("POST", path, body)[1]["reward"] == first["reward"]  # it repeats itself

    label = model_grader(
        "label_model", name="kind", labels=["good", "bad"], passing_labels=["good"]
    )
    parts = {"judge": model_grader(), "kind": label, "length": python(LENGTH)}
    both = {"type": "multi", "name": "all", "graders": parts}
    both["calculate_output"] = "10 * kind + length"
    status, answer = lab.call("POST", path, body | {"grader": both})
    assert status == 200 and answer["sub_rewards"].keys() == parts.keys()
    assert answer["sub_rewards"]["kind"] in (0, 1)
    assert answer["sub_rewards"]["length"] == pytest.approx(0.1)


def test_cosine_is_of_the_labs_own_vectors(lab: Server) -> None:
    grader = CHECK | {"type": "text_similarity", "evaluation_metric": "cosine"}
    del grader["operation"]
    client = lab.client()
    made = client.embeddings.create(model="tiny", input=["An answer.", "Question?"]).data
    expected = sum(a * b for a, b in zip(made[0].embedding, made[1].embedding, strict=True))
    path = "/fine_tuning/alpha/graders/run"
    body = {"grader": grader, "item": {"letter": "Question?"}, "model_sample": "An answer."}
    status, answer = lab.call("POST", path, body)
    assert status == 200 and answer["reward"] == pytest.approx(max(0, expected), abs=1e-3)
    body["model_sample"] = "many words " * 3000
    assert lab.refused("POST", path, body)[1] == "string_above_max_length"


def python(source: str) -> dict[str, Any]:
    return {"type": "python", "name": "code", "source": source}


@pytest.mark.parametrize(
    ("grader", "code", "param"),
    [
        (python("def grade(x): return 1"), "invalid_python", ".source"),
        (model_grader(model="gpt-9"), "model_not_found", "model"),
        (model_grader(range=[1, 0]), "invalid_value", ".range"),
        (model_grader(range=[1]), "invalid_value", ".range"),
        (
            model_grader(input=[{"role": "user", "content": "{{os}}"}]),
            "invalid_template",
            ".content",
        ),
        (
            model_grader(sampling_params={"reasoning_effort": "low"}),
            "unsupported_parameter",
            ".reasoning_effort",
        ),
    ],
)
def test_graders_are_checked_before_anything_runs(lab: Server, grader, code, param) -> None:
    for path, request in (
        ("/fine_tuning/alpha/graders/validate", {"grader": grader}),
        ("/fine_tuning/jobs", body(lab, "file-x", grader)),
    ):
        _, got_code, got_param = lab.refused("POST", path, request)
        assert got_code == code and got_param and got_param.endswith(param)


def test_a_job_is_not_graded_by_labels(lab: Server) -> None:
    label = model_grader("label_model", **LABELS)
    part = {"type": "multi", "name": "m", "graders": {"l": label}, "calculate_output": "l"}
    assert refused(lab, body(lab, "file-x", part))[1] == "unsupported_grader"


def test_a_job_is_graded_by_a_program_and_a_judge_and_counts_their_errors(lab: Server) -> None:
    source = """def grade(sample, item):
    if 'e' in sample['output_text']: raise ValueError('no e')
    return len(sample['output_text']) / 100"""
    grader = {
        "type": "multi",
        "name": "both",
        "graders": {"code": python(source), "judge": model_grader()},
        "calculate_output": "code + 0 * judge",
    }
    status, job = lab.call("POST", "/fine_tuning/jobs", body(lab, grader=grader, n_epochs=1))
    assert status == 200, job
    done = lab.finished(job["id"], 120)
    assert done.status == "succeeded", done.error
    data = [event["data"] for event in events(lab, job) if event["type"] == "metrics"][-1]
    assert data["errors"]["python_grader_runtime_error"] > 0
    by_name = {each["name"]: each for each in data["scores"]["graders"]}
    assert by_name["code"]["train_reward_mean"] == pytest.approx(data["train_reward_mean"])
    assert 0 <= by_name["judge"]["valid_reward_mean"] <= 1


def test_an_eval_is_judged_by_a_program_and_a_model(lab: Server) -> None:
    label = model_grader(
        "label_model", name="kind", labels=["good", "bad"], passing_labels=["good"]
    )
    config = {"type": "custom", "item_schema": {"type": "object"}}
    status, evaluation = lab.call(
        "POST",
        "/evals",
        {"data_source_config": config, "testing_criteria": [label, python(LENGTH), model_grader()]},
    )
    assert status == 200, evaluation
    content = [{"item": {}, "sample": {"output_text": "x" * 100}}]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    path = f"/evals/{evaluation['id']}/runs"
    run = lab.call("POST", path, {"name": "r", "data_source": source})[1]
    until = time.monotonic() + 60
    while run["status"] not in ("completed", "failed") and time.monotonic() < until:
        time.sleep(0.05)
        run = lab.call("GET", f"{path}/{run['id']}")[1]
    [item] = lab.call("GET", f"{path}/{run['id']}/output_items")[1]["data"]
    by_name = {result["name"]: result for result in item["results"]}
    assert by_name["code"]["score"] == 1 and by_name["code"]["passed"]
    assert by_name["kind"]["score"] in (0, 1) and 0 <= by_name["judge"]["score"] <= 1
