"""A JSON list, or one object, over a whole file: element by element, in bounded memory.

ijson would lose half characters and repeated keys, and stop at large numbers; the standard library
reads element by element just as well. Knows nothing of what the elements must be.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from workbook import strict_json
from workbook.doctor.lines import Line
from workbook.doctor.readers import sniffing
from workbook.doctor.readers.data_file import DataFile
from workbook.doctor.readers.foreign_rows import converted
from workbook.doctor.readers.jsonl import line_of, repeated_key
from workbook.doctor.readers.sniffing import SAMPLE
from workbook.rows.rules import MAX_LINE

_PIECE = 1024 * 1024  # characters of a list that are read at once
_SPACE = re.compile(r"[ \t\r\n]*")


def rows(file: DataFile) -> Iterator[Line]:
    """The elements of a list, one after the other, numbered from 1; or one object."""
    with file.open_text() as stream:
        start = stream.read(SAMPLE)
        opening = re.match(r"\s*\[", start) or sniffing.WRAPPED.match(start)
        if opening is None or (opening.lastindex and opening[1] in sniffing.ROW_KEYS):
            line = line_of(1, " ".join(start.splitlines()).encode("utf-8", "surrogatepass"))
            yield replace(line, value=converted(line.value))
            message = "the file is one JSON object over several lines"
            file.problems.append(("json-list", message, ""))
            return
        number = 0
        for line in _elements(stream, start, opening.end()):
            number = line.number
            yield line
    message = (
        f"the file is one JSON {'object with a ' if opening.lastindex else ''}list of "
        f"{number:,} elements; the numbers below count its elements"
    )
    file.problems.append(("json-list", message, ""))


def _elements(stream: IO[str], text: str, place: int) -> Iterator[Line]:
    """What stands between the brackets.

    text: the file's beginning, already read from the stream.
    place: in the text, behind the opening bracket.
    """
    repeated: list[str] = []
    scan = strict_json.decoder(repeated).raw_decode
    number = 1
    while True:
        place = _after_space(text, place)
        repeated.clear()
        problem = "the list has no end"
        try:
            if text[place : place + 1] == "]":
                return
            value, end = scan(text, place)
            end = _after_space(text, end)
            if text[end : end + 1] in (",", "]") and end < len(text):
                yield Line(number, converted(value), tuple(map(repeated_key, repeated)))
                number += 1
                place = end + (text[end] == ",")
                continue
            if end < len(text):
                problem = "not JSON: a comma is missing between two elements"
        except RecursionError:
            problem = "nested too deeply to be read"
        except ValueError as error:
            problem = f"not JSON: {getattr(error, 'msg', error)}"
        # Perhaps only the piece has ended: more is read, as long as it is one element's.
        text, place = text[place:], 0
        more = stream.read(max(_PIECE, len(text))) if len(text) <= MAX_LINE else ""
        if not more:
            yield Line.unreadable(number, ("not-json", problem, text[:60]))
            return
        text += more


def _after_space(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return space.end() if space else place
