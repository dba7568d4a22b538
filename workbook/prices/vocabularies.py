"""Vocabularies: from a text to the numbers of its tokens and back, and counting by the million.

Works without a network: OpenAI's vocabularies lie in `data/tiktoken`, the lab's in its cache. Knows
no models: what the vocabulary of a model is, `registry.encoding_for` says.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbook import paths
from workbook.errors import WorkbookError

if TYPE_CHECKING:
    import tiktoken

_FOLDER = paths.data("tiktoken")
# A student's own use of tiktoken then works offline, too; who has a folder already keeps it.
os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(_FOLDER))
_loading = threading.Lock()  # the environment is the whole process's

# File name (as TIKTOKEN_CACHE_DIR wants it) and sha256 (from tiktoken's own source).
_FILES = {
    "r50k_base": (
        "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4",
        "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    ),
    "p50k_base": (
        "ec7223a39ce59f226a68acc30dc1af2788490e15",
        "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
    ),
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}

# What gigatoken calls the rules by which each encoding cuts a text into words.
_RULES = {"r50k_base": "gpt2", "cl100k_base": "gpt4", "o200k_base": "o200k"}
# All but the common alphabets, signs and emoji: the libraries follow different editions of Unicode,
# and what is a letter in one (say U+088F, of 2025) is none in the other.
_RARE = re.compile(
    "[^\\x80-\u07ff\u0900-\u0bff\u0e00-\u0e7f\u2000-\u20bf\u2100-\u2bff"
    "\u3000-\u9fff\uac00-\ud7a3\uff00-\uffef\U0001f000-\U0001faff]"
)
_ASCII = bytes(range(128))


class Vocabulary(Protocol):
    """What every encoding here can do."""

    name: str

    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...


class _OpenAI:
    """A tiktoken encoding that takes `<|endoftext|>` in a text for ordinary characters."""

    def __init__(self, encoding: "tiktoken.Encoding") -> None:
        self.name = encoding.name
        self._encoding = encoding

    def encode(self, text: str) -> list[int]:
        # disallowed_special=(): a review that quotes a special token must not raise.
        return self._encoding.encode(text, disallowed_special=())

    def decode(self, tokens: Sequence[int]) -> str:
        return self._encoding.decode(list(tokens))


class _SmolLM2:
    """The lab model's vocabulary, from the tokenizer.json beside its weights."""

    name = "smollm2"

    def __init__(self) -> None:
        path = paths.cache() / "smollm2-135m-instruct" / "tokenizer.json"
        if not path.exists():
            raise WorkbookError(
                "The lab's vocabulary is not on this machine yet. Start the lab once: run the "
                "set-up cell of any notebook, or `workbook lab serve`."
            )
        from tokenizers import Tokenizer  # here: its import is not free, and few need it

        self._tokenizer = Tokenizer.from_file(str(path))

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: Sequence[int]) -> str:
        return self._tokenizer.decode(list(tokens), skip_special_tokens=False)


@cache
def vocabulary(encoding: str) -> Vocabulary:
    """The encoding of that name, read from `data/tiktoken` (or from the lab's cache).

    Raises WorkbookError when there is none, or when its file was changed.
    """
    if encoding == "smollm2":
        return _SmolLM2()
    _file(encoding)  # checked first: tiktoken would delete a damaged one and turn to the network
    import tiktoken  # here: its import is not free

    with _loading, _cache_folder(_FOLDER):
        return _OpenAI(tiktoken.get_encoding(encoding))


@contextlib.contextmanager
def _cache_folder(folder: Path) -> Iterator[None]:
    """tiktoken reads from this folder within the block, and afterwards from where it did before."""
    before = os.environ["TIKTOKEN_CACHE_DIR"]
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        yield
    finally:
        os.environ["TIKTOKEN_CACHE_DIR"] = before


def _file(encoding: str) -> Path:
    if encoding not in _FILES:
        raise WorkbookError(f"No encoding {encoding!r}. There are: {', '.join(names())}.")
    name, sha256 = _FILES[encoding]
    file = _FOLDER / name
    if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
        raise WorkbookError(
            f"The vocabulary data/tiktoken/{name} ({encoding}) is missing or was changed. "
            "Fetch the course's files again."
        )
    return file


def names() -> list[str]:
    """The encodings there are: four of OpenAI's and the lab's."""
    return [*_FILES, "smollm2"]


def counter(encoding: str) -> Callable[[str], int]:
    """A function that counts the tokens of a text, for texts by the million.

    Counts what `vocabulary(encoding).encode` does; several times as fast where gigatoken is
    installed and knows the encoding. gigatoken keeps every new word it meets, up to 8 bytes a
    letter, as long as the function lives. Raises WorkbookError as `vocabulary` does.
    """
    rules = _RULES.get(encoding)
    try:
        from gigatoken import Tokenizer  # here: Colab lacks it, and tiktoken counts the same
    except ModuleNotFoundError:
        rules = None
    if rules is None:
        encode = vocabulary(encoding).encode
        return lambda text: len(encode(text))
    # No special tokens: what looks like one in a text is ordinary characters.
    quick = Tokenizer.from_tiktoken(_file(encoding), rules, {}).backend.encode

    def count(text: str) -> int:
        if text.isascii():
            return len(quick(text))
        try:
            signs = text.encode()
        except UnicodeEncodeError:  # half a character
            return len(vocabulary(encoding).encode(text))
        if _RARE.search(signs.translate(None, _ASCII).decode()):
            return len(vocabulary(encoding).encode(text))
        return len(quick(signs))

    return count
