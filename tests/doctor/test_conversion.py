"""Examples go from one format into another and back; what would be lost is said or refused."""

import contextlib
import json
import random
from collections import Counter
from typing import Any

import pytest
from foreign_rows import FORMS, words
from training_rows import GOOD, call, chat, tool_row, with_message

from workbook import doctor
from workbook.doctor.losses import CALL_IDS


def test_chat_and_back():
    row = chat("How many?", "Seven.", "Count.")
    older = doctor.to_prompt_completion(row)
    assert older == {"prompt": "Count.\n\nHow many?", "completion": "Seven."}
    assert doctor.to_chat(older, system="Count.") == row
    plain = {"messages": row["messages"][1:]}
    assert doctor.to_chat(doctor.to_prompt_completion(plain)) == plain


@pytest.mark.parametrize("end", [" ->", "\n\n###\n\n", "\n", " =>", ""])
def test_seams_of_the_older_format_are_dropped(end):
    row = doctor.to_chat({"prompt": f"How many?{end}", "completion": " Seven.\n"})
    assert [message["content"] for message in row["messages"]] == ["How many?", "Seven."]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (GOOD[2], "who said what"),
        (tool_row(call()), "text in every message"),
        (chat(tools=[]), "Tools, weights and names"),
        (with_message(weight=1), "Tools, weights and names"),
        ({"prompt": "a"}, "text in every message"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "one question and one answer"),
    ],
)
def test_what_does_not_fit_the_older_format_is_refused(row, words):
    with pytest.raises(doctor.ConversionError, match=words):
        doctor.to_prompt_completion(row)


def test_half_an_example_is_no_chat():
    with pytest.raises(doctor.ConversionError, match="both text"):
        doctor.to_chat({"prompt": "a"})


TOOLS = {
    "messages": [
        {"role": "user", "content": "Add 1 and 2."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "add", "arguments": json.dumps({"a": 1, "b": 2})},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        {"role": "assistant", "content": "Three."},
    ],
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
}
PICTURE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {"role": "assistant", "content": "An otter."},
    ]
}


@pytest.mark.parametrize(
    "row",
    [
        chat(),
        chat(system=None),
        TOOLS,
        PICTURE,
        {"messages": [*chat()["messages"], *chat("And now?", "Still.", system=None)["messages"]]},
    ],
)
def test_chat_to_vertex_and_back(row: dict) -> None:
    lost: Counter[str] = Counter()
    there = doctor.convert(row, "vertex", lost)
    assert {content["role"] for content in there["contents"]} == {"user", "model"}
    assert doctor.convert(there, "chat") == row
    assert set(lost) <= {CALL_IDS}


def test_the_documented_form_of_vertex() -> None:
    assert doctor.convert(chat(), "vertex") == {
        "systemInstruction": {"role": "system", "parts": [{"text": "You know animals."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Where is it?"}]},
            {"role": "model", "parts": [{"text": "Over there."}]},
        ],
    }


def test_what_is_lost_is_said() -> None:
    lost: Counter[str] = Counter()
    row = chat()
    row["messages"][2] |= {"weight": 1}
    row["messages"][1] |= {"name": "ana"}
    doctor.convert(row, "vertex", lost)
    assert lost == {"`weight` of messages": 1, "`name` of messages": 1}
    remote = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            },
            {"role": "assistant", "content": "An otter."},
        ]
    }
    doctor.convert(remote, "vertex", lost)
    assert sum("web address" in what for what in lost) == 1


def test_preferences() -> None:
    trl = {"prompt": "How many?", "chosen": "Seven.", "rejected": "Who knows?"}
    row = doctor.convert(trl, "dpo")
    assert doctor.check([row]).codes == {"too-few": 1}
    assert doctor.convert(row, "dpo") == row
    lost: Counter[str] = Counter()
    assert doctor.convert(row, "chat", lost) == chat("How many?", "Seven.", system=None)
    assert lost == {"answers that were not preferred": 1}
    assert doctor.convert(row, "completion") == {"prompt": "How many?", "completion": "Seven."}
    with pytest.raises(doctor.ConversionError, match="two answers"):
        doctor.convert(chat(), "dpo")


@pytest.mark.parametrize(
    "row",
    [
        None,
        7,
        {},
        {"messages": None},
        {"messages": [7]},
        {"contents": 7},
        {"contents": [7]},
        {"prompt": 7, "completion": ""},
        {"input": {}, "preferred_output": 7},
        {"messages": []},
    ],
)
@pytest.mark.parametrize("to", doctor.FORMATS)
def test_what_is_no_example_is_refused_or_passed(row, to) -> None:
    with contextlib.suppress(doctor.ConversionError):
        assert isinstance(doctor.convert(row, to), dict)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "assistant", "tool_calls": [call() | {"function": 7}]}]},
        {"contents": [{"role": "model", "parts": [{"functionCall": 7}]}]},
        {"contents": [{"role": "user", "parts": [{"functionResponse": "2"}]}]},
    ],
)
def test_a_call_that_is_no_object_is_a_plain_sentence(row: dict) -> None:
    with pytest.raises(doctor.ConversionError, match="is no object"):
        doctor.convert(row, "vertex")


def test_what_is_no_list_of_tools_is_left_out() -> None:
    empty_turn = {"role": "assistant", "content": ""}
    row = {"messages": [empty_turn, {"role": "tool", "content": "2"}], "tools": True}
    with pytest.raises(doctor.ConversionError, match="nothing that Vertex could read"):
        doctor.convert(row, "vertex")
    assert "tools" not in doctor.convert(chat(tools=True, functions={"a": 1}), "vertex")


def spoilt(dice: random.Random, value: Any) -> Any:
    """The value with one place in it changed to something that does not belong there."""
    if dice.random() < 0.25 or not isinstance(value, (dict, list)) or not value:
        return dice.choice([None, 7, True, "", "text", [], {}, [7], [None], {"a": 1}, 1e400, ["x"]])
    if isinstance(value, list):
        place = dice.randrange(len(value))
        return [spoilt(dice, item) if n == place else item for n, item in enumerate(value)]
    key = dice.choice(list(value))
    if dice.random() < 0.2:
        return {name: item for name, item in value.items() if name != key}
    return {**value, key: spoilt(dice, value[key])}


@pytest.mark.filterwarnings("ignore::workbook.doctor.losses.DataLossWarning")
def test_a_spoilt_row_ends_in_a_row_or_in_a_sentence() -> None:
    dice = random.Random(5)
    for _ in range(60):
        for _, build in FORMS.values():
            row = build(words())
            for _ in range(dice.randint(1, 3)):
                row = spoilt(dice, row)
            for to in doctor.FORMATS:
                with contextlib.suppress(doctor.ConversionError):
                    assert isinstance(doctor.convert(row, to), dict)
