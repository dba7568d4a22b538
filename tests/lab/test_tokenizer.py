"""The course's own tokenizer and template: what becomes which token, and which are trained."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.lab.model import weights
from workbook.lab.model.chatml import DEFAULT_SYSTEM
from workbook.lab.model.tokenizer import Tokenizer

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


def prompt(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.chat_prompt([{"role": "user", "content": text}])


def test_loss_is_on_the_assistants_words_and_the_end_of_its_turn_alone(tokenizer):
    ids, trained = tokenizer.chat_example(ROW["messages"])
    learned = [tokenizer.piece(i) for i, learn in zip(ids, trained, strict=True) if learn]
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


@pytest.mark.full
@pytest.mark.parametrize("text", ["123 4,567!  two", "it's I'LL\r\n\n x", "São 日本 🎉 naïve —"])
def test_tokenizer_agrees_with_transformers(tokenizer, text, tmp_path, package):
    gguf = weights.fetch_gguf(tmp_path / "model.gguf")
    theirs = package("transformers").AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    assert tokenizer.encode(text) == theirs.encode(text)
    messages = [{"role": "user", "content": text}]
    assert prompt(tokenizer, text) == theirs.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )
