"""Chat completions from a real lab: answers, streams, structured output, tools, refusals."""

import json
import time

import jsonschema
import openai
import pytest
from labserver import ASK, MODEL, Server, conform

from workbook.lab.model import weights
from workbook.lab.model.tokenizer import Tokenizer

STARS = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["stars"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "rate", "parameters": STARS, "strict": True}},
    {
        "type": "function",
        "function": {
            "name": "skip",
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    },
]


@pytest.fixture(scope="module", autouse=True)
def ask_once(lab: Server) -> None:
    """From now on every answer to ASK reads the prompt from the cache: same rounding."""
    lab.chat()


def test_an_answer_and_its_tokens(lab: Server) -> None:
    _, answer = lab.call(
        "POST",
        "/chat/completions",
        {
            "model": MODEL,
            "messages": ASK,
            "max_completion_tokens": 5,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 2,
        },
    )
    choice, usage = answer["choices"][0], answer["usage"]
    prompt = Tokenizer(weights.ensure()).chat_prompt(ASK)
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (len(prompt), 5)
    assert usage["total_tokens"] == len(prompt) + 5 and choice["finish_reason"] == "length"
    tokens = choice["logprobs"]["content"]
    assert "".join(t["token"] for t in tokens) == choice["message"]["content"]
    assert all(t["top_logprobs"][0]["token"] == t["token"] for t in tokens)  # the likeliest, at 0


def test_seed_n_and_stop(lab: Server) -> None:
    whole = lab.chat().choices[0].message.content
    # 3.0 is the integer 3 in JSON. Other company in the batch may round differently, so n is 1.
    same = [lab.chat(temperature=1.5, seed=seed).choices[0].message.content for seed in (3, 3.0)]
    assert same[0] == same[1] != whole
    two = lab.chat(temperature=1.5, seed=3, n=2).choices
    assert [c.index for c in two] == [0, 1] and two[0].message.content != two[1].message.content
    cut = lab.chat(stop=[whole.split()[1]]).choices[0]
    assert cut.message.content == whole[: whole.index(whole.split()[1])]
    assert cut.finish_reason == "stop"
    four = lab.chat(stop=["\u2603", whole.split()[2], whole.split()[1], "\u2604"])
    assert four.choices[0].message.content == cut.message.content  # whichever comes first
    for name in ("max_tokens", "max_completion_tokens"):
        short = lab.chat(**{"max_tokens": None, name: 3})
        assert short.usage.completion_tokens == 3 and short.choices[0].finish_reason == "length"
    assert lab.chat(n=3, max_tokens=2).usage.completion_tokens == 6


def test_a_stream_says_the_same_as_an_answer(lab: Server) -> None:
    whole = lab.chat()
    chunks = list(lab.chat(stream=True, stream_options={"include_usage": True}))
    for chunk in chunks:
        conform(chunk.to_dict(mode="json"), "CreateChatCompletionStreamResponse")
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == whole.choices[0].message.content and len(pieces) > 3
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens and not chunks[-1].choices
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_stream_names_the_tokens_of_each_chunk(lab: Server) -> None:
    options = {"logprobs": True, "top_logprobs": 1}
    whole = lab.chat(**options).choices[0].logprobs.content
    chunks = [c.choices[0] for c in lab.chat(stream=True, **options)]
    for chunk in chunks:
        named = chunk.logprobs.content if chunk.logprobs else []
        assert "".join(token.token for token in named) == (chunk.delta.content or "")
    streamed = [t for chunk in chunks if chunk.logprobs for t in chunk.logprobs.content]
    assert [t.token for t in streamed] == [t.token for t in whole]
    assert sum(chunk.logprobs is not None for chunk in chunks) > 3


def test_structured_output_always_parses(lab: Server) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "stars", "schema": STARS, "strict": True},
    }
    answer = lab.chat(response_format=form, max_tokens=30, n=4, temperature=1.5, seed=1)
    for choice in answer.choices:
        jsonschema.validate(json.loads(choice.message.content), STARS)
        assert choice.finish_reason == "stop"


RATED = [  # a conversation after which even a small model calls the tool of its own accord
    {"role": "user", "content": "Review: Bad."},
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "1",
                "type": "function",
                "function": {"name": "rate", "arguments": '{"stars": 1}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "1", "content": "ok"},
] * 3 + [{"role": "user", "content": "Review: Superb!"}]


@pytest.mark.parametrize(
    "choice", ["auto", "required", {"type": "function", "function": {"name": "rate"}}]
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_call_parses(lab: Server, choice, stream: bool) -> None:
    more = {"messages": RATED} if choice == "auto" else {}
    answer = lab.chat(tools=TOOLS, tool_choice=choice, max_tokens=60, stream=stream, **more)
    if stream:
        chunks = [c.choices[0] for c in answer]
        assert not any(c.delta.content for c in chunks)
        assert (chunks[0].delta.role, chunks[0].delta.content) == ("assistant", None)
        pieces = [c.delta.tool_calls[0] for c in chunks if c.delta.tool_calls]
        assert [piece.id is None for piece in pieces] == [False] + [True] * (len(pieces) - 1)
        call, reason = pieces[0], chunks[-1].finish_reason
        assert call.function.arguments == "" and len(pieces) > (
            1 if choice == "required" else 3
        )  # piece by piece
        call.function.arguments = "".join(piece.function.arguments for piece in pieces)
    else:
        message, reason = answer.choices[0].message, answer.choices[0].finish_reason
        assert message.content is None
        call = message.tool_calls[0]
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
    jsonschema.validate(json.loads(call.function.arguments), schemas[call.function.name])
    assert call.id.startswith("call_") and reason == "tool_calls"
    if choice != "required":
        assert call.function.name == "rate"


def test_tools_leave_the_model_free_to_answer(lab: Server) -> None:
    answer = lab.chat(tools=TOOLS)
    assert answer.choices[0].message.content and not answer.choices[0].message.tool_calls
    after = [
        *ASK,
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "skip", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "done"},
    ]
    assert lab.chat(messages=after, tools=TOOLS, tool_choice="none").choices[0].message.content


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "gpt-9"}, (404, "model_not_found", "model")),
        ({"model": f"ft:{MODEL}:lab::gone1234"}, (404, "model_not_found", "model")),
        ({"temperature": 9}, (400, "decimal_above_max_value", "temperature")),
        ({"max_tokens": 0}, (400, "integer_below_min_value", "max_tokens")),
        (
            {"max_tokens": 1, "max_completion_tokens": 1},
            (400, "invalid_parameter_combination", "max_tokens"),
        ),
        ({"max_tokens": 9000}, (400, "context_length_exceeded", "messages")),
        (
            {"messages": [{"role": "user", "content": "long " * 9000}]},
            (400, "context_length_exceeded", "messages"),
        ),
        ({"top_logprobs": 2}, (400, None, "top_logprobs")),
        ({"stream_options": {"include_usage": True}}, (400, None, "stream_options")),
        ({"reasoning_effort": "low"}, (400, "unsupported_parameter", "reasoning_effort")),
        ({"presence_penalty": 3}, (400, "decimal_above_max_value", "presence_penalty")),
        ({"logit_bias": {"colour": 1}}, (400, "invalid_value", "logit_bias")),
        ({"logit_bias": {"1000000": 1}}, (400, "invalid_value", "logit_bias")),
        ({"logit_bias": {"9" * 5000: 1}}, (400, "invalid_value", "logit_bias")),
        ({"logit_bias": {"7": 101}}, (400, "invalid_value", "logit_bias")),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
                ]
            },
            (400, "unsupported_parameter", "messages[0].content[0]"),
        ),
        ({"tool_choice": "required"}, (400, None, "tool_choice")),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "no"}}},
            (400, "invalid_value", "tool_choice"),
        ),
        ({"response_format": {"type": "json_object"}}, (400, None, "messages")),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "x",
                        "schema": {"type": "object", "properties": {"a": {"type": "nothing"}}},
                    },
                }
            },
            (400, None, "response_format"),
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}},
                }
            },
            (400, None, "response_format"),
        ),
    ],
)
def test_chats_that_are_refused(lab: Server, change: dict, expected: tuple) -> None:
    body = {"model": MODEL, "messages": ASK} | change
    assert lab.refused("POST", "/chat/completions", body) == expected


def test_a_bias_forces_a_label(lab: Server) -> None:
    example = {"messages": [*ASK, {"role": "assistant", "content": "4"}]}
    tokens = lab.call("POST", "/lab/loss_mask", example)[1]["tokens"]
    [four] = [str(t["id"]) for t in tokens if t["trained"] and t["text"] == "4"]
    answer = lab.chat(logit_bias={four: 100}, max_tokens=1, frequency_penalty=0.5)
    assert answer.choices[0].message.content == "4"


def test_many_clients_are_answered_at_once(lab: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    client = lab.client()

    def ask(i: int) -> str:
        return (
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"Say {i}."}],
                max_tokens=4,
                temperature=0,
            )
            .choices[0]
            .message.content
        )

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(32)))


# Of the two tokens that end an answer: it is then as long as it may be.
ENDLESS = {"0": -100, "2": -100}


def test_an_interrupted_clients_work_is_dropped(lab: Server) -> None:
    with lab.client().chat.completions.create(
        model=MODEL, messages=ASK, max_tokens=4000, logit_bias=ENDLESS, stream=True
    ) as stream:
        next(iter(stream))
    began = time.monotonic()
    lab.chat(max_tokens=1)
    assert time.monotonic() - began < 20


def test_a_client_that_times_out_leaves_one_line_in_the_log(lab: Server) -> None:
    before = len(lab.log.read_text())
    with pytest.raises(openai.APITimeoutError):
        lab.client(timeout=0.3).chat.completions.create(
            model=MODEL, messages=ASK, max_tokens=4000, logit_bias=ENDLESS
        )
    lab.chat(max_tokens=1)
    lines = lab.log.read_text()[before:].splitlines()
    assert [line.split()[4] for line in lines] == ["499", "200"], lines


def test_who_answers_is_named_and_models_may_end_in_a_slash(lab: Server) -> None:
    answer, [*chunks] = lab.chat(max_tokens=2), lab.chat(max_tokens=2, stream=True)
    marks = {each.system_fingerprint for each in (answer, *chunks)}
    assert len(marks) == 1 and marks.pop().startswith("fp_")
    client = lab.client()
    assert client.get("/models/", cast_to=object) == client.get("/models", cast_to=object)
