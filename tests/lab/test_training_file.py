"""Training files: what is accepted, what is refused with which words, and no crash on anything."""

import functools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook.lab.model import weights
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.training import training_file
from workbook.rows import rules
from workbook.rows.validator import format_of

ASK, ANSWER = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def line(*messages, **more) -> bytes:
    return json.dumps({"messages": messages, **more}).encode()


def choice(*messages, better=(ANSWER,), worse=({"role": "assistant", "content": "B"},)) -> bytes:
    """A preference example."""
    row = {"input": {"messages": messages}, "preferred_output": better}
    return json.dumps(row | {"non_preferred_output": worse}).encode()


@pytest.mark.parametrize(
    "good",
    [
        line(ASK, ANSWER),
        line(
            {"role": "system", "content": "S"},
            ASK,
            ANSWER | {"weight": 0},
            ASK,
            ANSWER | {"weight": 1},
        ),
        line(
            ASK, CALL, {"role": "tool", "tool_call_id": "1", "content": "4"}, ANSWER, tools=[TOOL]
        ),
        line({"role": "user", "content": [{"type": "text", "text": "Q"}], "name": "Ana"}, ANSWER),
        b'{"prompt": "", "completion": " yes"}',
        choice(ASK),
        choice(ASK, ANSWER, ASK, worse=[CALL]),
    ],
)
def test_examples_that_can_be_trained_on(good: bytes) -> None:
    assert training_file.parse(good) == json.loads(good)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"messages": [}', "not valid JSON (Expecting value at character 15)"),
        (b'{"messages": NaN}', "NaN is not a JSON number"),
        (b"\xff\xfe", "not UTF-8 (byte 1"),
        (b"[1]", "this line is a list, not an object"),
        (b"{}", "neither `messages` nor `prompt` and `completion`"),
        (b'{"prompt": "x"}', "`completion` is missing"),
        (b'{"prompt": "x", "completion": ""}', "nothing to learn"),
        (b'{"prompt": "x", "completion": 3}', "`completion` is a number, not text"),
        (b'{"prompt": "x", "completion": "y", "id": 1}', "key `id` is not one of"),
        (b'{"messages": "hi"}', "`messages` is missing, empty, or no list"),
        (line(), "`messages` is missing, empty, or no list"),
        (line(ASK), "no message is the assistant's"),
        (line(ASK, ANSWER, ASK), "the last message is the user's, not the assistant's"),
        (line(ASK, {"role": "robot", "content": "A"}), "message 2: unknown role `robot`"),
        (line({"content": "Q"}, ANSWER), "message 1: has no `role`"),
        (line({"role": "user"}, ANSWER), "message 1: has no `content`"),
        (line({"role": "user", "content": 7}, ANSWER), "message 1: content is a number, not text"),
        (line({"role": ["user"], "content": "Q"}, ANSWER), 'message 1: unknown role `["user"]`'),
        (line({"role": "user", "content": [{"type": "image_url"}]}, ANSWER), "needs `image_url`"),
        (
            line(ASK | {"weight": 1}, ANSWER),
            "message 1: a weight on a message that is not the assistant's",
        ),
        (line(ASK, ANSWER | {"weight": 0.5}), "message 2: weight is `0.5`, not 0 or 1"),
        (line(ASK, ANSWER | {"weight": 0}), "nothing is learned"),
        (
            line(ASK | {"contnet": "x"}, ANSWER),
            "did you mean `content`?",
        ),
        (line(ASK, {"role": "tool", "content": "4"}, ANSWER), "a tool's answer to no earlier call"),
        (line(ASK, CALL | {"tool_calls": []}), "`tool_calls` is empty or no list"),
        (
            line(ASK, CALL | {"tool_calls": [{"function": {"name": "f"}}]}),
            "message 2: a call is incomplete",
        ),
        (line(ASK, ANSWER, tools=[{}]), "holds something that is no function with a name"),
        (choice(), "`input` is no object with a list of `messages`"),
        (choice(ASK, ANSWER), "the last message of the input is the assistant's"),
        (choice(ASK, better=[]), "`preferred_output` is no list of one assistant's message"),
        (
            choice(ASK, better=[ANSWER, ANSWER]),
            "`preferred_output` is no list of one assistant's message",
        ),
        (
            choice(ASK, worse=[ASK]),
            "`non_preferred_output` is no list of one assistant's message",
        ),
        (choice(ASK, worse=[{"role": "assistant"}]), "`non_preferred_output`: has no `content`"),
        (choice(ASK, worse=[ANSWER]), "both outputs are the same"),
        (b'{"input": {"messages": []}}', "`input` is no object with a list of `messages`"),
        (b'{"input": "Q"}', "neither `messages` nor `prompt` and `completion`"),
        (
            b'{"input": 1, "preferred_output": 1, "non_preferred_output": 1}',
            "`input` is no object",
        ),
        (b'{"prompt": "\\ud800", "completion": "y"}', "lone surrogate"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"prompt": "x", "completion": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_a_refusal_says_what_is_wrong(bad: bytes, reason: str) -> None:
    with pytest.raises(training_file.RowError) as caught:
        training_file.parse(bad)
    assert reason in str(caught.value)


def test_the_report_names_lines_and_counts_the_rest(tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    good, bad = line(ASK, ANSWER), b"{"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join([good, b"", bad, good, *[bad] * 7]) + b"\r\n\r\n")
    report = training_file.check(path, count=lambda row: 7, limit=7)
    assert (report.examples, report.bad_lines, report.tokens) == (2, 8, 14)
    text = report.describe("mine.jsonl")
    assert text.startswith("mine.jsonl, line 3: not valid JSON")
    assert "line 7" in text and "line 8" in text and "line 9" not in text
    assert text.endswith("and 3 more lines with errors.")


def test_over_long_examples_and_mixed_formats_are_findings(tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(line(ASK, ANSWER) + b'\n{"prompt": "x", "completion": "y"}\n')
    report = training_file.check(path, count=lambda row: 9000, limit=8192)
    assert report.findings[0].reason == "the example has 9,000 tokens, more than the 8,192 allowed"
    assert "in a file of chat examples" in report.findings[1].reason


def test_a_huge_line_is_refused_without_being_read_into_memory(tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    with open(path, "wb") as file:
        file.truncate(3 * rules.MAX_LINE)
        file.seek(0, 2)
        file.write(b"\n" + line(ASK, ANSWER))
    assert [(n, len(text)) for n, text in training_file.lines(path)] == [
        (1, rules.MAX_LINE + 1),
        (2, len(line(ASK, ANSWER))),
    ]
    assert training_file.check(path).findings == [
        training_file.Finding(1, "the line is longer than 4 MiB")
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted(rules.MESSAGE_KEYS)) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
near_messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(rules.ROLES) | json_values,
        "content": st.text(max_size=5) | json_values,
        "weight": st.sampled_from([0, 1, True, 2]) | json_values,
        "tool_calls": json_values,
        "function_call": json_values,
        "tool_call_id": json_values,
    },
)
near_lists = st.lists(near_messages | json_values, max_size=3) | json_values
near_rows = st.fixed_dictionaries(
    {},
    optional={
        "messages": near_lists,
        "tools": json_values,
        "functions": json_values,
        "prompt": json_values,
        "completion": json_values,
    },
) | st.fixed_dictionaries(
    {"preferred_output": near_lists, "non_preferred_output": near_lists},
    optional={"input": st.fixed_dictionaries({"messages": near_lists}) | json_values},
)


@settings(max_examples=200)
@given(
    st.binary(max_size=80)
    | json_values.map(lambda v: json.dumps(v).encode())
    | near_rows.map(lambda v: json.dumps(v).encode())
)
def test_parse_never_fails_in_another_way(data: bytes) -> None:
    try:
        row = training_file.parse(data)
    except training_file.RowError as error:
        assert error.args[0]  # noqa: PT017 - whether it is raised depends on the input
    else:
        kind = format_of(row)
        assert len(training_file.conversations(row)) == (2 if kind == "preference" else 1)
        assert any(kind in formats for formats in training_file.FORMATS.values())


contents = st.text(max_size=5) | st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=3)}), max_size=2
)
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant"]), "content": contents}
)
calls = st.fixed_dictionaries({"name": st.text(max_size=3), "arguments": st.text(max_size=3)})
ends = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "content": contents,
        "weight": st.sampled_from([None, 1]),
        "function_call": calls,
        "tool_calls": st.lists(st.fixed_dictionaries({"function": calls}), min_size=1, max_size=2),
    },
)
chats = st.builds(lambda start, end: {"messages": [*start, end]}, st.lists(turns, max_size=3), ends)
choices = st.builds(
    lambda asked, *answers: {
        "input": {"messages": [*asked, ASK]},
        "preferred_output": answers[:1],
        "non_preferred_output": answers[1:],
    },
    st.lists(turns, max_size=3),
    ends,
    ends,
)
pairs = st.fixed_dictionaries({"prompt": st.text(max_size=5), "completion": st.text(max_size=5)})


@settings(max_examples=200)
@given(chats | pairs | choices | near_rows)
def test_what_is_accepted_can_be_trained_on(row) -> None:
    try:
        example = training_file.parse(json.dumps(row).encode())
    except training_file.RowError:
        return
    for conversation in training_file.conversations(example):
        ids, trained = tokenizer().row_example(conversation)
        assert len(ids) == len(trained) and any(trained)


def test_of_a_preference_only_the_outputs_are_learned() -> None:
    row = training_file.parse(
        choice(ASK, ANSWER, ASK, better=[{"role": "assistant", "content": "yes"}])
    )
    for conversation, answer in zip(training_file.conversations(row), ("yes", "B"), strict=True):
        ids, trained = tokenizer().row_example(conversation)
        learned = [id for id, learn in zip(ids, trained, strict=True) if learn]
        assert tokenizer().decode(learned) == answer


@functools.cache
def tokenizer() -> Tokenizer:
    return Tokenizer(weights.ensure())


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=30) | st.just(line(ASK, ANSWER)), max_size=6))
def test_every_line_that_is_not_blank_is_counted_once(tmp_path_factory, parts) -> None:
    path = tmp_path_factory.mktemp("rows") / "file.jsonl"
    path.write_bytes(b"\n".join(parts))
    report = training_file.check(path)
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    filled = [part for part in content.split(b"\n") if part.strip()]
    assert report.examples + report.bad_lines == len(filled)
    assert report.examples >= parts.count(line(ASK, ANSWER))
