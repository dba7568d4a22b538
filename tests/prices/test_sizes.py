"""Rows and requests are counted in one way: functions, calls, schemas, images, preferences."""

import base64
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook import paths
from workbook.prices import registry, sizes, tokens, vocabularies
from workbook.prices.size import Size

MODEL = "gpt-4o-mini"
WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {
                "type": "string",
                "description": "The city and state, e.g. San Francisco, CA",
            },
            "unit": {
                "type": "string",
                "description": "The unit of temperature to return",
                "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}
TOOLS = [{"type": "function", "function": WEATHER}]
QUESTION = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]
CALL = {
    "role": "assistant",
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "get_current_weather", "arguments": '{"location": "Lima"}'},
        }
    ],
}


def of_row(row: dict, model: str = MODEL) -> Size:
    return sizes.for_model(model).row(row)


def of_request(body: dict, model: str = MODEL) -> Size:
    return sizes.for_model(model).request(body)


@pytest.mark.parametrize(
    ("model", "by_the_api"), [("gpt-3.5-turbo", 105), ("gpt-4o", 101), ("gpt-4o-mini", 101)]
)
def test_functions_count_as_openais_own_service_counted_them(model, by_the_api):
    """The example of OpenAI's cookbook, with the numbers that its API answered."""
    size = of_request({"messages": QUESTION, "tools": TOOLS}, model)
    assert size.expected == by_the_api
    assert size.at_least < by_the_api < size.at_most


def test_a_row_costs_its_functions_and_calls_in_every_form():
    bare = of_row({"messages": QUESTION})
    new = of_row({"messages": [*QUESTION, CALL], "tools": TOOLS})
    old_call = {"role": "assistant", "function_call": CALL["tool_calls"][0]["function"]}
    old = of_row({"messages": [*QUESTION, old_call], "functions": [WEATHER]})
    assert old.expected == new.expected > bare.expected + 60
    assert bare.at_most == bare.expected  # a plain chat is counted to the token
    called = json.dumps(WEATHER)
    assert new.at_most > tokens.count(called, MODEL)


def test_every_function_of_a_row_counts():
    rows = [{"messages": QUESTION, "tools": TOOLS * number} for number in (0, 1, 2, 8)]
    zero, one, two, eight = (of_row(row) for row in rows)
    each = two.expected - one.expected
    assert eight.expected - two.expected == 6 * each
    text = tokens.count(json.dumps(WEATHER), MODEL)
    assert eight.at_most - zero.at_most >= 8 * text


def test_nested_parameters_count():
    def with_items(items: dict) -> Size:
        parameters = {"type": "object", "properties": {"list": {"type": "array", "items": items}}}
        function = {"name": "f", "parameters": parameters}
        return of_row({"messages": QUESTION, "tools": [{"type": "function", "function": function}]})

    inner = {"type": "object", "properties": {"a": {"type": "string", "description": "A long one"}}}
    assert with_items(inner).expected > with_items({}).expected + 4
    assert with_items({"enum": ["one", "two"]}).expected > with_items({}).expected + 2


def test_an_answer_that_is_a_call_has_tokens():
    count = sizes.for_model(MODEL)
    arguments = CALL["tool_calls"][0]["function"]["arguments"]
    expected = tokens.count("get_current_weather", MODEL) + tokens.count(arguments, MODEL)
    assert count.answers({"messages": [*QUESTION, CALL], "tools": TOOLS}) == expected
    assert count.answers({"messages": [*QUESTION, CALL | {"weight": 0}]}) == 0


def test_a_schema_counts_in_chat_and_in_responses():
    schema = WEATHER["parameters"]
    shape = {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}}
    flat = {"type": "json_schema", "name": "weather", "schema": schema}
    chat = of_request({"messages": QUESTION, "response_format": shape})
    answer = of_request({"input": QUESTION, "text": {"format": flat}})
    assert chat.expected == answer.expected
    assert chat.expected > of_request({"messages": QUESTION}).expected + 50
    assert of_request({"messages": QUESTION, "response_format": {"type": "json_object"}}) == (
        of_request({"messages": QUESTION})
    )


def test_the_same_request_counts_the_same_in_each_api():
    chat = of_request({"messages": QUESTION, "tools": TOOLS})
    body = {
        "instructions": QUESTION[0]["content"],
        "input": QUESTION[1]["content"],
        "tools": [{"type": "function", **WEATHER}],
    }
    assert of_request(body).expected == chat.expected
    assert of_request({"prompt": ["one", "two words"]}, "davinci-002").expected == 3
    assert of_request({"prompt": [[1, 2, 3], [4]]}, "davinci-002").expected == 4


@pytest.mark.parametrize(
    "part",
    [
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]},
        {"input": "hi", "tools": [{"type": "web_search"}]},
        {"input": "hi", "previous_response_id": "resp_1"},
    ],
)
def test_what_no_rule_counts_is_a_gap_with_a_name(part):
    assert of_request(part).gaps
    assert not of_request({"input": "hi"}).gaps


def test_a_preference_counts_its_prompt_and_both_answers():
    good, bad = ({"role": "assistant", "content": text} for text in ("Sunny, of course.", "Rain"))
    row = {
        "input": {"messages": QUESTION},
        "preferred_output": [good],
        "non_preferred_output": [bad],
    }
    together = of_row({"messages": [*QUESTION, good, bad]})
    assert of_row(row).expected == together.expected
    # Whether the prompt is billed with each answer is not published; the lab does so.
    assert of_row(row).at_most == together.expected + of_row({"messages": QUESTION}).expected
    earlier = {"role": "assistant", "content": "Where are you?"}  # read, not learned
    row["input"] = {"messages": [earlier, *QUESTION]}
    assert sizes.for_model(MODEL).answers(row) == sum(
        tokens.count(answer["content"], MODEL) for answer in (good, bad)
    )


# Images


def picture(width: int, height: int, kind: str = "PNG") -> str:
    image = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image.new("RGB", (width, height)).save(buffer, kind)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{data}"


def message(url: str, **detail: str) -> dict:
    part = {"type": "image_url", "image_url": {"url": url, **detail}}
    return {"messages": [{"role": "user", "content": [part]}]}


def image_tokens(url: str, model: str, **detail: str) -> tuple[int, int, int]:
    empty = of_row({"messages": [{"role": "user", "content": []}]}, model)
    size = of_row(message(url, **detail), model)
    return (
        size.at_least - empty.at_least,
        size.expected - empty.expected,
        size.at_most - empty.at_most,
    )


@pytest.mark.parametrize(
    ("model", "width", "height", "expected"),
    [  # the examples of OpenAI's guide, and the calculators that follow it
        ("gpt-4o", 1024, 1024, 765),
        ("gpt-4o", 2048, 4096, 1105),
        ("gpt-4o", 128, 64, 255),
        ("gpt-4o", 512, 513, 425),
        ("gpt-4o-mini", 128, 64, 8500),
        ("gpt-4.1-mini", 128, 64, 13),
        ("gpt-4.1-mini", 1800, 2400, 2353),
    ],
)
def test_an_image_costs_by_its_size(model, width, height, expected):
    found = image_tokens(picture(width, height), model)
    assert found[0] == found[1] == expected
    assert found[2] == (2489 if width == 1800 else expected)


def test_the_bounds_of_a_shrunk_image_hold_what_a_user_was_billed():
    """2,488 tokens for 4,000 × 1,474 pixels; OpenAI's own formula and calculator say 2,348."""
    assert image_tokens(picture(4000, 1474), "gpt-4.1-mini") == (2348, 2348, 2489)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_an_image_of_any_usual_kind_is_measured(kind):
    assert image_tokens(picture(700, 300, kind), "gpt-4o") == (425, 425, 425)


def test_a_picture_of_60_kb_is_no_text():
    url = "data:image/png;base64," + "A" * 60_000
    at_least, expected, at_most = image_tokens(url, "gpt-4o")
    assert 85 < at_least < expected < at_most < 1500  # unreadable: its size has bounds
    assert image_tokens(url, "gpt-4o", detail="low") == (85, 85, 85)
    assert image_tokens("https://example.org/cat.png", "gpt-4o") == (255, 765, 1445)


def test_an_image_without_a_rule_is_a_gap():
    assert of_row(message("https://example.org/cat.png"), "gemini-3.5-flash").gaps == {"an image"}


def test_a_text_part_costs_what_the_same_string_costs():
    part = [{"type": "text", "text": "one two three"}]
    rows = [{"messages": [{"role": "user", "content": c}]} for c in (part, "one two three")]
    assert of_row(rows[0]) == of_row(rows[1])


def test_without_a_vocabulary_another_stands_in_with_bounds():
    row = {"messages": QUESTION}
    known, about = of_row(row, "gpt-4o"), of_row(row, "gemini-3.5-flash")
    assert about.expected == known.expected
    assert about.at_least < known.at_least and about.at_most > 1.4 * known.at_most


KEYS = [
    "messages",
    "role",
    "content",
    "name",
    "tool_calls",
    "function_call",
    "function",
    "arguments",
    "tools",
    "type",
    "parameters",
    "properties",
    "items",
    "enum",
    "image_url",
    "url",
    "text",
    "input",
    "preferred_output",
    "prompt",
    "completion",
    "functions",
    "weight",
    "refusal",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_row_is_counted_with_bounds_that_hold(value):
    row = value if isinstance(value, dict) else {"messages": value}
    sizer = sizes.for_model(MODEL)
    for size in (sizer.row(row), sizer.request(row)):
        assert 0 <= size.at_least <= size.expected <= size.at_most
    assert sizer.answers(row) >= 0


def test_the_bounds_of_a_stand_in_hold_for_other_vocabularies_in_latin_letters():
    """Of three vocabularies that are not o200k_base, on the course's own text in each language."""
    rules = registry.token_rules("gemini-3.5-flash")
    assert (rules.encoding, rules.is_approximate) == ("o200k_base", True)
    texts = json.loads(paths.data("parallel_texts.json").read_text(encoding="utf-8"))["texts"]
    for text in ("".join(str(each)).replace("·", "") for each in texts.values()):
        own = len(vocabularies.vocabulary("o200k_base").encode(text))
        for name in ("cl100k_base", "p50k_base", "r50k_base"):
            other = len(vocabularies.vocabulary(name).encode(text))
            assert rules.low * own <= other <= rules.high * own, name


@pytest.mark.parametrize("depth", [50, 400, 950, 100_000])
def test_what_is_nested_too_deep_is_a_gap_and_no_crash(depth):
    inner: dict = {"type": "object"}
    for _ in range(depth):
        inner = {"type": "object", "properties": {"a": inner}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": inner}}]
    for size in (of_row({"messages": QUESTION, "tools": tools}), of_request({"input": [inner]})):
        assert size.gaps or size.expected > 0
    assert sizes.for_model(MODEL).answers({"messages": [{**CALL, "content": inner}]}) > 0
    listed: list = []
    for _ in range(depth):
        listed = [listed]
    assert of_request({"prompt": listed}).expected == 0
