"""A row as it was read, in whatever form, as one of the three formats that are trained on.

One table of forms, in the order in which they are tried. What a form does not use stays in the row.
Takes any Python value and raises nothing. Knows no files.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from workbook.doctor.forms import examples, hints, preferences, vertex_rows
from workbook.doctor.forms.preferences import UnlikeError
from workbook.doctor.forms.turns import is_turns
from workbook.doctor.forms.values import Row, decoded, plain
from workbook.doctor.lines import Line, Problem
from workbook.rows.rules import CHAT_KEYS, COMPLETION_KEYS, PREFERENCE_KEYS
from workbook.rows.validator import format_of

VERTEX = "Vertex AI's `contents`"
"""What rows of Vertex AI are called."""
Form = tuple[str, Callable[[Row], Row | None]]
_FORMS: tuple[Form, ...] = (
    ("two answers, one better than the other", preferences.preference),
    ("two answers that begin with the question", preferences.implicit),
    ("ShareGPT's `conversations`", examples.conversations),
    (VERTEX, vertex_rows.contents),
    ("messages in the words of another host", examples.chat),
    ("Alpaca's `instruction` and `output`", examples.alpaca),
    ("prompts and completions that are lists of messages", examples.message_pairs),
    ("rows of the Responses API", examples.responses),
    ("rows of OpenAI's evals, `input` and `ideal`", examples.evals),
    ("Cohere's `chat_history` and `message`", examples.cohere),
    ("questions and answers under other names", examples.pair),
)
_TEXT_KEYS = ("messages", "tools", "functions", "input", "preferred_output", "non_preferred_output")
_WRAPPERS = ("item", "row", "example")
_BESIDE = {"row_idx", "truncated_cells", "id", "idx", "index"}
_NAMES = {
    *(*examples.PROMPTS, *examples.COMPLETIONS, *examples.SYSTEMS, *examples.CONVERSATIONS),
    *("chosen", "rejected", "history"),
}
_HOSTS = ("contents", "schemaVersion")


def recognised(row: Any, in_table: bool = False) -> tuple[Any, list[Problem]]:
    """(the row in a format that is trained on, or as it is; what there is to say of its form).

    in_table: its keys are headings of a table, where any names are usual.
    """
    if isinstance(row, str):
        inner = _unpacked(row)
        if not isinstance(inner, Mapping):
            return row, []
        row, problems = recognised(inner)
        return row, [("json-in-text", "the row is JSON, written as text once more", ""), *problems]
    if not isinstance(row, str) and not _is_plain(row):
        row = plain(row)
    if is_turns(row):
        inner, problems = recognised({"messages": row})
        return inner, [("form", "each row is a list of messages: read as chat", ""), *problems]
    if not isinstance(row, Mapping) or _is_plain(row):
        return row, []
    try:
        return _recognised(dict(row), in_table)
    except RecursionError:
        return row, []


def _unpacked(text: str) -> Any:
    """What a text holds as JSON, also where it was written as a text several times."""
    value: Any = text
    while isinstance(value, str) and value.lstrip()[:1] == '"':
        try:
            value = json.loads(value)
        except ValueError:
            return text
    return decoded(value)


def _is_plain(row: Any) -> bool:
    """Whether the row is OpenAI's own chat of texts, as most are: nothing is to be looked for."""
    messages = row.get("messages") if type(row) is dict and len(row) == 1 else None
    return (
        type(messages) is list
        and all(
            type(message) is dict
            and "role" in message
            and (type(message.get("content")) is str or message.get("tool_calls"))
            for message in messages
        )
        and bool(messages)
        and type(messages[-1]) is dict
    )


def _recognised(row: Row, in_table: bool) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []
    row = _read_texts(row, [] if in_table else problems)
    for key in _WRAPPERS:
        if isinstance(row.get(key), Mapping) and row.keys() - {key} <= _BESIDE:
            inner, inner_problems = recognised({**row.pop(key), **row})
            message = f"each row lies in an object `{key}`"
            return inner, [*problems, ("form", message, ""), *inner_problems]
    try:
        name, example = _by_a_form(row)
        if example is None and format_of(row) is None and (small := _with_small_keys(row)) != row:
            name, example = _by_a_form(small)
        if example is not None:
            code = "host-form" if any(key in row for key in _HOSTS) else "form"
            if not (in_table and set(row) <= set(examples.PROMPTS + examples.COMPLETIONS)):
                problems.append((code, f"{name}: read as {_kind(example)}", ""))
            row = example
    except UnlikeError as error:
        return row, [*problems, ("unknown-form", str(error), row)]
    return row, [*problems, *hints.hints(row, in_table)]


def _by_a_form(row: Row) -> tuple[str, Row | None]:
    """The first form that a row has, and the row as one that is trained on."""
    for name, form in _FORMS:
        example = form(dict(row))
        if example is not None:
            return name, example
    return "", None


def _with_small_keys(row: Row) -> Row:
    """The row with the keys that forms know in small letters, with _ for blanks, as the headings of
    a table are read."""
    spelled = {key: "_".join(key.lower().split()) if isinstance(key, str) else key for key in row}
    if len(set(spelled.values())) < len(row):
        return row
    return {spelled[key] if spelled[key] in _NAMES else key: row[key] for key in row}


def _kind(row: Mapping[str, Any]) -> str:
    if "messages" in row:
        return "chat"
    return "preferences" if "preferred_output" in row else "pairs"


def _read_texts(row: Row, problems: list[Problem]) -> Row:
    """The row with those of its values read that are JSON in a text and should be lists.

    problems: collects what was read so.
    """
    for key in _TEXT_KEYS:
        if isinstance(row.get(key), str) and (value := decoded(row[key])) is not row[key]:
            is_own = row.keys() <= CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS
            if key == "input" and not (is_own and isinstance(value, Mapping)):
                continue
            row = {**row, key: value}
            if is_own:
                message = f"`{key}` is a list or an object, written as text once more"
                problems.append(("json-in-text", message, ""))
    for key in ("messages", *examples.CONVERSATIONS):
        if rows := _from_columns(row.get(key)):
            row = {**row, key: rows}
            problems.append(
                ("form", f"`{key}` is an object of columns, and was read as a list", "")
            )
    messages = row.get("messages")
    if isinstance(messages, list) and any(
        isinstance(message, Mapping) and isinstance(message.get("tool_calls"), str)
        for message in messages
    ):
        row = {**row, "messages": [_read_calls(message) for message in messages]}
        problems.append(("json-in-text", "`tool_calls` is a list, written as text once more", ""))
    return row


def _from_columns(value: Any) -> list[Row]:
    """The turns of an object that has their roles in one list and their texts in another."""
    if not isinstance(value, Mapping) or len(value) < 2:
        return []
    columns = list(value.values())
    if not all(isinstance(column, list) for column in columns):
        return []
    if len({len(column) for column in columns}) != 1:
        return []
    return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _read_calls(message: Any) -> Any:
    calls = message.get("tool_calls") if isinstance(message, Mapping) else None
    return {**message, "tool_calls": decoded(calls)} if isinstance(calls, str) else message


def line(read: Line, in_table: bool = False) -> Line:
    """The line with its row in a format that is trained on."""
    if not read.readable:
        return read
    value, problems = recognised(read.value, in_table)
    if value is read.value and not problems:
        return read
    return Line(read.number, value, (*read.problems, *problems), size=read.size)
