"""What the checks of the set need to know of a row: fingerprints and short texts, never the row.

So a file of a million rows fits into memory, and what another process or machine has looked at can
be sent here. Knows the formats of rows; what may be wrong with a set stands in
`workbook.doctor.set_checks`.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from workbook.doctor import secret_keys, text_checks
from workbook.doctor.lines import Line
from workbook.doctor.row_parts import is_system, objects_in, texts_of
from workbook.quoting import as_json, excerpt
from workbook.rows.validator import format_of, reference_keys

HEAD, TAIL, LABEL = 60, 40, 200
"""Characters that are kept of a text's beginning and end, and of an answer that may be a label."""
_EXCERPT = 1_000  # characters that are searched for keys before the first 60 are shown
_WORD = re.compile(r"[^\W_]+")
_NO_ASCII = re.compile(r"[^\x00-\x7f]+")
_PLAIN = bytes(ord(chr(byte).lower()) if chr(byte).isalnum() else 32 for byte in range(128)) * 2
_NO_QUESTION = object()  # nor an answer
_MARK = re.compile(r"[.!?…:;)\]}\"'”’»*`]\s*$")  # what ends a sentence, or a quotation


@dataclass(frozen=True, slots=True)
class Example:
    """A row that is at least an object of a known format. Fingerprints have 64 bits."""

    line: int
    kind: str
    """Its format: "chat", "completion" or "preference"."""
    row: int
    """The fingerprint of all of it."""
    question: int | None
    """That of all that comes before the answer; None where there is no answer, 0 where nothing
    is asked."""
    answer: int
    label: str
    """The answer, or its beginning."""
    gist: str
    """What a reader would know the row by: the last thing that was asked, cut, without keys."""
    system: int | None
    """The fingerprint of the system messages, 0 where there are none, None in formats without."""
    user: int
    """The fingerprint of what the user says, in plain letters; 0 for nothing."""
    edges: tuple[str, str, str, str]
    """Head and tail of the question, head and tail of the answer."""
    asks_nothing: bool
    """Whether nothing is asked."""
    has_ending: bool
    """Whether the answer ends with a mark."""
    refuses: bool
    language: str | None = None
    """Of the answer; only where `texts` are."""
    texts: tuple[str, str] | None = None
    """What the user says and the answer, in plain letters: for rows among which near duplicates
    are looked for."""


def example_of(line: Line, with_texts: bool = True) -> Example | None:
    """What there is to know of a row; None where its format is not known.

    with_texts: whether it gets those among which near duplicates are looked for.
    """
    row = line.value
    kind = format_of(row)
    if kind is None:
        return None
    question, answer = _parts(row, kind)
    if not isinstance(answer, str):
        answer = _said(answer) or as_json(answer)
    gist: Any = row if question is _NO_QUESTION else question
    if isinstance(question, list) and question and isinstance(question[-1], Mapping):
        gist = question[-1].get("content")
    last = " ".join(texts_of(gist))
    user = plain(_user_text(row, kind, question))
    return Example(
        line=line.number,
        kind=kind,
        row=_of_value(row),
        question=_of_question(question),
        answer=fingerprint(answer),
        label=answer[:LABEL],
        gist=_excerpt(gist),
        system=_system(row, kind),
        user=fingerprint(user) if user else 0,
        edges=(last[:HEAD], last[-TAIL:], answer[:HEAD], answer[-TAIL:]),
        asks_nothing=not last.strip(),
        has_ending=bool(_MARK.search(answer[-20:])),
        refuses=text_checks.refuses(answer),
        language=text_checks.language(answer) if with_texts else None,
        texts=(user, plain(answer)) if with_texts else None,
    )


def _parts(row: Mapping, kind: str) -> tuple[Any, Any]:
    """(all that comes before the answer, the answer); `_NO_QUESTION` and "" where there is none."""
    if kind == "completion":
        if row.get("completion") is None:
            return _NO_QUESTION, ""
        return row.get("prompt"), row["completion"]
    if kind == "preference":
        prompt, answer = row.get("input"), row.get("preferred_output")
        last = answer[-1] if isinstance(answer, list) and answer else None
        return (
            prompt.get("messages") if isinstance(prompt, Mapping) else prompt,
            last.get("content") if isinstance(last, Mapping) else answer,
        )
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return _NO_QUESTION, ""
    if kind == "reinforcement":
        references = [row[key] for key in reference_keys(row)]
        return messages, references[0] if len(references) == 1 else references
    last = messages[-1]
    if not isinstance(last, Mapping) or last.get("role") != "assistant":
        return _NO_QUESTION, ""
    keys = ("content", "tool_calls", "refusal", "function_call")
    return messages[:-1], next((last[key] for key in keys if last.get(key)), None)


def _of_question(question: Any) -> int | None:
    if question is _NO_QUESTION:
        return None
    if question in ("", []):
        return 0
    return fingerprint(question) if isinstance(question, str) else _of_value(question)


def _said(answer: Any) -> str:
    """The words of an answer in parts; "" for one of another kind."""
    return " ".join(texts_of(answer))


def _messages(row: Mapping, kind: str) -> list[Mapping] | None:
    """The messages before the outputs; None where there is no list of them."""
    if kind == "preference" and isinstance(row.get("input"), Mapping):
        row = row["input"]
    messages = row.get("messages")
    return objects_in(messages) if isinstance(messages, list) and messages else None


def _user_text(row: Mapping, kind: str, question: Any) -> str:
    """What the users of an example say; the prompt."""
    messages = _messages(row, kind)
    if messages is None:
        if question is _NO_QUESTION:
            return ""
        return question if isinstance(question, str) else as_json(question)
    return "\n".join(
        text
        for message in messages
        if message.get("role") == "user"
        for text in _shown(message.get("content"))
    )


def _shown(content: Any) -> Iterator[str]:
    """The texts of a message, and a number for each image or sound: another one, another text."""
    yield from texts_of(content)
    for part in objects_in(content):
        if part.get("type") not in ("text", "refusal"):
            yield f"part {fingerprint(as_json(part))}"


def _system(row: Mapping, kind: str) -> int | None:
    messages = _messages(row, kind)
    if messages is None:
        return None
    systems = [message.get("content") for message in messages if is_system(message)]
    return _of_value(systems) if systems else 0


def _excerpt(value: Any) -> str:
    text = value if isinstance(value, str) else as_json(value, in_order=False)
    return excerpt(secret_keys.hide(text[:_EXCERPT]))


def fingerprint(text: str) -> int:
    """64 bits of a text, the same in every process."""
    return _of_bytes(text.encode("utf-8", "surrogatepass"))


def _of_value(value: Any) -> int:
    """The same of any value, whatever the order of its keys."""
    try:
        return _of_bytes(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except TypeError:  # what orjson can't write: half a character, a huge number, very deep
        return fingerprint(as_json(value))


def _of_bytes(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


def plain(text: str) -> str:
    """Letters and digits in lower case, without accents, one space between words."""
    if text.isascii():
        return b" ".join(text.encode().translate(_PLAIN).split()).decode()
    return " ".join(_WORD.findall(_NO_ASCII.sub(_without_accents, text.lower())))


def _without_accents(match: re.Match[str]) -> str:
    signs = unicodedata.normalize("NFKD", match.group())
    return "".join(sign for sign in signs if not unicodedata.combining(sign))
