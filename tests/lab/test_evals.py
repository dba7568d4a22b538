"""Evals from a real lab, with the unmodified client."""
# ruff: noqa: E501 - a refusal is a line

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from labserver import MODEL, Server, offline

from workbook.lab.jobs import item_schema

ITEMS = [{"country": "France", "capital": "Paris"}, {"country": "Spain", "capital": "Rome"}]
CONFIG: Any = {
    "type": "custom",
    "item_schema": {
        "type": "object",
        "properties": {"country": {"type": "string"}, "capital": {"type": "string"}},
        "required": ["country", "capital"],
    },
    "include_sample_schema": True,
}
CRITERIA: Any = [
    {
        "type": "string_check",
        "name": "names it",
        "operation": "ilike",
        "input": "{{sample.output_text}}",
        "reference": "{{item.capital}}",
    },
    {
        "type": "text_similarity",
        "name": "near",
        "evaluation_metric": "fuzzy_match",
        "input": "{{sample.output_text}}",
        "reference": "{{item.capital}}",
        "pass_threshold": 0.0,
    },
]
CONTENT: Any = {"type": "file_content", "content": [{"item": item} for item in ITEMS]}
MESSAGES: Any = {
    "type": "template",
    "template": [
        {"role": "system", "content": {"type": "input_text", "text": "Answer in a sentence."}},
        {"role": "user", "content": "What is the capital of {{item.country}}?"},
    ],
}


def source(kind: str, **more: Any) -> Any:
    sampling = {"temperature": 0, "max_completion_tokens": 20}
    return {
        "type": kind,
        "model": MODEL,
        "source": CONTENT,
        "input_messages": MESSAGES,
        "sampling_params": sampling,
    } | more


@pytest.fixture
def evaluation(lab: Server) -> Iterator[Any]:
    evals = lab.client().evals
    made = evals.create(
        name="capitals", data_source_config=CONFIG, testing_criteria=CRITERIA, metadata={"a": "b"}
    )
    yield made
    assert evals.delete(made.id).deleted


def finished(client: openai.OpenAI, run: Any) -> Any:
    for _ in range(600):
        run = client.evals.runs.retrieve(run.id, eval_id=run.eval_id)
        if run.status not in ("queued", "in_progress"):
            return run
        time.sleep(0.1)
    raise AssertionError(run)


def assert_known(value: Any) -> None:
    """Fail if an object of the package holds a field that its type does not have."""
    if isinstance(value, list):
        for each in value:
            assert_known(each)
    if isinstance(value, openai.BaseModel):
        aliases = {field.alias for field in type(value).model_fields.values()}
        assert not (value.model_extra or {}).keys() - aliases, (type(value), value.model_extra)
        for name in type(value).model_fields:
            assert_known(getattr(value, name))


def test_an_eval_is_kept_listed_and_renamed(lab: Server, evaluation: Any) -> None:
    client = lab.client(_strict_response_validation=True)
    same = client.evals.retrieve(evaluation.id)
    assert_known(same)
    assert same.data_source_config.schema_["required"] == ["item", "sample"]
    assert [c.name for c in same.testing_criteria] == ["names it", "near"]
    assert client.evals.update(evaluation.id, name="towns").name == "towns"
    assert evaluation.id in [each.id for each in client.evals.list(limit=1, order="desc")]


@pytest.mark.parametrize("kind", ["completions", "responses"])
def test_a_run_asks_judges_and_counts(lab: Server, evaluation: Any, kind: str) -> None:
    client = lab.client()
    run = client.evals.runs.create(evaluation.id, name="first", data_source=source(kind))
    run = finished(client, run)
    assert_known(run)
    assert run.status == "completed", run
    counts = run.result_counts
    assert (counts.total, counts.passed, counts.failed, counts.errored) == (2, 1, 1, 0)
    assert [(c.testing_criteria, c.passed, c.failed) for c in run.per_testing_criteria_results] == [
        ("names it", 1, 1),
        ("near", 2, 0),
    ]
    items = list(client.evals.runs.output_items.list(run.id, eval_id=evaluation.id, limit=1))
    assert [item.status for item in items] == ["pass", "fail"]
    assert_known(items)
    assert items[0].datasource_item == ITEMS[0] and "Paris" in items[0].sample.output[0].content
    assert items[0].sample.input[1].content == "What is the capital of France?"
    tokens = sum(item.sample.usage.total_tokens for item in items)
    [usage] = run.per_model_usage
    assert usage.total_tokens == tokens and usage.invocation_count == 2
    one = client.evals.runs.output_items.retrieve(items[1].id, eval_id=evaluation.id, run_id=run.id)
    assert one.to_dict() == items[1].to_dict()
    assert run.id in [each.id for each in client.evals.runs.list(evaluation.id)]
    assert client.evals.runs.delete(run.id, eval_id=evaluation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.evals.runs.retrieve(run.id, eval_id=evaluation.id)


def test_answers_that_come_along_are_judged_without_a_model(lab: Server, evaluation: Any) -> None:
    client = lab.client()
    rows = [{"item": item, "sample": {"output_text": "It is Paris."}} for item in ITEMS]
    data = "\n".join(map(json.dumps, rows)).encode()
    file = client.files.create(file=("items.jsonl", data), purpose="evals")
    given: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    run = finished(client, client.evals.runs.create(evaluation.id, data_source=given))
    assert (run.result_counts.passed, run.result_counts.failed) == (1, 1)
    assert not run.per_model_usage
    failed = client.evals.runs.output_items.list(run.id, eval_id=evaluation.id, status="fail")
    assert [item.datasource_item for item in failed] == [ITEMS[1]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "gpt-9"}, (404, "model_not_found", "model")),
        ({"model": None}, (400, "missing_required_parameter", "data_source.model")),
        ({"input_messages": None}, (400, "missing_required_parameter", "data_source.input_messages")),
        ({"source": {"type": "file_id", "id": "file-x"}}, (400, "file_not_found", "data_source.source.id")),
        ({"source": {"type": "stored_completions"}}, (400, "unsupported_parameter", "data_source.source.type")),
        ({"source": CONTENT | {"content": [{"item": {"country": "x"}}]}}, (400, "invalid_item", "data_source.source")),
        ({"input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.no}}"}]}}, (400, "invalid_template", "input_messages")),
        ({"sampling_params": {"reasoning_effort": "low"}}, (400, "unsupported_parameter", "reasoning_effort")),
    ],
)  # fmt: skip
def test_runs_that_are_refused(lab: Server, evaluation: Any, change: dict, expected: tuple) -> None:
    body = {"data_source": source("completions", **change)}
    assert lab.refused("POST", f"/evals/{evaluation.id}/runs", body) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"testing_criteria": []}, (400, "empty_array", "testing_criteria")),
        ({"testing_criteria": [CRITERIA[0], CRITERIA[0]]}, (400, "invalid_value", "testing_criteria[1].name")),
        ({"testing_criteria": [{"type": "python", "name": "x", "source": "1"}]}, (400, "invalid_python", "testing_criteria[0].source")),
        ({"testing_criteria": [CRITERIA[0] | {"input": "{{no}}"}]}, (400, "invalid_template", "testing_criteria[0].input")),
        ({"data_source_config": {"type": "logs"}}, (400, "unsupported_parameter", "data_source_config.type")),
        ({"data_source_config": {"type": "custom", "item_schema": {"type": 1}}}, (400, "invalid_schema", "data_source_config.item_schema")),
    ],
)  # fmt: skip
def test_evals_that_are_refused(lab: Server, change: dict, expected: tuple) -> None:
    body = {"data_source_config": CONFIG, "testing_criteria": CRITERIA} | change
    assert lab.refused("POST", "/evals", body) == expected


def test_a_run_goes_on_after_a_restart_and_can_be_cancelled(tmp_path: Path) -> None:
    lab, client = offline(tmp_path / "state")
    made = client.post(
        "/v1/evals", json={"data_source_config": CONFIG, "testing_criteria": CRITERIA}
    )
    place = f"/v1/evals/{made.json()['id']}/runs"
    rows = [{"item": ITEMS[0], "sample": {"output_text": "Paris"}}] * 3
    given = {"type": "jsonl", "source": CONTENT | {"content": rows}}
    first, second = (client.post(place, json={"data_source": given}).json() for _ in range(2))
    assert client.post(f"{place}/{second['id']}").json()["status"] == "canceled"
    assert client.post(f"{place}/{second['id']}").status_code == 400
    [item, *_] = lab.eval_runner._evals.waiting_items(first["id"], 0, 3)
    lab.eval_runner._evals.judge(item, "fail", [], {"usage": {}})  # then the server was killed
    lab.store.close()
    lab, client = offline(tmp_path / "state")
    lab.eval_runner.start()
    try:
        for _ in range(100):
            run = client.get(f"{place}/{first['id']}").json()
            if run["status"] == "completed":
                break
            time.sleep(0.05)
        assert run["result_counts"] == {"total": 3, "passed": 2, "failed": 1, "errored": 0}
        assert client.get(f"{place}/{second['id']}").json()["status"] == "canceled"
    finally:
        lab.eval_runner.close()
        lab.store.close()


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


SLOW = {"properties": {"country": {"pattern": "^(a+)+$"}}}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (SLOW, "The items take too much time to compare with 'item_schema'"),
        ({"$ref": "#/nowhere"}, "refers to '/nowhere', which is not within it"),
        ({"$ref": "http://127.0.0.1:9/x"}, "refers to 'http://127.0.0.1:9/x', which is not"),
        (
            {"properties": {"country": {"$ref": "#/x"}}, "x": {"pattern": "("}},
            "a pattern that is none",
        ),
        ({"required": ["flag"]}, "Item 1 does not fit 'item_schema': 'flag' is a required"),
    ],
)
def test_an_item_schema_that_asks_too_much_is_refused_and_holds_nobody_up(
    tmp_path: Path, monkeypatch, schema: dict, says: str
) -> None:
    monkeypatch.setattr(item_schema, "BOUNDS", dataclasses.replace(item_schema.BOUNDS, cpu=0.5))
    _, client = offline(tmp_path)
    config = {"type": "custom", "item_schema": schema}
    body = {"data_source_config": config, "testing_criteria": CRITERIA}
    id = client.post("/v1/evals", json=body).json()["id"]
    rows = [{"item": {"country": "a" * 40 + "!"}}]
    run = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    answer = client.post(f"/v1/evals/{id}/runs", json={"data_source": run})
    assert answer.status_code == 400 and says in answer.json()["error"]["message"]


def test_an_item_schema_nested_too_deeply_is_refused(lab: Server) -> None:
    config = {"type": "custom", "item_schema": nested(400)}
    body = {"data_source_config": config, "testing_criteria": CRITERIA}
    assert lab.refused("POST", "/evals", body) == (400, "invalid_value", None)
