"""The older completions: prompts go in as they were trained, with OpenAI's settings and shapes."""

import json

import pytest
from labserver import MODEL, Server, conform

PAIRS = [
    ("Rojo ->", " red"),
    ("Verde ->", " green"),
    ("Azul ->", " blue"),
    ("Negro ->", " black"),
    ("Blanco ->", " white"),
]


def write(lab: Server, prompt="The capital of France is", **more):
    body = {"model": MODEL, "prompt": prompt, "max_tokens": 6, "temperature": 0} | more
    status, answer = lab.call("POST", "/completions", body)  # also checks it against the spec
    assert status == 200, answer
    return answer


def test_a_model_tuned_on_pairs_is_asked_as_it_was_trained(lab: Server) -> None:
    lines = [json.dumps({"prompt": p, "completion": c}) for p, c in PAIRS * 2]
    job = lab.client().fine_tuning.jobs.create(
        model=MODEL,
        training_file=lab.upload("\n".join(lines)),
        hyperparameters={"n_epochs": 6, "batch_size": 2},
        seed=1,
    )
    model = lab.finished(job.id).fine_tuned_model
    answer = write(lab, [p for p, _ in PAIRS], model=model)
    assert [c["text"] for c in answer["choices"]] == [c for _, c in PAIRS]
    assert {c["finish_reason"] for c in answer["choices"]} == {"stop"}


def test_the_base_writes_on(lab: Server) -> None:
    answer = write(lab)
    assert answer["choices"][0]["text"].startswith(" Paris")
    usage = answer["usage"]
    assert usage["completion_tokens"] == 6 and usage["prompt_tokens"] == 5
    assert answer["choices"][0]["finish_reason"] == "length"
    assert lab.client().completions.create(model=MODEL, prompt="A").usage.completion_tokens <= 16


def test_prompts_answers_and_echo_stand_in_order(lab: Server) -> None:
    prompts = ["The capital of France is", "The capital of Spain is"]
    answer = write(lab, prompts, n=2, echo=True, seed=1, stop=[".", ","])
    assert [c["index"] for c in answer["choices"]] == [0, 1, 2, 3]
    for choice, prompt in zip(
        answer["choices"], [p for p in prompts for _ in range(2)], strict=True
    ):
        assert choice["text"].startswith(prompt) and "." not in choice["text"]
    assert answer["usage"]["prompt_tokens"] == 10  # each prompt once
    assert len(write(lab, ["A", "B"])["choices"]) == 2
    assert len(write(lab, [504, 216])["choices"]) == 1  # tokens of one prompt
    assert len(write(lab, [[504], [216, 504]])["choices"]) == 2
    assert len(write(lab, "")["choices"]) == 1


def test_logprobs_lie_parallel(lab: Server) -> None:
    named = write(lab, logprobs=2)["choices"][0]
    tokens = named["logprobs"]["tokens"]
    assert "".join(tokens) == named["text"] and len(tokens) == 6
    assert named["logprobs"]["text_offset"][:2] == [0, len(tokens[0])]
    for token, logprob, top in zip(
        tokens,
        named["logprobs"]["token_logprobs"],
        named["logprobs"]["top_logprobs"],
        strict=True,
    ):
        assert top[token] == logprob == max(top.values()) and len(top) == 2
    assert set(write(lab, logprobs=0)["choices"][0]["logprobs"]["top_logprobs"][0]) == {tokens[0]}


def test_a_stream_says_the_same(lab: Server) -> None:
    whole = write(lab, logprobs=1, echo=False, n=2, seed=1)
    chunks = list(
        lab.client().completions.create(
            model=MODEL,
            prompt="The capital of France is",
            max_tokens=6,
            temperature=0,
            logprobs=1,
            n=2,
            seed=1,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    for chunk in chunks:
        conform(chunk.to_dict(mode="json"), "CreateCompletionResponse")
    mine = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == 1]
    assert "".join(c.text for c in mine) == whole["choices"][1]["text"]
    named = [t for c in mine if c.logprobs for t in c.logprobs.tokens]
    offsets = [o for c in mine if c.logprobs for o in c.logprobs.text_offset]
    assert named == whole["choices"][1]["logprobs"]["tokens"]
    assert offsets == whole["choices"][1]["logprobs"]["text_offset"]
    assert mine[-1].finish_reason == "length" and chunks[-1].usage.completion_tokens == 12


def test_a_prompt_is_scored_without_a_word_written(lab: Server) -> None:
    prompt = "The capital of France is Paris"
    write(lab, prompt)  # a prompt that was read before is read again for its logprobs
    named = write(lab, prompt, echo=True, logprobs=0, max_tokens=0)
    [choice], usage = named["choices"], named["usage"]
    assert choice["text"] == prompt and usage["completion_tokens"] == 0
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == prompt
    assert logprobs["text_offset"][:3] == [0, 3, 11]
    assert logprobs["token_logprobs"][0] is None and logprobs["top_logprobs"][0] is None
    written = write(lab, prompt.removesuffix(" Paris"), max_tokens=1, logprobs=0)["choices"][0]
    assert written["text"] == " Paris"
    assert logprobs["token_logprobs"][-1] == pytest.approx(
        written["logprobs"]["token_logprobs"][0], abs=0.05
    )
    worse = write(lab, prompt.replace("Paris", "Rome"), echo=True, logprobs=0, max_tokens=0)
    assert worse["choices"][0]["logprobs"]["token_logprobs"][-1] < logprobs["token_logprobs"][-1]


def test_an_answer_follows_the_prompt_in_its_logprobs(lab: Server) -> None:
    choice = write(lab, echo=True, logprobs=2, n=2)["choices"][1]
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == choice["text"] and len(logprobs["tokens"]) == 5 + 6
    assert logprobs["text_offset"][-1] == len(choice["text"]) - len(logprobs["tokens"][-1])
    assert [t and len(t) >= 2 for t in logprobs["top_logprobs"]] == [None] + [True] * 10


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "gpt-9"}, (404, "model_not_found", "model")),
        ({"prompt": 4}, (400, "invalid_type", "prompt")),
        ({"prompt": []}, (400, "empty_array", "prompt")),
        ({"prompt": [10**9]}, (400, "invalid_value", "prompt")),
        ({"prompt": ["a"] * 65, "n": 2}, (400, "array_above_max_length", "prompt")),
        ({"prompt": "long " * 9000}, (400, "context_length_exceeded", "prompt")),
        ({"max_tokens": -1}, (400, "integer_below_min_value", "max_tokens")),
        ({"logprobs": 6}, (400, "integer_above_max_value", "logprobs")),
        ({"suffix": "x"}, (400, "unsupported_parameter", "suffix")),
        ({"best_of": 3}, (400, "unsupported_parameter", "best_of")),
        ({"echo": True, "logprobs": 1, "stream": True}, (400, "unsupported_parameter", "stream")),
        ({"messages": []}, (400, "unknown_parameter", "messages")),
    ],
)
def test_requests_that_are_refused(lab: Server, change: dict, expected: tuple) -> None:
    status, answer = lab.call("POST", "/completions", {"model": MODEL, "prompt": "x"} | change)
    assert (status, answer["error"]["code"], answer["error"]["param"]) == expected
