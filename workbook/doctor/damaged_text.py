"""Damaged texts: read in a wrong encoding, escaped too often, with signs that nobody sees.

Finds it, and mends what can be mended without guessing.

Letters that were read in a wrong encoding are found and read again by `ftfy`, which knows most of
the ways in which that happens and leaves alone what makes sense as it is. Knows texts only.
"""

import re
from collections.abc import Iterator
from html import unescape

from ftfy import fix_encoding
from ftfy.badness import BADNESS_RE

# Signs between 0x80 and 0x9f are halves of letters where others of Latin-1 stand beside them.
_ALONE = r"(?<![^\x00-\x7f])[\x80-\x9f](?![^\x00-\x7f])"
CONTROL = re.compile(
    rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]|{_ALONE}"
)
"""Signs that nobody sees and that mean nothing to a model."""
ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}[0-9]{0,2}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
"""What looks like an entity of HTML."""
# What parts lines or words, and what Windows writes where others have no letter.
_INSTEAD = {
    **{chr(byte): bytes([byte]).decode("cp1252", "ignore") for byte in range(0x80, 0xA0)},
    **dict.fromkeys("\x0b\x0c\x85\u2028\u2029", "\n"),
    **dict.fromkeys("\x1c\x1d\x1e\x1f", " "),
}
# A first look: no letter is wrong without one of these.
_SUSPICIOUS = re.compile("[\x80-\x9fÀ-ïðñøùâãРСВГЃѓЂЎўОΞΟطظ縺繧锛銆鐨\ufffd]")
_READ_AGAIN = 10_000  # characters among which there must be some that are no ASCII
_LOST = "\ufffd"
# “gate.\nThank you”, “yes\n\n- no”: not docs\notes.
_ESCAPE = re.compile(
    r"(?<=\\n)(?:\\r)?\\n|(?:(?<=[.!?:;,)\]\"'»”…])|"
    r"(?<=[^\W\d_])(?=(?:\\r)?\\n(?:\\n|\\r|[A-ZÀ-ÖØ-Þ0-9\s*•#-]|$)))"
    r"(?:\\r)?\\n(?![a-z](?:\W|$))"
)
_CODE = re.compile(
    r"[`\n]|[A-Za-z]:\\|\\(?:[a-mo-qsu-z{(\[]|n(?:u|eq|abla|ew|ot|i|exists|leq|geq|mid)\b)|\\n['\"]"
)

Span = tuple[int, int]


def may_be_damaged(text: str) -> bool:
    """A first look, which most texts end with."""
    return (
        (not text.isascii() and bool(_SUSPICIOUS.search(text)))
        or "\\n" in text
        or _holds_control(text)
    )


def _holds_control(text: str) -> bool:
    """Whether a sign that nobody sees is in it; lines and tabs are usual."""
    if text.isprintable() or text.replace("\n", " ").replace("\t", " ").isprintable():
        return False
    return bool(CONTROL.search(text))


def check(text: str) -> Iterator[tuple[str, str, Span]]:
    """(code, message, where) of what is damaged."""
    if _holds_control(text) and (match := CONTROL.search(text)):
        yield "control-character", "an invisible control character", match.span()
    if not text.isascii() and (span := _wrong_letters(text)):
        yield "wrong-characters", "letters that were read in the wrong encoding", span
    if "\\n" in text and not _CODE.search(text) and (match := _ESCAPE.search(text)):
        yield "escaped-lines", "\\n is written out instead of a new line", match.span()


def _wrong_letters(text: str) -> Span | None:
    if not (match := _SUSPICIOUS.search(text)):
        return None
    if (place := text.find(_LOST)) >= 0:
        return place, place + 1
    if bad := BADNESS_RE.search(text, max(0, match.start() - 1)):
        return bad.span()
    return (match.start(), match.end() + 1) if _as_utf8(text) else None


def _as_utf8(text: str) -> str | None:
    """The text read again, where all of it was UTF-8 and was taken for Cyrillic, Polish, Greek,
    Arabic, Japanese or Chinese."""
    if len(re.sub(r"[\x00-\x7f]+", "", text[:_READ_AGAIN])) < 4:  # too little to tell by
        return None
    for encoding in ("cp1251", "cp1250", "cp1253", "cp1256", "cp932", "gbk"):
        try:
            return text.encode(encoding).decode()
        except ValueError:
            continue
    return None


def without_controls(text: str) -> str:
    """The text without signs that nobody sees; what parts words or lines becomes a blank or a line.

    Halves of letters that were read in a wrong encoding stay: with them, they can be read again.
    """
    return CONTROL.sub(lambda match: _INSTEAD.get(match.group(), ""), text)


def read_again(text: str) -> str:
    """The text with letters read in the encoding in which they were written, where that is sure."""
    if text.isascii() or not _wrong_letters(text):
        return text
    again = fix_encoding(text)
    return (_as_utf8(text) or text) if again == text else again


def without_entities(text: str) -> str:
    """The text with letters in the place of HTML's entities."""
    return ENTITY.sub(lambda match: unescape(match.group()).replace("\xa0", " "), text)


def with_lines(text: str) -> str:
    """The text with new lines in the place of those that are written out."""
    if _CODE.search(text):
        return text
    return _ESCAPE.sub("\n", text)
