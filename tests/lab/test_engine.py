"""The engine on the real weights: many answers at once, each as if it were alone."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import llguidance
import pytest
import torch
from logits import logits

from workbook.lab.model import checkpoint, lora, weights
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.serving.batch import CHUNK
from workbook.lab.serving.engine import MODELS, Engine
from workbook.lab.serving.types import Request


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    # float32: then a batch and a single request differ by rounding that never decides a token here
    engine = Engine(weights.ensure(), dtype=torch.float32)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def tokenizer(engine: Engine) -> Tokenizer:
    return engine.tokenizer


def prompt(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.chat_prompt([{"role": "user", "content": text}])


def test_penalties_do_not_count_the_prompt_and_leave_logprobs_alone(engine, tokenizer):
    text = tokenizer.encode(" the cat sat." * 3 + " the cat")
    plain, penalised = (
        engine.submit(Request(text, 24, temperature=0, top_logprobs=0, frequency_penalty=p))
        for p in (0, 2)
    )
    plain, penalised = plain.result(60), penalised.result(60)
    assert plain.tokens[0] == penalised.tokens[0] and text.count(plain.tokens[0]) == 3
    assert plain.logprobs[0].logprob == pytest.approx(penalised.logprobs[0].logprob, abs=1e-3)

    def most(tokens: list[int]) -> int:
        return max(map(tokens.count, tokens))

    assert most(penalised.tokens) < most(plain.tokens)


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


def test_a_prompts_logprobs_are_the_models_own(engine, tokenizer):
    """In a prompt that is read in several steps, beside other answers, and was read before."""
    text = tokenizer.encode("One day the sea was calm, and the king asked his fool to sing. " * 90)
    assert len(text) > CHUNK
    expected = logits(checkpoint.load(engine.folder, torch.float32), text).log_softmax(-1)
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
    pieces: list[tuple[str, list]] = []
    request = Request(
        prompt(tokenizer, "Count from 1 to 9."),
        40,
        temperature=0,
        top_logprobs=0,
        stop=("5",),
        on_text=lambda *piece: pieces.append(piece),
    )
    completion = engine.submit(request).result(60)
    assert "".join(entry.text for entry in completion.logprobs) == completion.text
    assert [entry for _, logprobs in pieces for entry in logprobs] == completion.logprobs
    so_far = names = ""
    for text, logprobs in pieces:  # the tokens named never run ahead of the text sent
        so_far, names = so_far + text, names + "".join(entry.text for entry in logprobs)
        assert so_far.startswith(names)


def test_models_that_were_asked_long_ago_make_room_and_come_back(engine, tokenizer, tmp_path):
    base = checkpoint.load(engine.folder, torch.float32)
    question = prompt(tokenizer, "Name a colour.")
    expected = engine.submit(Request(question, 4, temperature=0)).result(60).text
    folders = [tmp_path / str(number) for number in range(MODELS + 1)]
    for folder in folders:
        folder.mkdir()  # a new adapter changes nothing: its B is zero
        lora.save(folder, lora.create(base, range(29, 30), torch.Generator()), {})
    for folder in [*folders, folders[0]]:
        request = Request(question, 4, temperature=0, adapter=folder)
        assert engine.submit(request).result(60).text == expected
    engine.submit(Request(question, 1)).result(60)  # by now what is idle has been looked at
    assert len([key for key in engine._batches if key is not None]) <= MODELS


def test_a_caller_that_fails_takes_nobody_elses_answer_along(engine, tokenizer):
    """One whose on_text raises, in the very step in which a neighbour's answer is done."""
    together, question = threading.Event(), prompt(tokenizer, "x")

    def fail(text: str, logprobs: list) -> None:
        raise OSError("the caller has gone")

    def hold(text: str, logprobs: list) -> None:
        together.wait(60)

    first = engine.submit(Request(question, 2, temperature=0, on_text=hold))
    done = engine.submit(Request(prompt(tokenizer, "y"), 1, temperature=0))
    failing = engine.submit(Request(prompt(tokenizer, "z"), 9, temperature=0, on_text=fail))
    together.set()
    with pytest.raises(OSError, match="the caller has gone"):
        failing.result(60)
    assert len(first.result(60).tokens) == 2 and len(done.result(60).tokens) == 1
    assert engine.submit(Request(question, 2)).result(60).tokens


def test_one_bad_request_leaves_the_engine_alive(engine, tokenizer):
    bad = Request(prompt(tokenizer, "x"), 4, adapter=Path("no such adapter"))
    with pytest.raises(FileNotFoundError):
        engine.submit(bad).result(60)
    assert engine.submit(Request(prompt(tokenizer, "x"), 2)).result(60).tokens


def test_memory_is_given_back_where_all_that_is_left_still_waits(engine, tokenizer):
    engine.submit(Request(prompt(tokenizer, "x"), 1)).result(60)
    batch = engine._new_batch(next(iter(engine._batches.values())).model)
    batch._cache.reserve(8, CHUNK, [])  # of long answers that have ended
    batch._make_room()
    assert batch._cache.positions == 0
