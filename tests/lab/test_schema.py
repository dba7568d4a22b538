"""Requests against OpenAI's spec: each fault gets OpenAI's parameter, code and sentence."""

import json
from pathlib import Path

import pytest

from workbook.lab import schema
from workbook.lab.errors import ApiError

CHAT, JOB = "CreateChatCompletionRequest", "CreateFineTuningJobRequest"
ASK = [{"role": "user", "content": "Hi"}]


def refusal(name: str, request) -> ApiError:
    with pytest.raises(ApiError) as caught:
        schema.check(name, request)
    assert caught.value.status == 400
    assert set(caught.value.body()["error"]) == {"message", "type", "param", "code"}
    return caught.value


def test_good_requests_pass() -> None:
    schema.check(CHAT, {"model": "m", "messages": ASK, "temperature": None, "stop": ["a"], "n": 2})
    schema.check(
        JOB,
        {
            "model": "m",
            "training_file": "f",
            "hyperparameters": {"n_epochs": "auto"},
            "method": {"type": "supervised"},
            "suffix": None,
        },
    )


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": None}, "model", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        (
            {"messages": [{"role": "developer"}]},
            "messages[0].content",
            "missing_required_parameter",
        ),
        ({"messages": [{"role": "user", "content": 4}]}, "messages[0].content", "invalid_type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        ({"temperature": 9}, "temperature", "decimal_above_max_value"),
        ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"stop": list("abcde")}, "stop", "array_above_max_length"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tool_choice": "must"}, "tool_choice", "invalid_value"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"max_token": 5}, "max_token", "unknown_parameter"),
    ],
)
def test_chat_requests(change: dict, param: str, code: str) -> None:
    error = refusal(CHAT, {"model": "m", "messages": ASK} | change)
    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"suffix": "x" * 65}, "suffix", "string_above_max_length"),
        ({"suffix": ""}, "suffix", "empty_string"),
        ({"seed": -1}, "seed", "integer_below_min_value"),
        ({"method": {"type": "magic"}}, "method.type", "invalid_value"),
        (
            {"hyperparameters": {"n_epochs": 0}},
            "hyperparameters.n_epochs",
            "integer_below_min_value",
        ),
        (
            {"hyperparameters": {"n_epochs": 51}},
            "hyperparameters.n_epochs",
            "integer_above_max_value",
        ),
        ({"hyperparameters": {"n_epochs": 2.5}}, "hyperparameters.n_epochs", "invalid_type"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs", "invalid_value"),
        (
            {"hyperparameters": {"learning_rate_multiplier": 0}},
            "hyperparameters.learning_rate_multiplier",
            "decimal_below_min_value",
        ),
        (
            {
                "method": {
                    "type": "supervised",
                    "supervised": {"hyperparameters": {"batch_size": 300}},
                }
            },
            "method.supervised.hyperparameters.batch_size",
            "integer_above_max_value",
        ),
    ],
)
def test_job_requests(change: dict, param: str, code: str) -> None:
    error = refusal(JOB, {"model": "m", "training_file": "f"} | change)
    assert (error.param, error.code) == (param, code)


def test_the_sentence_says_what_was_expected() -> None:
    error = refusal(CHAT, {"model": "m", "messages": ASK, "temperature": 9})
    assert error.message == (
        "Invalid 'temperature': decimal above maximum value. Expected a value "
        "<= 2, but got 9 instead."
    )
    error = refusal(CHAT, {"model": "m", "messages": [{"role": "robot", "content": ""}]})
    assert error.message.startswith("Invalid value: 'robot'. Supported values are: 'developer', ")
    assert refusal(JOB, {"model": "m"}).message == "Missing required parameter: 'training_file'."


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_must_be_an_object(body) -> None:
    assert refusal(CHAT, body).code == "invalid_type"


def test_the_overlay_says_why() -> None:
    changes = json.loads((Path(schema.__file__).parent / "openai-api-overlay.json").read_text())
    assert all(change["why"].endswith(".") for change in changes)
    assert (
        "paused"
        in schema.schema("FineTuningJob")["components"]["schemas"]["FineTuningJob"]["properties"][
            "status"
        ]["enum"]
    )


GRADER = {
    "type": "string_check",
    "name": "x",
    "input": "{{sample.output_text}}",
    "reference": "a",
    "operation": "eq",
}
SOURCE = {"type": "file_content", "content": [{"item": {}}]}
BODIES = {
    CHAT: {"model": "m", "messages": ASK},
    JOB: {"model": "m", "training_file": "f"},
    "CreateCompletionRequest": {"model": "m", "prompt": "x"},
    "CreateResponse": {"model": "m", "input": "x"},
    "CreateEmbeddingRequest": {"model": "m", "input": "x"},
    "CreateBatchRequest": {
        "input_file_id": "f",
        "endpoint": "/v1/completions",
        "completion_window": "24h",
    },
    "RunGraderRequest": {"grader": GRADER, "model_sample": "a"},
    "CreateUploadRequest": {
        "bytes": 1,
        "filename": "a",
        "mime_type": "a/b",
        "purpose": "fine-tune",
    },
    "CompleteUploadRequest": {"part_ids": ["p"]},
    "CreateEvalRequest": {
        "data_source_config": {"type": "custom", "item_schema": {}},
        "testing_criteria": [GRADER],
    },
    "UpdateEvalRequest": {},
    "CreateEvalRunRequest": {"data_source": {"type": "jsonl", "source": SOURCE}},
}


@pytest.mark.parametrize("name", BODIES)
def test_null_in_any_optional_field_of_any_request_is_nothing(name: str) -> None:
    nulls = dict.fromkeys(schema.parameters(name) - BODIES[name].keys())
    assert schema.check(name, BODIES[name] | nulls) == BODIES[name]


def test_nulls_within_objects_are_nothing_but_where_they_are_values() -> None:
    body = {
        "model": "m",
        "training_file": "f",
        "method": {
            "type": "supervised",
            "dpo": None,
            "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": None}},
        },
    }
    fields = schema.check(JOB, body)
    assert fields["method"] == {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 2}},
    }
    item = {"grader": GRADER, "model_sample": "a", "item": {"label": None}}
    assert schema.check("RunGraderRequest", item) == item
