"""Counting tokens: offline, with the right vocabulary, and for any text."""

import os
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook import paths
from workbook.errors import WorkbookError
from workbook.prices import registry, tokens, vocabularies

TEXT = "Reseña: ¡Qué libro tan bueno! It's “great”. 10/10 — não é?"
MARV = [
    {"role": "system", "content": "Marv is a factual chatbot that is also sarcastic."},
    {"role": "user", "content": "What's the capital of France?"},
    {"role": "assistant", "content": "Paris, as if everyone doesn't know that already."},
]
HOSTED = ["davinci", "text-davinci-003", "gpt-3.5-turbo", "gpt-4o"]


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("davinci", "r50k_base"),
        ("davinci:ft-school-2023-01-01", "r50k_base"),
        ("text-davinci-003", "p50k_base"),
        ("gpt-3.5-turbo-0613", "cl100k_base"),
        ("ft:babbage-002:a::b", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:a::b", "o200k_base"),
        ("gpt-6-luna", "o200k_base"),
        ("azure/gpt-4.1", "o200k_base"),
        ("smollm2-135m-instruct", "smollm2"),
    ],
)
def test_each_model_has_its_encoding(model, encoding):
    assert tokens.encoding_for(model) == encoding


def test_where_our_table_is_right_and_tiktokens_is_not():
    import tiktoken

    assert tiktoken.encoding_name_for_model("ft:gpt-4.1-2025-04-14:a::b") == "cl100k_base"
    assert tokens.encoding_for("ft:gpt-4.1-2025-04-14:a::b") == "o200k_base"


def test_every_model_is_counted_with_its_vocabulary_or_with_one_that_stands_in():
    for name in registry.names():
        encoding = registry.get(name).encoding
        assert tokens.encoding_for(name) == (encoding or "o200k_base")
        assert tokens.encoding_for(name) in vocabularies.names()
        assert tokens.is_approximate(name) == (encoding is None), name


def test_an_unknown_model_is_refused():
    with pytest.raises(registry.UnknownModelError):
        tokens.count("hello", "no-such-model")


@pytest.mark.parametrize("model", HOSTED)
def test_counts_without_any_network(model, monkeypatch):
    def refuse(*_):
        raise AssertionError("went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    vocabularies.vocabulary.cache_clear()
    assert tokens.count(TEXT, model) > 10
    assert "".join(tokens.pieces("plain words", model)) == "plain words"


def test_a_damaged_vocabulary_is_reported_and_left_alone(tmp_path, monkeypatch):
    for name, _ in vocabularies._FILES.values():
        (tmp_path / name).write_bytes(b"damaged")
    monkeypatch.setattr(vocabularies, "_FOLDER", tmp_path)
    vocabularies.vocabulary.cache_clear()
    with pytest.raises(WorkbookError, match="missing or was changed"):
        tokens.count("hello", "gpt-4o")
    assert all(file.read_bytes() == b"damaged" for file in tmp_path.iterdir())


@pytest.mark.parametrize("model", HOSTED)
def test_special_tokens_in_a_text_are_ordinary_characters(model):
    assert tokens.count("<|endoftext|>", model) > 1
    chat = [{"role": "user", "content": "<|im_start|> <|endofprompt|>"}]
    assert tokens.count_chat(chat, model) > 7


@given(st.text(max_size=60))
def test_any_text_survives_the_round_trip(text):
    words = vocabularies.vocabulary("o200k_base")
    assert words.decode(words.encode(text)) == text


def test_a_chat_counts_its_messages_names_and_the_conversation():
    values = sum(tokens.count(text, "gpt-4o") for message in MARV for text in message.values())
    assert tokens.count_chat(MARV, "gpt-4o") == values + 3 * 3 + 3
    named = [{**MARV[0], "name": "Marv"}, *MARV[1:]]
    extra = tokens.count("Marv", "gpt-4o") + 1
    assert tokens.count_chat(named, "gpt-4o") == tokens.count_chat(MARV, "gpt-4o") + extra
    assert tokens.count_chat([], "gpt-4o") == 3


# The six messages on which OpenAI's cookbook (MIT) shows what its API counted:
# https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
MEASURED = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates "
        "corporate jargon into plain English.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "New synergies will help drive top-line growth.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more "
        "bandwidth to touch base on opportunities for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for "
        "the client deliverable.",
    },
]


@pytest.mark.parametrize(
    ("model", "by_the_api"), [("gpt-3.5-turbo", 129), ("gpt-4o", 124), ("gpt-4o-mini", 124)]
)
def test_a_chat_counts_as_openais_own_service_counted_it(model, by_the_api):
    assert tokens.count_chat(MEASURED, model) == by_the_api


def test_values_that_are_no_text_do_not_crash():
    odd = [
        {"role": "assistant", "content": None, "weight": 0},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    assert tokens.count_chat(odd, "gpt-4o") > 6


def test_both_file_formats():
    assert tokens.count_example({"messages": MARV}, "gpt-4o") == tokens.count_chat(MARV, "gpt-4o")
    pair = {"prompt": "Reseña: buena ->", "completion": " 5 estrellas"}
    whole = "Reseña: buena -> 5 estrellas"
    assert tokens.count_example(pair, "davinci") == tokens.count(whole, "davinci")


def test_the_lab_without_its_vocabulary_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_HOME", str(tmp_path))
    vocabularies.vocabulary.cache_clear()
    with pytest.raises(WorkbookError, match="Start the lab once"):
        tokens.count("hello", registry.lab().id)


def test_the_labs_vocabulary_is_read_from_its_cache(tmp_path, monkeypatch):
    tokenizers = pytest.importorskip("tokenizers")
    monkeypatch.setenv("WORKBOOK_HOME", str(tmp_path))
    folder = paths.cache() / "smollm2-135m-instruct"
    folder.mkdir()
    model = tokenizers.models.WordLevel({"good": 0, "book": 1, "?": 2}, unk_token="?")
    small = tokenizers.Tokenizer(model)
    small.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    small.save(str(folder / "tokenizer.json"))
    vocabularies.vocabulary.cache_clear()
    assert tokens.encode("good book", registry.lab().id) == [0, 1]
    vocabularies.vocabulary.cache_clear()


# Pieces at which tokenizers have been known to differ: contractions, cases, spaces, breaks, digits,
# marks, joiners, emoji, special tokens, letters that one edition of Unicode has and another lacks.
PIECES = st.sampled_from(
    [
        "'s",
        "'LL",
        "’re",
        "'\u017f",
        " ",
        "   ",
        "\n",
        "\r\n\n",
        "\t",
        "\u00a0",
        "\u3000",
        "\x85",
        "\u2028",
        "1234567",
        "٣",
        "½",
        "Hello",
        " world",
        "camelCase",
        "HTTPServer",
        "ção",
        "e\u0301",
        "ß",
        "ǅ",
        "İ",
        "中文",
        "日本語",
        "한국어",
        "العربية",
        "हिन्दी",
        "ไทย",
        "😀",
        "👩‍👩‍👧",
        "🏳️‍🌈",
        "<|endoftext|>",
        "<|im_start|>",
        "...",
        "//",
        "\x00",
        "\u088f",
        "\ua7d2",
        "\U00010944",
        "\U000323c0",
        "\ud83d",
    ]
)


@pytest.mark.parametrize("encoding", ["r50k_base", "p50k_base", "cl100k_base", "o200k_base"])
def test_texts_by_the_million_are_counted_exactly(encoding):
    count, words = vocabularies.counter(encoding), vocabularies.vocabulary(encoding)

    @given(st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join))
    def same(text):
        assert count(text) == len(words.encode(text))

    same()
    # Every letter and sign, where a word begins, ends, and before what only follows a letter.
    for first in range(0, 0x110000, 8):
        if first >= 0x30000 and first % 1024 and not 0xE0000 <= first < 0xE0200:
            continue  # private, or not assigned at all
        text = "".join(
            f"{sign}'s 1{sign}the{sign}{sign}'LL {sign}\n"
            for sign in map(chr, range(first, first + 8))
        )
        assert count(text) == len(words.encode(text)), hex(first)


def test_counting_by_the_million_needs_gigatoken_for_its_speed_only(monkeypatch):
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    assert vocabularies.counter("o200k_base")(TEXT) == tokens.count(TEXT, "gpt-4o")
    with pytest.raises(WorkbookError, match="No encoding"):
        vocabularies.counter("none")


@pytest.mark.parametrize("own", [None, "elsewhere"])
def test_importing_is_fast_and_leaves_a_users_own_folder_of_vocabularies(own):
    """Without one, tiktoken is pointed to the course's, so that it works offline."""
    code = (
        "import sys, os\nfrom workbook.prices import tokens\n"
        "assert 'tiktoken' not in sys.modules and 'tokenizers' not in sys.modules\n"
        "tokens.count('one', 'gpt-4o'); print(os.environ['TIKTOKEN_CACHE_DIR'])"
    )
    environment = {name: value for name, value in os.environ.items() if "TIKTOKEN" not in name}
    environment |= {"TIKTOKEN_CACHE_DIR": own} if own else {}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=paths.ROOT, text=True, capture_output=True, env=environment)
    assert done.stdout.strip() == (own or str(paths.data("tiktoken"))), done.stderr
