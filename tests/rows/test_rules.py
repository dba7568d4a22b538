"""One table of rules: the doctor and the lab say the same of a row, or the table says why not."""

import json
from typing import Any

import pytest

from workbook.doctor.codes import CODES
from workbook.doctor.row_checks import check_row
from workbook.lab.training import training_file
from workbook.rows.rules import RULES
from workbook.rows.validator import violations

ASK, ANSWER = {"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Two."}
FUNCTION = {"name": "count", "arguments": "{}"}
CALL = {"id": "c1", "type": "function", "function": FUNCTION}
CALLS = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "2"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
PIXEL = (  # a PNG of one dot
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOL = {"type": "function", "function": {"name": "count", "parameters": {"type": "object"}}}


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def said(**message: Any) -> dict[str, Any]:
    """A chat in which the assistant says this."""
    return chat(ASK, {"role": "assistant", **message})


def asked(**message: Any) -> dict[str, Any]:
    """A chat in which the user says this."""
    return chat({"role": "user", **message}, ANSWER)


def pair(*outputs: Any, **asked: Any) -> dict[str, Any]:
    """A preference example of two outputs."""
    preferred, other = outputs or ([ANSWER], [ANSWER | {"content": "Three."}])
    return {
        "input": {"messages": [ASK]} | asked,
        "preferred_output": preferred,
        "non_preferred_output": other,
    }


GOOD = [
    chat(ASK, ANSWER),
    chat({"role": "developer", "content": "Count."}, ASK, ANSWER | {"weight": 0}, ASK, ANSWER),
    chat(ASK, CALLS, RESULT, ANSWER, tools=[TOOL]),
    chat(ASK, CALLS | {"content": None}, RESULT, ANSWER, tools=None),
    chat(ASK, {"role": "assistant", "function_call": FUNCTION}, functions=[{"name": "count"}]),
    asked(content=[{"type": "text", "text": "How many?"}], name="Ana"),
    said(content=[{"type": "refusal", "refusal": "I can't say."}]),
    said(content=None, refusal="I can't say."),
    chat(ASK, CALLS | {"content": ""}, RESULT, ANSWER, tools=[TOOL]),
    chat(ASK, CALLS, RESULT | {"content": ""}, ANSWER),
    chat(ASK, CALLS, RESULT | {"content": [{"type": "text", "text": ""}]}, ANSWER),
    chat(ASK, CALLS | {"content": [{"type": "text", "text": ""}]}, RESULT, ANSWER),
    chat(ASK, ANSWER, functions=[{"name": "count", "description": None, "strict": None}]),
    chat(
        ASK,
        CALLS | {"tool_calls": [CALL, CALL | {"id": "c2"}]},
        RESULT | {"tool_call_id": "c2"},
        RESULT,
        ANSWER,
    ),
    chat(ASK, CALLS, RESULT, ANSWER, ASK, CALLS, RESULT, ANSWER),  # an id may come again
    chat(ASK, CALLS, tools=[TOOL], parallel_tool_calls=False),
    chat(ASK | {"tool_call_id": None, "weight": None}, ANSWER | {"tool_calls": None}, tools=None),
    chat(
        ASK,
        {"role": "assistant", "function_call": FUNCTION},
        RESULT | {"role": "function", "name": "count", "tool_call_id": None},
        ANSWER,
    ),
    {"messages": [ASK], "reference_answer": "Two."},
    {"messages": [ASK, ANSWER, ASK], "solution": {"number": 2}, "id": 7},
    {"prompt": "", "completion": " two"},
    pair(),
    pair(tools=[], parallel_tool_calls=True),
    pair([ANSWER], [CALLS]),
]
BAD: list[tuple[str, Any]] = [
    ("not-object", ["a", "list"]),
    ("format", {"text": "How many? Two."}),
    ("format", {"input": "How many?", "output": "Two."}),
    ("format", {"Input": "How many?", "Output": "Two."}),
    ("format", {"Tools": [TOOL], "conversations": [ASK, ANSWER]}),
    ("format-case", {"Messages": [ASK, ANSWER]}),
    ("key-case", chat(ASK, ANSWER, Tools=[TOOL])),
    ("key", chat(ASK, ANSWER, id=7)),
    ("key", said(content="Two.", reasoning="One and one.")),
    ("key", {"prompt": "How many?", "completion": "Two.", "id": 7}),
    ("key", pair(functions=[])),
    ("half-character", {"prompt": "\ud800", "completion": "Two."}),
    ("messages", {"messages": None}),
    ("messages", {"messages": []}),
    ("messages", {"messages": "How many?"}),
    ("message", chat(ASK, "Two.")),
    ("message", chat({"content": "How many?"}, ANSWER)),
    ("role", chat({"role": "human", "content": "How many?"}, ANSWER)),
    ("role", chat({"role": ["user"], "content": "How many?"}, ANSWER)),
    ("text", asked(content="How many?", name=7)),
    ("text", said(content="Two.", refusal=["no"])),
    ("content", said()),
    ("content", said(content=None)),
    ("content", asked(content=None, refusal="No.")),
    ("content", said(content=2)),
    ("content", asked(content=[])),
    ("content", asked(content=[{"text": "How many?"}])),
    ("content", asked(content=["How many?"])),
    ("part", asked(content=[{"type": "video", "video": "a.mp4"}])),
    ("part", asked(content=[{"type": "text"}])),
    ("part", asked(content=[{"type": "image_url", "image_url": {}}])),
    ("picture", asked(content=[PICTURE])),
    ("picture-answer", said(content=[PICTURE])),
    ("picture-role", chat({"role": "system", "content": [PICTURE]}, ASK, ANSWER)),
    ("picture-role", chat(ASK, CALLS, RESULT | {"content": [PICTURE]}, ANSWER)),
    *(
        ("picture-address", asked(content=[{"type": "image_url", "image_url": {"url": url}}]))
        for url in (
            PIXEL,
            "/home/ana/cat.png",
            "C:\\cats\\cat.png",
            "file:///home/ana/cat.png",
            "cat.png",
            "",
            f"data:image/png,{PIXEL}",
            f"data:text/plain;base64,{PIXEL}",
            "data:image/png;base64,",
            "data:image/png;base64,####",
            f"data:image/png;base64,{PIXEL[:-3]}",
        )
    ),
    ("part", asked(content=[PICTURE | {"image_url": PICTURE["image_url"] | {"detail": "ultra"}}])),
    ("part", asked(content=[{"type": "image_url", "image_url": "https://example.org/a.png"}])),
    ("blank", asked(content="")),
    ("blank", said(content=" \n")),
    ("blank", said(content=[{"type": "text", "text": ""}, {"type": "text", "text": " "}])),
    ("blank", pair([ANSWER], [ANSWER | {"content": ""}])),
    ("blank", {"prompt": "How many?", "completion": " "}),
    ("misplaced", asked(content="How many?", tool_call_id="c1")),
    ("misplaced", asked(content="How many?", refusal="No.")),
    ("call", asked(content="How many?", tool_calls=[CALL])),
    ("call", said(tool_calls=[CALL | {"function": FUNCTION | {"arguments": {"n": 2}}}])),
    ("call", said(tool_calls=json.dumps([CALL]))),
    ("call", said(content="Two.", tool_calls=[])),
    ("call", said(tool_calls=[{"function": FUNCTION}])),
    ("call", said(tool_calls=[CALL | {"function": {"name": "count"}}])),
    ("call", said(function_call={"arguments": "{}"})),
    ("call-arguments", said(tool_calls=[CALL | {"function": FUNCTION | {"arguments": "{2"}}])),
    ("tool-answer", chat(ASK, {"role": "tool", "content": "2"}, ANSWER)),
    ("tool-answer", chat(ASK, RESULT, ANSWER)),
    ("tool-answer", pair(messages=[ASK, RESULT])),
    ("tool-answer", chat(ASK, CALLS, RESULT, RESULT, ANSWER)),
    ("tool-order", chat(ASK, CALLS, ASK, RESULT, ANSWER)),
    ("tool-order", chat(ASK, CALLS, ANSWER, RESULT, ANSWER)),
    ("tool-order", pair(messages=[ASK, CALLS, ASK, RESULT])),
    ("tool-order", {"messages": [ASK, CALLS, ASK, RESULT, ASK], "reference_answer": "2"}),
    ("function-answer", chat(ASK, {"role": "function", "content": "2"}, ANSWER)),
    ("tools", chat(ASK, ANSWER, tools="count")),
    ("tools", chat(ASK, ANSWER, tools=json.dumps([TOOL]))),
    ("tools", chat(ASK, ANSWER, tools=[TOOL, TOOL])),
    ("tools", chat(ASK, ANSWER, functions=[TOOL["function"], TOOL["function"]])),
    ("tools", chat(ASK, ANSWER, tools=[{"type": "custom", "custom": {"name": "count"}}])),
    ("tools", chat(ASK, ANSWER, functions=[{"name": "count", "description": ["Count."]}])),
    (
        "tools",
        chat(
            ASK, ANSWER, tools=[{"type": "function", "function": {"name": "a", "strict": "true"}}]
        ),
    ),
    ("parallel", chat(ASK, ANSWER, tools=[TOOL], parallel_tool_calls="false")),
    ("parallel", chat(ASK, ANSWER, tools=[TOOL], parallel_tool_calls=0)),
    ("parallel", chat(ASK, ANSWER, parallel_tool_calls=False)),
    ("parallel", pair(parallel_tool_calls=True)),
    ("prompt-turn", {"messages": [ASK, CALLS, RESULT], "reference_answer": "2"}),
    ("key", {"messages": [ASK, ANSWER], "reference_answer": "2"}),
    ("tools", chat(ASK, ANSWER, tools=[{"type": "function", "function": {}}])),
    ("tools", chat(ASK, ANSWER, tools=[{"function": {"name": "count"}}])),
    ("tool-repeated", said(tool_calls=[CALL, CALL])),
    ("tool-schema", chat(ASK, ANSWER, functions=[{"name": "count", "parameters": 7}])),
    ("tool-schema", chat(ASK, ANSWER, functions=[{"name": "count", "parameters": "{}"}])),
    ("no-assistant", chat(ASK)),
    ("no-assistant", chat(ASK, id=7, source="desk")),
    ("last-turn", chat(ASK, ANSWER, ASK)),
    ("weight", chat(ASK | {"weight": 1}, ANSWER)),
    ("weight", said(content="Two.", weight=0.5)),
    ("weight", said(content="Two.", weight=True)),
    ("weight", pair(messages=[ASK | {"weight": 0}])),
    ("weights-all-zero", said(content="Two.", weight=0)),
    ("prompt", {"completion": "Two."}),
    ("prompt", {"prompt": 7, "completion": "Two."}),
    ("completion", {"prompt": "How many?"}),
    ("completion", {"prompt": "How many?", "completion": None}),
    ("completion-empty", {"prompt": "How many?", "completion": ""}),
    ("dpo", pair([ANSWER, ANSWER], [ANSWER])),
    ("dpo", pair([ASK], [ANSWER])),
    ("dpo", pair(messages=[])),
    ("dpo", {"input": {"messages": [ASK]}, "preferred_output": [ANSWER]}),
    ("dpo-turn", pair(messages=[ASK, ANSWER])),
    ("dpo-same", pair([ANSWER], [ANSWER])),
]


def refused(row: Any) -> str | None:
    """The lab's reason for refusing a row; None when it takes it."""
    try:
        training_file.parse(json.dumps(row).encode())
    except training_file.RowError as error:
        return str(error)
    return None


def errors(row: Any) -> set[str]:
    """The codes of the errors that the doctor finds in a row."""
    codes = {code for code, _, _ in check_row(row)}
    return {code for code in codes if CODES[code].severity == "error"}


@pytest.mark.parametrize("row", GOOD, ids=json.dumps)
def test_both_take_a_good_row(row: Any) -> None:
    assert refused(row) is None
    assert not errors(row)


@pytest.mark.parametrize(("rule", "row"), BAD, ids=str)
def test_both_say_of_a_bad_row_what_the_table_says(rule: str, row: Any) -> None:
    assert (refused(row) is not None) == RULES[rule].refused
    assert RULES[rule].code in {code for code, _, _ in check_row(row)}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_tried(rule: str) -> None:
    assert any(name == rule for name, _ in BAD)


@pytest.mark.parametrize("rule", RULES)
def test_where_the_two_differ_the_table_says_why(rule: str) -> None:
    """Without a reason, what is an error to the doctor is refused by the lab, and nothing else."""
    entry = RULES[rule]
    differ = entry.refused != (CODES[entry.code].severity == "error")
    assert differ == bool(entry.apart)


def test_the_lab_names_the_first_thing_that_it_refuses() -> None:
    row = chat({"role": "user", "content": ""}, {"role": "robot", "content": "Two."})
    assert [violation.rule for violation in violations(row)] == ["blank", "role"]
    roles = "system, developer, user, assistant, tool, function"
    assert refused(row) == f"message 2: unknown role `robot`; allowed: {roles}"


def test_no_row_error_of_the_doctor_is_missing_from_the_table() -> None:
    """What only the doctor looks for stands there too, with its reason."""
    known = {rule.code for rule in RULES.values()}
    for _, row in BAD:
        assert errors(row) <= known
