"""JSONL: one JSON value a line. Knows nothing of what the values must be."""

import codecs
import json
from collections.abc import Iterator

from workbook import strict_json
from workbook.doctor.limits import LONGEST_LINE
from workbook.doctor.lines import Line, Problem
from workbook.doctor.readers.bounded_lines import bounded_lines, too_long
from workbook.doctor.readers.data_file import DataFile

BOM = codecs.BOM_UTF8


def raw_lines(file: DataFile) -> Iterator[bytes]:
    """The lines as they stand there, in UTF-8."""
    if file.encoding == "utf-8":
        with file.open_bytes() as stream:
            yield from bounded_lines(stream)
        return
    with file.open_text() as stream:
        for text in bounded_lines(stream):
            yield text.encode("utf-8", "surrogatepass")


def line_of(number: int, raw: bytes) -> Line:
    """One line of JSONL; nothing in it can raise an error."""
    if len(raw) > LONGEST_LINE:
        return too_long(number, raw[:60].decode("utf-8", "replace"))
    problems: list[Problem] = []
    if number == 1 and raw.startswith(BOM):
        raw = raw[len(BOM) :]
        problems.append(("bom", "the file starts with a byte order mark", ""))
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
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg} at character {error.pos + 1}"
        problems.append(("not-json", message, text[max(0, error.pos - 30) : error.pos + 30]))
    except RecursionError:
        problems.append(("not-json", "nested too deeply to be read", text))
    except ValueError as error:  # numbers of thousands of digits, NaN
        problems.append(("not-json", f"not JSON: {error}", text))
    else:
        problems += [repeated_key(key, text) for key in repeated]
        return Line(number, value, tuple(problems), size=len(raw))
    return Line.unreadable(number, *problems)


def repeated_key(key: str, excerpt: str = "") -> Problem:
    """The problem of an object that has a key twice."""
    return "repeated-key", f"key “{key}” stands twice in one object", excerpt
