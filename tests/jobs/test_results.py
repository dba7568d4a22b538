"""What a job left: its result file in either form, and the newest job with certain labels."""

import base64
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest

from workbook import jobs
from workbook.errors import WorkbookError

TABLE = "step,train_loss,valid_loss\n1,2.5,\n2,1.5,1.75\n"


def job(**fields: Any) -> SimpleNamespace:
    """A job as far as this module looks at it."""
    defaults = {
        "id": "ftjob-1",
        "status": "succeeded",
        "fine_tuned_model": "ft:a",
        "metadata": {"course": "reviews"},
        "error": None,
        "result_files": ["file-1"],
    }
    return SimpleNamespace(**defaults | fields)


def client(
    *listed: SimpleNamespace, content: bytes = b"", gone: str = "", checkpoints: Any = ()
) -> Any:
    """A client with these jobs, newest first, and one file; the model `gone` was deleted."""

    def retrieve(model: str) -> SimpleNamespace:
        if model == gone:
            response = httpx.Response(404, request=httpx.Request("GET", "http://lab"))
            raise openai.NotFoundError("gone", response=response, body=None)
        return SimpleNamespace(id=model)

    api = SimpleNamespace(
        list=lambda limit: iter(listed),
        retrieve=lambda id: next(each for each in listed if each.id == id),
        checkpoints=SimpleNamespace(list=lambda id: iter(checkpoints)),
    )
    return SimpleNamespace(
        fine_tuning=SimpleNamespace(jobs=api),
        models=SimpleNamespace(retrieve=retrieve),
        files=SimpleNamespace(content=lambda id: SimpleNamespace(read=lambda: content)),
    )


@pytest.mark.parametrize(
    "content",
    [TABLE.encode(), base64.b64encode(TABLE.encode()), TABLE.encode("utf-8-sig")],
    ids=["plain", "base64", "with a BOM"],
)
def test_a_result_file_is_read_in_every_form_that_hosts_send(content: bytes) -> None:
    table = jobs.results(client(content=content), job())
    assert table["step"].tolist() == [1, 2]
    assert table["valid_loss"].isna().tolist() == [True, False]


def test_a_job_without_a_result_file_says_why() -> None:
    with pytest.raises(WorkbookError, match=r"no result file: its status is running"):
        jobs.result_text(client(), job(status="running", result_files=[]))


def test_the_newest_job_with_these_labels_is_found() -> None:
    other = job(id="other", metadata={"course": "marv"})
    failed = job(id="failed", status="failed", fine_tuned_model=None)
    newest, older = job(id="newest"), job(id="older")
    assert jobs.find(client(other, failed, newest, older), course="reviews") is newest
    assert jobs.find(client(newest), course="reviews", seed="2") is None


def test_a_job_whose_model_is_gone_or_was_never_named_is_passed_over() -> None:
    gone, nameless, older = job(fine_tuned_model="ft:gone"), job(fine_tuned_model=None), job()
    assert jobs.find(client(gone, nameless, older, gone="ft:gone"), course="reviews") is older


def test_a_job_that_still_runs_is_found_again_so_that_none_is_queued_behind_it() -> None:
    marv = job(id="marv", status="running", metadata={"course": "marv"})
    queued, done = job(id="queued", status="queued"), job(id="done")
    for each in (client(marv, done, queued), client(queued, marv)):
        assert jobs.unfinished(each, course="reviews").id == "queued"
    assert jobs.unfinished(client(marv, done), course="reviews") is None


def test_the_model_of_a_job_is_asked_for_afresh() -> None:
    before = job(status="running", fine_tuned_model=None)
    assert jobs.model_of(client(job()), before) == "ft:a"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "validating_files"}, "no model yet, it is validating files. Run the cell"),
        ({"status": "cancelled"}, "left no model, it was cancelled"),
        ({"status": "failed", "error": SimpleNamespace(message="line 3")}, "failed: line 3"),
    ],
)
def test_a_job_without_a_model_says_why_instead_of_sending_null(
    fields: dict[str, Any], words: str
) -> None:
    state = job(fine_tuned_model=None, **fields)
    with pytest.raises(WorkbookError, match=words):
        jobs.model_of(client(state), state)


def checkpoint(step: int, loss: float | None) -> SimpleNamespace:
    metrics = SimpleNamespace(full_valid_loss=loss)
    return SimpleNamespace(fine_tuned_model_checkpoint=f"ft:a:ckpt-step-{step}", metrics=metrics)


def test_the_checkpoint_is_chosen_on_validation() -> None:
    points = [checkpoint(114, 0.395), checkpoint(76, 0.360), checkpoint(38, 0.428)]
    assert jobs.best_checkpoint(client(job(), checkpoints=points), job()) == "ft:a:ckpt-step-76"
    blind = [checkpoint(114, None), checkpoint(76, None)]
    assert jobs.best_checkpoint(client(job(), checkpoints=blind), job()) == "ft:a"
