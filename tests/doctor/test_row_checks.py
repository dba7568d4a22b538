"""What can be wrong with one row is found, and what the formats allow is not; the lab agrees."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row_strategies import CHATS, FAST, ROWS
from training_rows import (
    ANIMALS,
    BAD,
    GOOD,
    call,
    chat,
    dpo,
    jsonl,
    pair,
    put,
    tool_row,
    turns,
    with_message,
)

from workbook import doctor
from workbook.doctor import profiles
from workbook.doctor.codes import CODES
from workbook.doctor.host_checks import checks_of
from workbook.lab.training import training_file as lab_rows
from workbook.rows.rules import RULES
from workbook.rows.validator import format_of, violations


@pytest.mark.parametrize("row", GOOD)
def test_what_the_formats_allow_is_accepted(row) -> None:
    assert doctor.check([row]).codes == {"too-few": 1}


@pytest.mark.parametrize(("code", "row"), BAD)
def test_each_mistake_is_found_where_it_is(code: str, row) -> None:
    good = pair("How many?", "Seven.") if format_of(row) == "completion" else chat()
    report = doctor.check([good, row])
    findings = [finding for finding in report.findings if finding.code == code]
    assert [finding.line for finding in findings] == [2]
    assert report.codes.keys() <= {
        code,
        "too-few",
        "contradiction",
        "system-varies",
        "near-duplicate",
        "tool-unanswered",
        "tool-unknown",
        "alternation",
        "starts-assistant",
    }


@pytest.mark.parametrize(
    "rows",
    [
        [dpo(preferred=f"{name}.") for name in ANIMALS],
        [tool_row(call(), call(id="c2"), answers=("c1", "c2"))],
        [
            {
                "messages": [
                    {"role": "user", "content": "Weather in Paris?"},
                    {"role": "assistant", "function_call": {"name": "get", "arguments": "{}"}},
                ],
                "functions": [{"name": "get"}],
            }
        ],
        [with_message(1, content=[{"type": "text", "text": "Where?"}])],
        [with_message(2, refusal="I'd rather not.", content=None)],
    ],
)
def test_what_the_service_takes_has_no_error(rows: list[dict]) -> None:
    assert errors(doctor.check(rows)) <= {"too-few"}


def errors(report: doctor.Report) -> set[str]:
    return {code for code in report.codes if CODES[code].severity == "error"}


def test_a_tool_without_a_name_is_no_reason_to_stop() -> None:
    row = tool_row(call(name=""))
    row["tools"][0]["function"]["name"] = ""
    assert doctor.check([row]).codes == {"too-few": 1, "name": 1}


TOOL = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and country"},
                "format": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location", "format"],
        },
    },
}
QUESTION = {"role": "user", "content": "What is the weather in San Francisco?"}
CELSIUS = '{"location": "San Francisco, USA", "format": "celsius"}'
MARV = "Marv is a factual chatbot that is also sarcastic."
PUBLISHED = {  # the forms of the example rows in OpenAI's guides to fine-tuning
    "chat": turns(
        ("system", MARV),
        ("user", "What's the capital of France?"),
        ("assistant", "Paris, as if everyone doesn't know that already."),
    ),
    "several turns with weights": {
        "messages": [
            {"role": "system", "content": MARV},
            {"role": "user", "content": "What's the capital of France?"},
            {"role": "assistant", "content": "Paris", "weight": 0},
            {"role": "user", "content": "Can you be more sarcastic?"},
            {
                "role": "assistant",
                "content": "Paris, as if everyone doesn't know that already.",
                "weight": 1,
            },
        ]
    },
    "tool calls": {
        "messages": [
            QUESTION,
            {"role": "assistant", "tool_calls": [call("get_current_weather", CELSIUS)]},
        ],
        "parallel_tool_calls": False,
        "tools": [TOOL],
    },
    "functions": {
        "messages": [
            QUESTION,
            {
                "role": "assistant",
                "function_call": {"name": "get_current_weather", "arguments": CELSIUS},
            },
        ],
        "functions": [TOOL["function"]],
    },
    "vision": {
        "messages": [
            {"role": "system", "content": "You are an assistant that identifies uncommon cheeses."},
            {"role": "user", "content": "What is this cheese?"},
            {
                "role": "user",
                "content": [
                    {
                        "type": "image_url",
                        "image_url": {"url": "https://upload.example.org/danbo.jpg"},
                    }
                ],
            },
            {"role": "assistant", "content": "Danbo"},
        ]
    },
    "preference": {
        "input": {
            "messages": [{"role": "user", "content": "Hello, how are you?"}],
            "tools": [],
            "parallel_tool_calls": True,
        },
        "preferred_output": [{"role": "assistant", "content": "Cold outside today."}],
        "non_preferred_output": [{"role": "assistant", "content": "It's not bad."}],
    },
    "pairs": pair(
        "Company: BHFF insurance\nProduct: allround insurance\nAd: One stop shop!\nSupported:",
        " yes",
    ),
    "pairs with signs": pair("Overjoyed with the new iPhone! ->", " positive"),
    "tool messages": {
        "messages": [
            QUESTION,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    call("get_current_weather", '{"location": "Paris", "format": "celsius"}')
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "21.0"},
            {"role": "assistant", "content": "It is 21 degrees in Paris."},
        ],
        "tools": [TOOL],
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_example_has_no_error(name: str) -> None:
    codes = doctor.check([PUBLISHED[name]]).codes.keys() - {"too-few"}
    assert codes <= {"image", "alternation"} if name == "vision" else not codes


@settings(FAST, max_examples=500)
@given(ROWS)
def test_what_the_lab_refuses_was_found_before(tmp_path, row) -> None:
    line = json.dumps(row)
    try:
        lab_rows.parse(line.encode())
    except lab_rows.RowError:
        report = doctor.check(put(tmp_path, jsonl([chat()]) + line))
        assert any(finding.line == 2 and finding.severity == "error" for finding in report.findings)


@settings(FAST, max_examples=500)
@given(CHATS | st.sampled_from(GOOD) | st.sampled_from([row for _, row in BAD]))
def test_what_the_doctor_finds_no_error_in_the_lab_takes(row) -> None:
    if errors(doctor.check([row], host="lab")) <= {"too-few"}:
        lab_rows.parse(json.dumps(row).encode())


@settings(FAST, max_examples=200)
@given(ROWS, st.sampled_from(list(profiles.all_profiles())))
def test_no_row_is_too_odd_for_a_host(row, host: str) -> None:
    """What all refuse, each refuses, by its code or an error that explains it; nothing raises."""
    report = doctor.check([row], host=host)
    if isinstance(row, list) and "form" in report.codes:
        row = {"messages": row}  # as it was read
    refused = {RULES[each.rule].code for each in violations(row, checks_of(host).output_roles)}
    errors = {each.code for each in report.findings if each.severity == "error"}
    explained = {name for code in errors for name in CODES[code].explains}
    assert refused <= report.codes.keys() | explained
