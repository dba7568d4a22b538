"""The evaluation harness over a real lab: chats, and a batch that is sent once."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from labserver import MODEL, Server, rows
from openai.types.fine_tuning import FineTuningJob

from workbook import evals
from workbook.backends import Backend
from workbook.cli import main
from workbook.cli.jobs import Caller
from workbook.evals import graders, results
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example


def test_chats_and_a_batch_are_kept_and_no_batch_is_sent_twice(lab: Server, tmp_path: Path) -> None:
    asked = [
        Example(str(i), [{"role": "user", "content": f"What is {i} plus 1?"}], i + 1)
        for i in range(4)
    ]
    settings = {"temperature": 0, "max_completion_tokens": 6, "logprobs": True}
    client = lab.client()
    one = evals.run(client, MODEL, asked, tmp_path / "a.jsonl", progress=False, **settings)
    sent = tmp_path / "b.jsonl"
    many = evals.run(client, MODEL, asked, sent, through_batch=True, **settings)
    assert all(each.text for each in [*one, *many])
    assert all(each.logprobs and each.logprobs[0]["logprob"] <= 0 for each in many)
    table = results.grade(asked, many, {"exact": graders.number_within(0)})
    assert table["completion_tokens"].between(1, 6).all() and table["usd"].eq(0).all()

    # As after a crash: the batch is known, its answers are not on disk.
    first = sent.read_text().splitlines()[0]
    batch = json.loads(first)["batch"]
    sent.write_text(first + "\n")
    again = evals.run(client, MODEL, asked, sent, through_batch=True, **settings)
    assert [each.text for each in again] == [each.text for each in many]
    assert next(iter(client.batches.list())).id == batch


def test_a_row_of_a_batch_that_fails_is_an_error_like_any_other(
    lab: Server, tmp_path: Path
) -> None:
    asked = [
        Example("good", [{"role": "user", "content": "Name a colour."}]),
        Example("bad", [{"role": "nobody", "content": "Name a colour."}]),
    ]
    settings = {"through_batch": True, "temperature": 0, "max_completion_tokens": 2}
    client, kept = lab.client(), tmp_path / "a.jsonl"
    with pytest.raises(EvaluationError, match=r"'bad' failed.* 1 of 2 answers are kept"):
        evals.run(client, MODEL, asked, kept, **settings)
    good, bad = evals.run(client, MODEL, asked, kept, on_error="keep going", **settings)
    assert good.text and bad.text is None and bad.error


@pytest.fixture
def compare(
    lab: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """`workbook compare` against the lab: exit status, output, errors."""
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path))
    backend = Backend("lab", MODEL, lab.client())
    monkeypatch.setattr(Caller, "backend", backend)

    def run(*words: str) -> tuple[int, str, str]:
        status = main(["compare", *words])
        return status, *capsys.readouterr()

    return run


def test_a_job_is_compared_with_its_base(
    compare: Callable[..., tuple[int, str, str]], tuned: FineTuningJob, tmp_path: Path
) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text(rows(12))
    status, output, _ = compare(tuned.id, MODEL, "--data", str(exam), "--max-tokens", "5")
    assert status == 0, output
    assert "A was trained on 12 of these questions" in output and "B was trained" not in output
    assert str(tuned.fine_tuned_model) in output

    status, output, _ = compare(
        str(tuned.fine_tuned_model), MODEL, "--data", str(exam), "--max-tokens", "5", "--json"
    )
    values = json.loads(output)[str(exam)]
    assert values["examples"] == 12 and values["trained_on"] == {"A": 12, "B": None}
    assert values["verdict"] in ("a is better", "b is better", "no difference")
    wins = [flip["better"] for flip in values["flips"]]
    assert values["difference"] == pytest.approx((wins.count("a") - wins.count("b")) / 12)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a", "b"], "Missing option '--data'"),
        (["a", "b", "--data", "none.jsonl"], "none.jsonl"),
        (["a", "b", "--data", "none.jsonl", "--grader", "magic"], "'magic' is no grader"),
        (["a", "b", "--data", "none.jsonl", "--grader", "number-within=x"], "'x' is no number"),
        (["ftjob-none", "b", "--data", "none.jsonl"], "ftjob-none"),
    ],
)
def test_compare_says_what_is_missing(
    compare: Callable[..., tuple[int, str, str]], words: list[str], sentence: str
) -> None:
    status, _, errors = compare(*words)
    assert status == 2 and sentence in errors and "Traceback" not in errors
