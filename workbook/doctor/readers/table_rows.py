"""Rows of a table: their headings, and what cells mean under them.

Knows headings that are missing, doubled or below a title; knows neither files nor forms of rows.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

from workbook.doctor.forms.examples import COMPLETIONS, CONVERSATIONS, PROMPTS, SYSTEMS
from workbook.doctor.forms.turns import is_turn, is_turns, speaker_of
from workbook.doctor.forms.values import decoded, decoded_if
from workbook.doctor.lines import Line, Problem
from workbook.doctor.readers import columns
from workbook.doctor.readers.data_file import DataFile
from workbook.quoting import excerpt
from workbook.rows.rules import ROLES

_MORE_NAMES = (
    "messages", "tools", "functions", "parallel_tool_calls", "chosen", "rejected", "label", "text",
    "preferred_output", "non_preferred_output", "ideal", "history", "role", "content", "context",
    "id",
)  # fmt: skip
KNOWN = {*PROMPTS, *COMPLETIONS, *SYSTEMS, *CONVERSATIONS, *_MORE_NAMES}
"""Headings by which a table's first row is known as one."""
_JSON_CELLS = {
    "messages", "tools", "functions", "preferred_output", "non_preferred_output", "history",
    "parallel_tool_calls", "contents", "systemInstruction", "system_instruction", "toolConfig",
    "chat_history", *CONVERSATIONS,
}  # fmt: skip
"""Cells whose JSON is read; any other that holds it may mean it as a text."""
_MUST_BE_JSON = ("messages", "tools", "functions", "preferred_output", "non_preferred_output")
_SENTENCE = re.compile(r"[.?!…。？！]\s*$")
ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
"""What Excel shows in the place of a value that it could not work out."""
_LONGEST = 32_767
"""Characters that a cell of Excel holds; it cuts what is longer."""
_TITLES = 10
"""Rows above the headings among which they are looked for."""
Cells = Sequence[Any]


def name_of(heading: Any) -> str:
    """A heading as the forms know it: in small letters, with _ for spaces and hyphens."""
    return re.sub(r"[\s\-]+", "_", str(heading).strip().lower())


def lines(file: DataFile, numbered: Iterable[tuple[int, Cells] | Line]) -> Iterator[Line]:
    """The rows under their headings, which are the first row with names that are known, or the
    first row.

    numbered: (number, cells) of each row; a line that can't be read goes through.
    """
    source = iter(numbered)
    waiting: list[tuple[int, Cells]] = []
    headings: list[str] | None = None
    for item in source:
        if isinstance(item, Line):
            yield item
        elif headings is not None:
            yield row_of(*item, headings, _names(file))
        else:
            waiting.append(item)
            if _has_names(item[1]) or len(waiting) >= _TITLES:
                headings = yield from _begin(file, waiting)
    if headings is None and waiting:
        yield from _begin(file, waiting)


def _has_names(cells: Cells) -> bool:
    names = {name_of(cell) for cell in cells if isinstance(cell, str)}
    asks = names & {*PROMPTS, *CONVERSATIONS, "messages", "chosen", "text", "role", "input"}
    return bool(asks) and bool(names & KNOWN)


def _begin(file: DataFile, waiting: list[tuple[int, Cells]]) -> Generator[Line, None, list[str]]:
    """The first rows; returns the headings."""
    place = next((n for n, (_, cells) in enumerate(waiting) if _has_names(cells)), None)
    if place is None and not _names(file) and _looks_like_data(waiting[0][1]):
        width = max(len(cells) for _, cells in waiting)
        headings = [str(number) for number in range(1, width + 1)]
        message = "the first row looks like an example, not like headings; columns are numbered"
        file.problems.append(("heading", message, excerpt(_joined(waiting[0][1]))))
        place = -1
    elif place is None and _names_numbers(file):
        headings = [str(n + 1) for n in range(max(len(cells) for _, cells in waiting))]
        place = -1
    else:
        place = place or 0
        for number, cells in waiting[:place]:
            title = excerpt(_joined(cells))
            file.problems.append(("lost", f"lost: row {number}, above the headings: {title}", ""))
        headings = _headings(file, waiting[place][1])
    columns.require(_names(file), waiting[max(place, 0)][0], _keys(headings))
    for number, cells in waiting[place + 1 :]:
        yield row_of(number, cells, headings, _names(file))
    return headings


def _names(file: DataFile) -> dict[str, str]:
    """What the person calls the columns."""
    return file.options.get("columns") or {}


def _keys(headings: list[str]) -> list[str]:
    """What the columns are called in a row, also those without a heading."""
    return [heading or f"column {place}" for place, heading in enumerate(headings, start=1)]


def _joined(cells: Cells) -> str:
    return ", ".join(str(cell) for cell in cells if cell not in (None, ""))


def _names_numbers(file: DataFile) -> bool:
    """Whether `--columns` names columns by their numbers, so that there are no headings."""
    names = _names(file)
    return bool(names) and all(str(column).isdigit() for column in names.values())


def _looks_like_data(cells: Cells) -> bool:
    """Whether a row that has no known name reads like sentences."""
    texts = [str(cell).strip() for cell in cells if cell not in (None, "")]
    return any((_SENTENCE.search(text) and " " in text) or len(text) > 60 for text in texts)


def _headings(file: DataFile, cells: Cells) -> list[str]:
    """The names of the columns; of two alike the second gets a number."""
    headings: list[str] = []
    for place, cell in enumerate(cells, start=1):
        heading = "" if cell is None else str(cell)
        name = heading
        count = 2
        while heading and name_of(name) in map(name_of, headings):
            name, count = f"{heading} ({count})", count + 1
        if name != heading:
            message = (
                f"two columns are called “{excerpt(heading)}”: column {place} is read as “{name}”"
            )
            file.problems.append(("heading", message, ""))
        headings.append(name)
    return headings


def row_of(
    number: int, cells: Cells, headings: list[str], names: Mapping[str, str] = MappingProxyType({})
) -> Line:
    """A table's row under its headings; with more cells than headings it can't be read.

    names: that the person gave to columns, as in {"prompt": "Question"}
    """
    surplus = [cell for cell in cells[len(headings) :] if cell not in (None, "")]
    if surplus:
        count = len(cells)
        message = (
            f"{count} cells under {len(headings)} headings: a cell that is not in quotes holds a "
            "sign that separates cells"
        )
        return Line.unreadable(number, ("cells", message, _joined(cells)))
    problems: list[Problem] = []
    row: dict[str, Any] = {}
    whole = zip_longest(headings, _keys(headings), cells[: len(headings)])
    for heading, key, cell in whole:
        if heading == "" and cell in (None, "") and key not in names.values():
            continue
        if cell in ERRORS:
            message = f"column `{key}`: {cell}, the mark of a formula that failed"
            return Line.unreadable(number, ("formula", message, ""))
        if isinstance(cell, str) and len(cell) == _LONGEST:
            message = f"`{key}` has {_LONGEST:,} characters, all that Excel keeps in a cell"
            problems.append(("lost-value", f"row {number}: {message}: its end may be missing", ""))
        row[key] = cell
    row = columns.renamed(row, names) if names else row
    return Line(number, shaped(row, problems), tuple(problems))


def shaped(row: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """A row with the names and values that forms know: empty cells go, JSON in cells is read.

    problems: collects cells that can't be read.
    """
    example: dict[str, Any] = {}
    for heading, value in row.items():
        name = name_of(heading)
        key = name if name in KNOWN and name not in example else heading
        if isinstance(value, str) and not {name, heading} & _JSON_CELLS:
            value = decoded_if(value, _is_conversation)
        elif isinstance(value, str):
            content = decoded(value)
            if content is value and name in _MUST_BE_JSON and value.strip():
                problems.append(("cells", f"the cell `{name}` is not JSON", value[:60]))
            value = content
            if name == "parallel_tool_calls" and str(value).strip().lower() in ("true", "false"):
                value = str(value).strip().lower() == "true"
        if value in (None, "") and name not in ("prompt", "completion", *PROMPTS, *COMPLETIONS):
            continue
        if name in PROMPTS or name in COMPLETIONS:
            value = _text_of(value)
        example[key] = _without_empty(value)
    return example


def _is_conversation(value: Any) -> bool:
    """Whether it is turns, blocks of text, or what holds messages: never meant as a text."""
    if isinstance(value, dict):
        return is_turns(value.get("messages")) or _speaks(value)
    blocks = isinstance(value, list) and all(
        isinstance(block, dict) and "text" in block and block.keys() <= {"type", "text"}
        for block in value
    )
    items = isinstance(value, list) and all(
        isinstance(item, dict) and (_speaks(item) or "call_id" in item) for item in value
    )
    return bool(value) and (blocks or items)


def _speaks(value: Any) -> bool:
    """Whether it is a turn of somebody with a role that is known."""
    return is_turn(value) and speaker_of(value) in ROLES


def _text_of(value: Any) -> Any:
    if isinstance(value, (str, list, dict)):
        return value
    return "" if value is None else str(value)


def _without_empty(value: Any) -> Any:
    """Columns give every message every key: those without a value are left out."""
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _without_empty(item)
            for key, item in value.items()
            if item is not None
            or (
                key == "content"
                and not any(value.get(name) for name in ("tool_calls", "function_call", "refusal"))
            )
        }
    return value
