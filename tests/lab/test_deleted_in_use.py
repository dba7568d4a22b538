"""A model deleted while somebody uses it: who has begun ends well, who comes later is told."""

import json
import shutil
from collections.abc import Iterator

import openai
import pytest
import tinylab
from labserver import ASK, Server, rows
from waiting import until

pytestmark = pytest.mark.full
ONE_EPOCH = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}}
THREE = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tinylab.serving(tmp_path_factory.mktemp("in-use")) as server:
        yield server
        log = server.log.read_text()
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def models(lab: Server) -> list[str]:
    """Four models that one job made, each with weights of its own but for the last two."""
    client = lab.client()
    job = client.fine_tuning.jobs.create(
        model="tiny", training_file=lab.upload(rows(12)), method=THREE
    )
    job = lab.finished(job.id)
    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    return [*(c.fine_tuned_model_checkpoint for c in reversed(checkpoints)), job.fine_tuned_model]


def refusal(lab: Server, model: str) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        lab.client().chat.completions.create(model=model, messages=ASK, max_tokens=3)
    return caught.value


def test_a_stream_goes_on_to_its_end(lab: Server, models: list[str]) -> None:
    stream = lab.client().chat.completions.create(
        model=models[0], messages=ASK, max_tokens=200, stream=True, seed=1, logit_bias={"1": -100}
    )
    chunks = [next(stream) for _ in range(3)]
    assert lab.client().models.delete(models[0]).deleted
    chunks += stream
    assert chunks[-1].choices[0].finish_reason == "length"
    assert refusal(lab, models[0]).status_code == 404


def test_one_whose_weights_have_just_gone_is_not_found(lab: Server, models: list[str]) -> None:
    job = models[3].rpartition(":")[2]
    [folder] = (lab.state / "jobs").glob(f"*{job}/checkpoints/step-6")
    shutil.rmtree(folder)  # as between the look for the record and that for the weights
    error = refusal(lab, models[1])
    assert (error.status_code, error.code) == (404, "model_not_found")
    assert str(lab.state) not in error.message
    answer = lab.client().chat.completions.create(model="tiny", messages=ASK, max_tokens=3)
    assert answer.choices


def test_each_row_of_a_batch_has_an_answer_or_is_told(lab: Server, models: list[str]) -> None:
    client, count = lab.client(), 60
    body = {"model": models[2], "messages": ASK, "max_tokens": 100, "logit_bias": {"1": -100}}
    lines = [
        {"custom_id": str(i), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for i in range(count)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = client.files.create(file=("b.jsonl", text), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    until(lambda: client.batches.retrieve(batch.id).request_counts.completed)
    client.models.delete(models[2])
    client.files.delete(file.id)
    under_way = ("in_progress", "finalizing")
    until(lambda: client.batches.retrieve(batch.id).status not in under_way)
    batch = client.batches.retrieve(batch.id)
    counts = batch.request_counts
    assert batch.status == "completed" and counts.completed + counts.failed == count
    files = filter(None, [batch.output_file_id, batch.error_file_id])
    told = [
        json.loads(line)
        for id in files
        for line in client.files.content(id).read().split(b"\n")
        if line
    ]
    assert {int(row["custom_id"]) for row in told} == set(range(count))
    assert {row["response"]["status_code"] for row in told} <= {200, 404}


def test_a_job_that_goes_on_from_it_ends_with_a_word(lab: Server, models: list[str]) -> None:
    client = lab.client()
    file = lab.upload(rows(12))
    first = client.fine_tuning.jobs.create(model="tiny", training_file=file, method=ONE_EPOCH)
    second = client.fine_tuning.jobs.create(model=models[3], training_file=file, method=ONE_EPOCH)
    client.models.delete(models[3])  # the second waits for the first
    assert lab.finished(first.id).status == "succeeded"
    second = lab.finished(second.id)
    assert second.status == "succeeded" or second.error.code == "model_not_found"
