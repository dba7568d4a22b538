"""A reinforcement job's life over HTTP: paused, resumed, cancelled, begun from a tuned model."""

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import tinylab
from labserver import Server, rows
from test_reinforcement import CHECK, prompts

LENGTH = {
    "type": "python",
    "name": "length",
    "source": "def grade(sample, item): return min(1, len(sample['output_text']) / 100)",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tinylab.serving(tmp_path_factory.mktemp("life")) as server:
        yield server


@pytest.fixture(scope="module")
def client(lab: Server) -> openai.OpenAI:
    return lab.client()


def create(client: openai.OpenAI, lab: Server, model: str = "tiny", **numbers: Any) -> Any:
    file = lab.upload(prompts(12))
    small = {"n_epochs": 50, "batch_size": 4, "reasoning_effort": "low", "eval_interval": 5}
    return client.fine_tuning.jobs.create(
        model=model,
        seed=3,
        training_file=file,
        validation_file=file,
        method={
            "type": "reinforcement",
            "reinforcement": {"grader": LENGTH, "hyperparameters": small | numbers},
        },
    )


def steps(client: openai.OpenAI, job: Any) -> list[int]:
    events = client.fine_tuning.jobs.list_events(job.id, limit=100).data
    return sorted(event.data["step"] for event in events if event.type == "metrics")


def until(client: openai.OpenAI, job: Any, step: int) -> None:
    end = time.monotonic() + 60
    while (steps(client, job) or [-1])[-1] < step:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_paused_it_rests_resumed_it_goes_on_and_no_step_is_doubled(client, lab) -> None:
    job = create(client, lab, n_epochs=8)
    until(client, job, 4)
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    time.sleep(0.5)
    at_rest = steps(client, job)
    assert at_rest[-1] < 24
    time.sleep(0.5)
    assert steps(client, job) == at_rest
    client.fine_tuning.jobs.resume(job.id)
    done = lab.finished(job.id, 120)
    assert done.status == "succeeded", done.error
    assert steps(client, job) == list(range(25))


def test_cancelled_it_ends_and_leaves_no_model(client, lab) -> None:
    job = create(client, lab)
    until(client, job, 2)
    client.fine_tuning.jobs.cancel(job.id)
    done = lab.finished(job.id, 30)
    assert done.status == "cancelled" and done.fine_tuned_model is None
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.resume(job.id)
    time.sleep(0.5)
    count = len(steps(client, job))
    time.sleep(0.5)
    assert len(steps(client, job)) == count


def test_it_goes_on_from_a_model_that_was_tuned_on_examples(client, lab) -> None:
    """Supervised first, then rewards: step 0 is the tuned model, and the base is as it was."""
    tuned = client.fine_tuning.jobs.create(
        model="tiny",
        seed=3,
        training_file=lab.upload(rows(12)),
        hyperparameters={"n_epochs": 8, "learning_rate_multiplier": 3},
    )
    first = lab.finished(tuned.id, 120).fine_tuned_model
    from_base, from_tuned = (
        create(client, lab, model, n_epochs=1, batch_size=12) for model in ("tiny", first)
    )
    done = [lab.finished(job.id, 120) for job in (from_base, from_tuned)]
    assert [job.status for job in done] == ["succeeded"] * 2
    starts = []
    for job in done:
        events = client.fine_tuning.jobs.list_events(job.id, limit=100).data
        [start] = [e.data for e in events if e.type == "metrics" and e.data["step"] == 0]
        starts.append(start["valid_reward_mean"])
    assert starts[0] != starts[1]
    names = {model.id for model in client.models.list()}
    assert {first, done[0].fine_tuned_model, done[1].fine_tuned_model} <= names


# The graders of OpenAI's guide and of its package's types, with the lab's own model as judge.
ASK = [
    {"role": "system", "content": "You judge answers."},
    {"role": "user", "content": "Is {{sample.output_text}} near {{item.answer}}?"},
]
SPEC = {
    "string_check": CHECK,
    "text_similarity": {
        "type": "text_similarity",
        "name": "Example text similarity grader",
        "input": "{{sample.output_text}}",
        "reference": "{{item.label}}",
        "evaluation_metric": "fuzzy_match",
    },
    "python": LENGTH,
    "score_model": {
        "type": "score_model",
        "name": "Example score model grader",
        "input": ASK,
        "model": "tiny",
        "sampling_params": {
            "temperature": 1,
            "top_p": 1,
            "seed": 42,
            "max_completions_tokens": 32,
        },
        "range": [0, 1],
    },
    "multi": {
        "type": "multi",
        "name": "example multi grader",
        "graders": {
            "similarity": {
                "type": "text_similarity",
                "name": "example text similarity grader",
                "input": "{{sample.output_text}}",
                "reference": "{{item.label}}",
                "evaluation_metric": "bleu",
            },
            "same": {
                "type": "string_check",
                "name": "Example string check grader",
                "input": "{{sample.output_text}}",
                "reference": "{{item.label}}",
                "operation": "eq",
            },
        },
        "calculate_output": "0.5 * similarity + 0.5 * same",
    },
}


@pytest.mark.parametrize("kind", SPEC)
def test_the_specs_examples_are_valid(lab: Server, kind: str) -> None:
    grader = SPEC[kind]
    path = "/fine_tuning/alpha/graders/validate"
    status, answer = lab.call("POST", path, {"grader": grader})
    assert (status, answer) == (200, {"grader": grader})
