"""JSONL: one JSON value a line, also where a careless program has written it.

Knows what is nearly JSON and loses nothing when it is read: a comma at the end, Python's quotes, a
byte order mark. What the values must be is not known here.
"""

import codecs
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import orjson

from workbook import strict_json
from workbook.doctor.forms import python_literals, recognition
from workbook.doctor.limits import LONGEST_LINE
from workbook.doctor.lines import Line, Problem
from workbook.doctor.readers.bounded_lines import bounded_lines, too_long
from workbook.doctor.readers.data_file import DataFile
from workbook.rows.validator import is_plain

BOM = codecs.BOM_UTF8
_AROUND = " \t\r\n\x00\x1c\x1d\x1e\x1f\x85\xa0\u200b\u2028\u2029\ufeff"
"""Blanks, and signs that some programs put around each object."""
_CURLY = re.compile(r"\s*\[?\s*\{\s*([“”„‟«»‘’])")
PYTHON = ("python", "written by Python, not as JSON: single quotes, None, True", "")
"""What is to be said of a value in Python's spelling."""
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|(\\(?:u[0-9a-fA-F]{0,3}|.))')
"""An escape; in its group, where JSON has none like it."""
CONTROL = ("json-escape", "a tab, a line break or the like stands in a text as it is", "")
_MESSAGES = {
    "Unterminated string starting at": "the text that begins at character {} has no end on this "
    "line (in JSON a line break inside a text is written \\n)",
    "Invalid control character at": "an invisible sign stands at character {}",
    "Extra data": "something follows the object, at character {}",
}
"""What the standard library's decoder finds, in other words."""
_COMMA = re.compile(r",(\s*[}\]])")


def raw_lines(file: DataFile) -> Iterator[bytes]:
    """The lines as they stand there, in UTF-8."""
    if file.encoding == "utf-8" and file.line_end == "\n":
        with file.open_bytes() as stream:
            yield from bounded_lines(stream)
        return
    with file.open_text() as stream:
        for text in bounded_lines(stream):
            yield text.encode("utf-8", "surrogatepass")


def line_of(number: int, raw: bytes) -> Line:
    """One line of JSONL, its row in a format that is trained on where its form is known; nothing in
    it can raise an error."""
    return recognition.line(value_of(number, raw))


def value_of(number: int, raw: bytes) -> Line:
    """One line of JSONL, its value as it stands there."""
    if len(raw) > LONGEST_LINE:
        return too_long(number, raw[:60].decode("utf-8", "replace"))
    if (chat := _chat(raw)) is not None:
        return Line(number, chat, size=len(raw))
    problems: list[Problem] = []
    if raw.startswith(BOM):
        raw = raw[len(BOM) :]
        if number == 1:
            problems.append(("bom", "the file starts with a byte order mark", ""))
        else:
            problems.append(("bom-inside", "the line starts with a byte order mark", ""))
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        excerpt = raw[:60].decode("utf-8", "backslashreplace").rstrip("\r\n")
        problems.append(("not-utf8", f"byte {error.start + 1} is not UTF-8", excerpt))
        return Line.unreadable(number, *problems)
    if not text.strip():
        if raw:
            problems.append(("blank-line", "the line is empty", ""))
        return Line.unreadable(number, *problems)
    repeated: list[str] = []
    try:
        value = strict_json.decoder(repeated).decode(text)
    except RecursionError:
        problems.append(("not-json", "nested too deeply to be read", text))
    except ValueError as error:
        nearly, problem = _nearly(text)
        if problem is None:
            problem = _not_json(text, error)
        problems.append(problem)
        if nearly is not None:
            return Line(number, nearly, tuple(problems), size=len(raw))
    else:
        problems += [repeated_key(key, text) for key in repeated]
        return Line(number, value, tuple(problems), size=len(raw))
    return Line.unreadable(number, *problems)


def _chat(raw: bytes) -> Any:
    """The value of a line that is a chat of texts without a key that stands twice, at a quick look;
    None for any other line."""
    try:
        row = orjson.loads(raw)
    except ValueError:
        return None
    if not is_plain(row):
        return None
    # Behind each key stand a quote and a colon: one more may be that of a key that stands twice.
    # With a blank between the two they would not be counted.
    n_keys = 1 + 2 * len(row["messages"])
    is_loose = b" :" in raw or b"\t" in raw or b"\r" in raw.rstrip()
    return row if raw.count(b'":') == n_keys and not is_loose else None


def _not_json(text: str, error: ValueError) -> Problem:
    if match := _CURLY.match(text):
        message = f'not JSON: {match[1]} stands where JSON has a straight quotation mark (")'
        return "not-json", message, text
    if isinstance(error, json.JSONDecodeError):
        said = _MESSAGES.get(error.msg, f"{error.msg} at character {{}}")
        message = f"not JSON: {said.format(error.pos + 1)}"
        return "not-json", message, text[max(0, error.pos - 30) : error.pos + 30]
    return "not-json", f"not JSON: {error}", text  # numbers of thousands of digits, NaN


def _nearly(text: str) -> tuple[Any, Problem | None]:
    """(the value of a line that is nearly JSON, what is wrong with it); None where it is not."""
    bare, repeated = text.strip(_AROUND), list[str]()
    if stray := text.strip(" \t\r\n").replace(bare, "", 1):
        try:
            value = strict_json.decoder(repeated).decode(bare)
        except (ValueError, RecursionError):
            return None, None
        if repeated:
            return None, None
        name = unicodedata.name(stray[0], f"U+{ord(stray[0]):04X}")
        message = f"a sign that nobody sees ({name}) stands before or after the object"
        return value, ("stray-sign", message, repr(stray[:10]))
    if bare[:1] not in ("{", "["):
        return None, None
    if bare[-1] == ",":
        try:
            value = strict_json.decoder(repeated).decode(bare[:-1])
        except (ValueError, RecursionError):
            pass
        else:
            if not repeated:
                return value, ("comma", "a comma stands after the object", bare[-30:])
        bare = bare[:-1]
    if (near := _escaped(bare)) != (None, None):
        return near
    value = python_literals.read(bare)
    if value is None:
        return None, None
    if (comma := _COMMA.search(bare)) and _is_json(_COMMA.sub(r"\1", bare), value):
        message = f"a comma too many at character {text.index(bare) + comma.start() + 1}"
        return value, ("comma", message, bare[max(0, comma.start() - 30) : comma.end() + 10])
    return value, (*PYTHON[:2], bare[:60])


def _escaped(text: str) -> tuple[Any, Problem | None]:
    """As `_nearly`, of a line that would be JSON but for its escapes."""
    bad = [match for match in _ESCAPE.finditer(text) if match[1]]
    whole = _ESCAPE.sub(lambda m: "'" if m[1] == r"\'" else f"\\{m[0]}" if m[1] else m[0], text)
    repeated: list[str] = []
    try:
        value = strict_json.decoder(repeated, strict=False).decode(whole)
    except (ValueError, RecursionError):
        return None, None
    if repeated:
        return None, None
    others = [match for match in bad if match[1] != r"\'"]
    if others:  # which of the other escapes is meant as one, nobody can tell
        place = others[0].start()
        shown = text[max(0, place - 30) : place + 30]
        message = (
            f"not JSON: `{others[0][1]}` at character {place + 1} is no escape: a backslash itself "
            r"is written \\, here and everywhere"
        )
        return None, ("not-json", message, shown)
    return value, ("json-escape", r"a quote after a backslash, \'", "") if bad else CONTROL


def _is_json(text: str, value: Any) -> bool:
    """Whether a text is JSON of this value."""
    try:
        return bool(strict_json.decoder().decode(text) == value)
    except (ValueError, RecursionError):
        return False


def repeated_key(key: str, excerpt: str = "") -> Problem:
    """The problem of an object that has a key twice."""
    return "repeated-key", f"the first value of `{key}`, which stands twice in one object", excerpt
