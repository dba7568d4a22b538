"""Rows in other tools' forms: read as what they are, named where they can't be read, and nothing of
them lost in silence."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from training_rows import jsonl, put

from workbook import cli, doctor, paths
from workbook.doctor.conversion import FORMATS
from workbook.doctor.errors import ConversionError

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def user(content: Any) -> dict:
    return {"role": "user", "content": content}


def answer(content: Any) -> dict:
    return {"role": "assistant", "content": content}


def vertex(*parts: dict, **more: Any) -> dict:
    contents = [{"role": "user", "parts": list(parts)}, {"role": "model", "parts": [{"text": "a"}]}]
    return {"contents": contents, **more}


def bedrock(*blocks: dict) -> dict:
    messages = [user(list(blocks)), answer([{"text": "a"}])]
    return {"schemaVersion": "bedrock-conversation-2024", "messages": messages}


GS = vertex({"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://b/p.jpg"}}, {"text": "q"})
S3 = bedrock(
    {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/p.png"}}}}, {"text": "q"}
)


def dpo(question: list[dict], better: str = "good", worse: str = "bad") -> dict:
    return {
        "input": {"messages": question},
        "preferred_output": [answer(better)],
        "non_preferred_output": [answer(worse)],
    }


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # UltraFeedback, binarised: the better conversation stands in it twice
        ({"prompt": "q", "chosen": [user("q"), answer("good")],
          "rejected": [user("q"), answer("bad")], "messages": [user("q"), answer("good")]},
         dpo([user("q")])),
        # ms-swift, its two newer forms
        ({"messages": [user("q"), answer("good")], "rejected_messages": [user("q"), answer("bad")]},
         dpo([user("q")])),
        ({"query": "q", "response": "good", "rejected_response": "bad", "history": [["h", "g"]]},
         dpo([user("h"), answer("g"), user("q")])),
        # TRL, without a question
        ({"chosen": "The sky is blue.", "rejected": "The sky is green."},
         dpo([user("The sky is")], "blue.", "green.")),
        # Hermes, calls and answers of tools between tags
        ({"conversations": [
            {"from": "human", "value": "q"},
            {"from": "gpt", "value": 'Wait.\n<tool_call>\n{"name": "f", "arguments": {"b": 1}}\n'
                                     '</tool_call>\n<tool_call>{"name": "g", "arguments": {}}'
                                     "</tool_call>"},
            {"from": "tool", "value": "<tool_response>\n7\n</tool_response>\n"
                                      "<tool_response>8</tool_response>"},
            {"from": "gpt", "value": "a"}]},
         {"messages": [
             user("q"),
             {**answer("Wait."), "tool_calls": [
                 {"id": "call_1", "type": "function",
                  "function": {"name": "f", "arguments": '{"b": 1}'}},
                 {"id": "call_2", "type": "function",
                  "function": {"name": "g", "arguments": "{}"}}]},
             {"role": "tool", "tool_call_id": "call_1", "content": "7"},
             {"role": "tool", "tool_call_id": "call_2", "content": "8"},
             answer("a")]}),
        # HH-RLHF, stripped
        ({"chosen": "Human: q\n\nAssistant: good", "rejected": "Human: q\n\nAssistant: bad"},
         dpo([user("q")])),
        # keys as people write headings
        ({"User Message": "q", "Assistant Response": "a"}, {"messages": [user("q"), answer("a")]}),
        ({"Instruction": "q", "Input": "i", "Output": "a"},
         {"messages": [user("q\n\ni"), answer("a")]}),
        # functions without their wrapper
        ({"messages": [user("q"), answer("a")],
          "tools": [{"name": "f", "parameters": {"type": "object"}}]},
         {"messages": [user("q"), answer("a")],
          "tools": [{"type": "function",
                     "function": {"name": "f", "parameters": {"type": "object"}}}]}),
        # TRL, an answer that is no list
        ({"prompt": [user("q")], "completion": "a"}, {"messages": [user("q"), answer("a")]}),
        # OpenAI's evals, a question that is no list
        ({"input": "q", "ideal": "a"}, {"messages": [user("q"), answer("a")]}),
        # Anthropic, instructions that are kept in its cache
        ({"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
          "messages": [user("q"), answer("a")]},
         {"messages": [{"role": "system", "content": [{"type": "text", "text": "s"}]},
                       user("q"), answer("a")]}),
    ],
)  # fmt: skip
def test_a_row_of_another_tool_is_read_as_what_it_means(row: dict, expected: dict) -> None:
    to = "dpo" if "input" in expected else "chat"
    assert doctor.convert(row, to, doctor.Losses()) == expected
    assert doctor.check([expected] * 10).codes.keys() <= {"duplicate", "few", "same-answer"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "q", "chosen": "good", "rejected": ""}, "answers is empty"),
        ({"prompt": "q", "chosen": "good"}, "answers is empty"),
        ({"post": "q", "chosen": "I do", "rejected": "I do not"}, "no question before"),
        ({"chosen": "yes", "rejected": "no"}, "no question before"),
        ({"instruction": "q", "output": ["a", "b", "c"]}, "several answers to one question"),
        ({"instruction": "q", "input": "", "output": 7}, "`output`, is a number"),
        ({"question": "q", "answer": True}, "`answer`, is true or false"),
        ({"prompt": "q", "winner": "a", "loser": "b"}, "which of `winner`, `loser` is the answer"),
        ({"prompt": [user("q")], "answer": "a"}, "call it `messages`"),
        ({"prompt": "q", "chosen": "a", "rejected": ["b", "c"]}, "write one answer under each"),
        ({"source": "q", "target": "a"}, "--columns prompt=source,completion=target"),
        ({"dialog": ["q", "a"]}, "who says which"),
        ({"custom_id": "1", "response": {"body": {"choices": []}}}, "answers of an interface"),
        ({"input_ids": [1, 2], "labels": [1, 2]}, "token ids"),
    ],
)
def test_a_row_that_cannot_be_learned_from_is_named_once(row: dict, words: str) -> None:
    report = doctor.check([row] * 12)
    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert [f.message for f in errors if f.code == "unknown-form" and words in f.message]
    assert {finding.code for finding in errors} <= {"unknown-form", "empty-file"}
    assert "same-answer" not in report.codes
    with pytest.raises(ConversionError):
        doctor.convert(row, "chat", doctor.Losses())


@pytest.mark.parametrize("indent", [None, 1])
def test_lists_of_messages_are_conversations(tmp_path: Path, indent: int | None) -> None:
    rows = [[user(f"q{n}"), answer(f"a{n}")] for n in range(12)]
    lists = put(tmp_path, json.dumps(rows, indent=indent), "lists.json")
    one = put(tmp_path, json.dumps({"conversations": rows}, indent=indent), "one.json")
    lines = put(tmp_path, jsonl(rows), "lines.jsonl")
    for path in (lists, one, lines):
        assert doctor.read(path) == [{"messages": row} for row in rows]


@pytest.mark.parametrize(("row", "to", "host"), [(GS, "vertex", "vertex"), (S3, "bedrock", None)])
def test_an_image_in_a_bucket_is_for_the_host_of_that_cloud_alone(
    tmp_path: Path, row: dict, to: str, host: str | None, capsys: pytest.CaptureFixture
) -> None:
    path = put(tmp_path, [row] * 12, "buckets.jsonl")
    assert cli.main(["convert", str(path), "--to", to]) == 0
    written = paths.work() / f"buckets_{to}.jsonl"
    assert doctor.check(written, host=host).ok
    assert cli.main(["convert", str(path), "--to", "chat"]) == 1
    assert "cloud's bucket, which OpenAI can't open" in capsys.readouterr().out


ROWS = [
    {"messages": [
        user([{"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                           "data": PNG}}, {"type": "text", "text": "q"}]),
        answer([{"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}]),
        user([{"type": "tool_result", "tool_use_id": "c", "content": "r"}]),
        answer("a")]},
    bedrock({"image": {"format": "png", "source": {"bytes": PNG}}}, {"text": "q"}),
    S3,
    GS,
    vertex({"text": "q"}, systemInstruction={"role": "system", "parts": [{"text": "s"}]}),
    {"contents": [
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"b": 2}}}]},
        {"role": "model", "parts": [{"text": "a"}]}],
     "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]},
    {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    {"prompt": "q", "chosen": [user("q"), answer("good")], "rejected": [user("q"), answer("bad")],
     "messages": [user("q"), answer("good")]},
]  # fmt: skip
"""Rows into which a key that nobody knows is put."""


def objects(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of each object in a row."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from objects(item, (*path, place))


@pytest.mark.parametrize("row", ROWS)
def test_no_key_anywhere_in_a_row_is_lost_in_silence(row: dict) -> None:
    for path in objects(row):
        other = copy.deepcopy(row)
        place = other
        for key in path:
            place = place[key]
        place["riddle"] = "something"
        for to in FORMATS:
            losses, usual = doctor.Losses(), doctor.Losses()
            try:
                result = doctor.convert(other, to, losses)
                doctor.convert(row, to, usual)
            except ConversionError:
                continue
            # What lies in an answer or a picture that goes as a whole goes with it.
            whole = any(what.startswith(("answers that", "parts that")) for what in usual)
            assert "something" in json.dumps(result) or losses != usual or whole, (path, to)
