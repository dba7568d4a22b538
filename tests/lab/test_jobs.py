"""Fine-tuning jobs of a real lab: those that fail say why, those that train leave models."""

import base64
import json
import time

import pytest
from labserver import MODEL, Server, rows

from workbook.lab.model import weights
from workbook.lab.model.tokenizer import Tokenizer

# Jobs that fail


def failed_job(lab: Server, data: str | bytes, **more):
    job = lab.client().fine_tuning.jobs.create(
        model=MODEL, training_file=lab.upload(data, "mine.jsonl"), **more
    )
    job = lab.finished(job.id)
    assert job.status == "failed" and job.fine_tuned_model is None
    return job.error


def test_fewer_than_ten_examples(lab: Server) -> None:
    error = failed_job(lab, rows(9))
    assert (error.code, error.param) == ("invalid_n_examples", "training_file")
    assert error.message == "Training file has 9 example(s), but must have at least 10 examples"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"messages": [', "line 11: not valid JSON"),
        (
            '{"messages": [{"role": "robot", "content": ""}]}',
            "line 11: message 1: unknown role `robot`",
        ),
        (
            '{"messages": [{"role": "user", "content": "x"}]}',
            "line 11: no message is the assistant's",
        ),
        (
            '{"prompt": "x", "completion": "y"}',
            "line 11: a completion example in a file of chat",
        ),
        (
            '{"messages": [{"role": "user", "content": "'
            + "long " * 8200
            + '"}, {"role": "assistant", "content": "x"}]}',
            "more than the 8,192 allowed",
        ),
    ],
)
def test_a_bad_line_fails_the_job_with_file_line_and_reason(lab: Server, line, reason) -> None:
    error = failed_job(lab, rows(10) + line + "\n" + rows(2))
    assert (error.code, error.param) == ("invalid_training_file", "training_file")
    assert "mine.jsonl" in error.message and reason in error.message


def test_a_bad_validation_file(lab: Server) -> None:
    bad = lab.upload("{", "check.jsonl")
    error = failed_job(lab, rows(10), validation_file=bad)
    assert (error.code, error.param) == ("invalid_validation_file", "validation_file")


def test_jobs_that_are_not_created(lab: Server) -> None:
    file = lab.upload(rows(10))
    good = {"model": MODEL, "training_file": file}

    def create(**more) -> tuple:
        return lab.refused("POST", "/fine_tuning/jobs", good | more)

    assert create(model="gpt-9") == (400, "model_not_available", "model")
    assert create(training_file="file-none") == (400, "file_not_found", "training_file")
    assert create(validation_file="../key") == (400, "file_not_found", "validation_file")
    assert create(method={"type": "reinforcement"}) == (
        400,
        "missing_required_parameter",
        "method.reinforcement",
    )
    long = ("property_name_above_max_length", "metadata." + "k" * 65)
    assert create(metadata={"k" * 65: "v"})[1:] == long
    assert create(hyperparameters={"n_epochs": 0})[1] == "integer_below_min_value"
    lab.client().files.delete(file)
    assert create() == (400, "file_not_found", "training_file")
    other = lab.client().files.create(file=("x.jsonl", b"{}"), purpose="user_data").id
    assert create(training_file=other) == (400, "invalid_file_purpose", "training_file")
    for path in ("", "/events", "/checkpoints"):
        assert lab.refused("GET", f"/fine_tuning/jobs/ftjob-no{path}")[:2] == (
            404,
            "fine_tune_not_found",
        )


# Jobs that train


def test_a_job_from_end_to_end(lab: Server, tuned) -> None:
    assert tuned.fine_tuned_model == f"ft:{MODEL}:lab:my-marv:{tuned.id[-8:]}"
    assert tuned.hyperparameters.batch_size == 4 and tuned.seed == 7
    assert tuned.error is None and tuned.finished_at >= tuned.created_at
    examples = [json.loads(line) for line in rows(12).splitlines()]
    tokenizer = Tokenizer(weights.ensure())
    tokens = sum(len(tokenizer.row_example(example)[0]) for example in examples)
    assert tuned.trained_tokens == 4 * tokens
    assert lab.call("GET", f"/fine_tuning/jobs/{tuned.id}")[1]["metadata"] == {"course": "test"}

    _, page = lab.call("GET", f"/fine_tuning/jobs/{tuned.id}/events?limit=100")
    events = page["data"][::-1]  # the newest comes first
    assert [e["data"]["step"] for e in events if e["type"] == "metrics"] == list(range(1, 13))
    messages = [e["message"] for e in events if e["type"] == "message"]
    assert messages[0] == f"Created fine-tuning job: {tuned.id}"
    assert messages[-1] == "The job has successfully completed"
    assert "Files validated, moving job to queued state" in messages
    paged = lab.client().fine_tuning.jobs.list_events(tuned.id, limit=5)
    assert [e.id for e in paged] == [e["id"] for e in page["data"]]


def test_the_result_file_has_a_row_a_step(lab: Server, tuned) -> None:
    content = lab.client().files.content(tuned.result_files[0]).read()
    table = base64.b64decode(content).decode().splitlines()
    assert table[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert [line.split(",")[0] for line in table[1:]] == [str(i) for i in range(1, 13)]
    first, last = (float(line.split(",")[1]) for line in (table[1], table[-1]))
    assert last < first / 2  # it learned
    file = lab.call("GET", f"/files/{tuned.result_files[0]}")[1]
    assert (file["purpose"], file["bytes"]) == ("fine-tune-results", len(content))


def test_the_last_three_checkpoints_are_models(lab: Server, tuned) -> None:
    _, page = lab.call("GET", f"/fine_tuning/jobs/{tuned.id}/checkpoints")
    assert [c["step_number"] for c in page["data"]] == [12, 9, 6]
    assert (
        page["data"][0]["metrics"]["full_valid_loss"]
        < page["data"][-1]["metrics"]["full_valid_loss"]
    )
    name = page["data"][-1]["fine_tuned_model_checkpoint"]
    assert name == f"{tuned.fine_tuned_model}:ckpt-step-6"
    assert lab.call("GET", f"/models/{name}")[1]["id"] == name
    assert lab.chat(model=name).model == name


def test_the_tuned_model_has_learned(lab: Server, tuned) -> None:
    ask = [{"role": "user", "content": "Question 3?"}]
    assert (
        lab.chat(model=tuned.fine_tuned_model, messages=ask).choices[0].message.content
        == "Answer 3."
    )
    assert lab.chat(messages=ask).choices[0].message.content != "Answer 3."


def test_jobs_are_found_by_metadata_and_page(lab: Server, tuned) -> None:
    jobs = lab.client().fine_tuning.jobs.list(metadata={"course": "test"})
    assert [job.id for job in jobs] == [tuned.id]
    assert lab.call("GET", "/fine_tuning/jobs?metadata[course]=other")[1]["data"] == []
    failed_job(lab, rows(1))
    _, page = lab.call("GET", "/fine_tuning/jobs?limit=1")
    after = lab.call("GET", f"/fine_tuning/jobs?after={page['data'][0]['id']}")[1]["data"]
    assert page["has_more"] and page["data"][0]["id"] not in [job["id"] for job in after]


def test_a_job_is_paused_resumed_and_cancelled(lab: Server, tuned) -> None:
    jobs, file = lab.client().fine_tuning.jobs, lab.upload(rows(40))

    def steps() -> int:
        return sum(event.type == "metrics" for event in jobs.list_events(job.id, limit=100))

    def train_to(step: int) -> None:
        until = time.monotonic() + 300
        while steps() < step:
            assert time.monotonic() < until
            time.sleep(0.1)

    def stands_still() -> bool:
        time.sleep(0.5)  # a step that was logged already may still arrive
        before = steps()
        time.sleep(1.5)
        return steps() == before

    # From a tuned model; deleting the file shows that a job has its own hold on the bytes.
    job = jobs.create(
        model=tuned.fine_tuned_model, training_file=file, hyperparameters={"n_epochs": 50}
    )
    lab.client().files.delete(file)
    train_to(2)
    running = jobs.retrieve(job.id)
    assert running.status == "running" and running.estimated_finish >= running.created_at
    assert lab.call("POST", f"/fine_tuning/jobs/{job.id}/pause")[1]["status"] == "paused"
    assert stands_still()
    paused_at = steps()
    assert jobs.resume(job.id).status == "queued"
    train_to(paused_at + 1)
    assert jobs.cancel(job.id).status == "cancelled"
    assert stands_still()
    for done in (job.id, tuned.id):
        refusal = lab.refused("POST", f"/fine_tuning/jobs/{done}/cancel")
        assert refusal[:2] == (400, "invalid_job_status")


def test_models_are_listed_and_only_tuned_ones_deleted(lab: Server, tuned) -> None:
    ids = [model["id"] for model in lab.call("GET", "/models")[1]["data"]]
    assert ids[0] == MODEL and tuned.fine_tuned_model in ids
    name = f"{tuned.fine_tuned_model}:ckpt-step-9"
    assert lab.call("DELETE", f"/models/{name}")[1] == {
        "id": name,
        "object": "model",
        "deleted": True,
    }
    assert lab.refused("GET", f"/models/{name}") == (404, "model_not_found", "model")
    assert lab.refused("DELETE", f"/models/{MODEL}")[0] == 403
