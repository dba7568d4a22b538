"""JSON over a whole file, in bounded memory: a list, an object with a list or with columns, or
objects one after the other that are not one a line.

ijson would lose half characters and repeated keys, and stop at large numbers; the standard library
reads element by element just as well. Knows nothing of what the elements must be.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import IO

from workbook import strict_json
from workbook.doctor.forms import python_literals
from workbook.doctor.limits import LONGEST_LINE
from workbook.doctor.lines import Line, Problem
from workbook.doctor.readers import sniffing
from workbook.doctor.readers.data_file import DataFile
from workbook.doctor.readers.json_tables import rows_in
from workbook.doctor.readers.jsonl import CONTROL, PYTHON, repeated_key
from workbook.doctor.readers.sniffing import SAMPLE

_PIECE = 1024 * 1024  # characters of a list that are read at once
_WHOLE = 2 * LONGEST_LINE  # characters of one object that holds all rows
_SPACE = re.compile(r"[ \t\r\n]*")
_ELEMENT = re.compile(r"[ \t\r\n]*(?:\[[ \t\r\n]*)?\{")
_BETWEEN = re.compile("[ \t\r\n,\x00\x1e\x85\u2028\u2029\ufeff]*")
_AFTER = re.compile(r"\}\s*,\s*[{\[]")
_CUT = "was the file cut off?"
_KEY = re.compile(r'"([^"\\]*)"\s*:')
_PYTHON = re.compile(r"'|\b(?:None|True|False)\b")
_NEXT = re.compile(r"\n(?=[{\[])")


def rows(file: DataFile) -> Iterator[Line]:
    """The elements of a list, one after the other, numbered from 1; or objects, under the numbers
    of their first lines."""
    with file.open_text() as stream:
        start = stream.read(SAMPLE)
        opening = re.match(r"\s*\[", start) or sniffing.WRAPPED.match(start)
        wrapped = opening is not None and opening.lastindex is not None
        in_list = opening is not None and _opens(start, opening.end())
        if opening is None or (wrapped and (sniffing.names_row(opening) or not in_list)):
            yield from _objects(file, stream, start)
            return
        number = 0
        for line in _elements(file, stream, start, opening.end()):
            number += line.readable
            yield line
    if wrapped:
        _note_beside(file, _KEY.findall(opening["before"]), opening["key"])
    message = (
        f"the file is one JSON {'object with a ' if wrapped else ''}list of "
        f"{number:,} elements; the numbers below count its elements"
    )
    file.problems.append(("json-list", message, ""))


def _opens(text: str, place: int) -> bool:
    """Whether an object begins here, or a list of objects."""
    return _ELEMENT.match(text, place) is not None


def _note_beside(file: DataFile, keys: list[str], key: str) -> None:
    """Note what stands beside the list that is read."""
    if keys:
        listed = ", ".join(f"`{each}`" for each in keys)
        file.problems.append(("lost", f"lost: {listed}, beside the list “{key}”", ""))


def _elements(file: DataFile, stream: IO[str], text: str, place: int) -> Iterator[Line]:
    """What stands between the brackets; what follows them is noted.

    text: the file's beginning, already read from the stream.
    place: in the text, behind the opening bracket.
    """
    repeated: list[str] = []
    scan, loose = (
        strict_json.decoder(repeated, strict=is_so).raw_decode for is_so in (True, False)
    )
    number = 1
    while True:
        place = _after(_SPACE, text, place)
        repeated.clear()
        problem = "the list has no end"
        try:
            if text[place : place + 1] == "]":
                _note_rest(file, text[place + 1 :] + stream.read(SAMPLE))
                return
            problems: tuple[Problem, ...] = ()
            try:
                value, end = scan(text, place)
            except json.JSONDecodeError as error:
                if not error.msg.startswith("Invalid control character"):
                    raise
                repeated.clear()
                problems = (CONTROL,)
                value, end = loose(text, place)
            end = _after(_SPACE, text, end)
            if text[end : end + 1] in (",", "]") and end < len(text):
                yield Line(number, value, (*problems, *map(repeated_key, repeated)))
                number += 1
                place = end + (text[end] == ",")
                continue
            if end < len(text):
                problem = "not JSON: a comma is missing between two elements"
            elif not (more := stream.read(_PIECE)):
                yield Line(number, value, (*problems, *map(repeated_key, repeated)))
                yield Line.unreadable(number + 1, ("not-json", f"{problem}: {_CUT}", ""))
                return
            else:
                text += more
                continue
        except RecursionError:
            problem = "nested too deeply to be read"
        except ValueError as error:
            problem = f"not JSON: {getattr(error, 'msg', error)}"
        # Perhaps only the piece has ended: more is read, as long as it is one element's.
        text, place = text[place:], 0
        more = stream.read(max(_PIECE, len(text))) if len(text) <= LONGEST_LINE else ""
        if not more:
            is_python = number == 1 and _PYTHON.search(text)
            values = python_literals.read(f"[{text}".strip()) if is_python else None
            if not isinstance(values, list):
                yield Line.unreadable(number, ("not-json", problem, text[:60]))
                if _AFTER.search(text):
                    message = f"lost: all that stands in the list behind element {number}"
                    file.problems.append(("lost", message, ""))
                return
            for number, value in enumerate(values, start=1):
                yield Line(number, value, (PYTHON,) if number == 1 else ())
            return
        text += more


def _note_rest(file: DataFile, rest: str) -> None:
    """Note what stands behind the list."""
    try:
        keys = list(strict_json.decoder().decode(f'{{"list": []{rest}'))[1:]
    except (ValueError, RecursionError):
        keys = []
    if keys:
        listed = ", ".join(f"`{key}`" for key in keys[:5])
        file.problems.append(("lost", f"lost: {listed}, behind the list", ""))
    elif rest.strip(" \t\r\n}"):
        file.problems.append(("lost", "lost: what stands behind the list", rest.strip()[:60]))


def _objects(file: DataFile, stream: IO[str], text: str) -> Iterator[Line]:
    """Objects one after the other; where there is but one, the rows that it holds."""
    repeated: list[str] = []
    scan = strict_json.decoder(repeated).raw_decode
    place, number, count, start = 0, 1, 0, 1
    first: Line | None = None
    while True:
        end = _after(_BETWEEN, text, place)
        number += text.count("\n", place, end)
        place = end
        repeated.clear()
        problem = ""
        try:
            value, end = scan(text, place)
        except RecursionError:
            problem = "nested too deeply to be read"
        except ValueError as error:
            problem = f"not JSON: {getattr(error, 'msg', error)}"
        if problem:
            limit = LONGEST_LINE if count else _WHOLE
            more = stream.read(max(_PIECE, len(text))) if len(text) - place <= limit else ""
            if more:
                text, place = text[place:] + more, 0
                continue
            if place >= len(text):
                break
            line = Line.unreadable(number, ("not-json", problem, text[place : place + 60]))
            end = following.start() if (following := _NEXT.search(text, place)) else len(text)
        else:
            line = Line(number, value, tuple(map(repeated_key, repeated)))
        number += text.count("\n", place, end)
        place = end
        count += 1
        if count == 1:
            first, start = line, line.number
            continue
        if first:
            yield first
            first = None
        yield line
    if first and first.readable and isinstance(first.value, Mapping):
        yield from _whole(file, first)
    elif first:
        yield first
    if count > 1:
        where = f"the first on line {start}"
        message = (
            f"{count:,} objects, {where}, that are not one a line: over several, or several on one"
        )
        file.problems.append(("json-spread", message, ""))


def _whole(file: DataFile, line: Line) -> Iterator[Line]:
    """The rows of a file that is one object."""
    rows, problems = rows_in(line.value)
    file.problems.extend(problems)
    if rows is None:
        yield line
        if not any(code == "unknown-form" for code, _, _ in problems):
            file.problems.append(
                ("json-list", "the file is one JSON object over several lines", "")
            )
        return
    problems_of_all: tuple[Problem, ...] = line.problems
    for number, row in enumerate(rows, start=1):
        yield Line(number, row, problems_of_all if number == 1 else ())


def _after(space: re.Pattern[str], text: str, place: int) -> int:
    match = space.match(text, place)
    return match.end() if match else place
