"""One JSON object that holds all rows: a list among its values, or columns as pandas writes them.

Knows values that are in memory already.
"""

from collections.abc import Mapping
from typing import Any

from workbook.doctor.forms.examples import COMPLETIONS, CONVERSATIONS, PROMPTS, SYSTEMS
from workbook.doctor.forms.turns import is_turns
from workbook.doctor.forms.values import is_objects
from workbook.doctor.lines import Problem
from workbook.rows.rules import CHAT_KEYS, COMPLETION_KEYS, PREFERENCE_KEYS

ROW_KEYS = {
    *(CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS),
    *PROMPTS,
    *COMPLETIONS,
    *SYSTEMS,
    *CONVERSATIONS,
    *("contents", "chosen", "rejected", "history", "chat_history", "ideal", "role"),
}
"""Keys by which an object is a row itself."""
_SETS = {"train", "test", "validation"}
_DEEPEST = 3


def rows_in(value: Mapping[str, Any], depth: int = 0) -> tuple[list[Any] | None, list[Problem]]:
    """(the rows, what there is to say of them); None where the object is a row itself.

    depth: how many objects lie around it.
    """
    key, inner = next(iter(value.items()), ("", None))
    if len(value) == 1 and isinstance(inner, Mapping) and not (key in ROW_KEYS or _is_number(key)):
        if depth > _DEEPEST or (inner.keys() & ROW_KEYS and _columns(inner) is None):
            return None, []  # one row in an object
        return rows_in(inner, depth + 1)  # one object around all: {"data": {"train": […]}}
    for kind, rows in (("columns", _columns(value)), ("an index", _indexed(value))):
        if rows is not None:
            message = (
                f"the file is one JSON object of {kind}, as pandas writes it: {len(rows):,} rows"
            )
            problems: list[Problem] = [("json-list", message, "")]
            names = ", ".join(f"`{key}`" for key in list(value)[:3])
            if kind == "an index" and not all(map(_is_number, value)):
                problems.append(("lost", f"lost: {names}, …: what the rows are called", ""))
            return rows, problems
    if rows := _conversations(value):
        message = f"the file is one JSON object with a list of {len(rows):,} conversations"
        return rows, [("json-list", message, "")]
    if value.keys() & ROW_KEYS:
        return None, []
    lists = [key for key, item in value.items() if is_objects(item)]
    if len(lists) > 1:
        names = ", ".join(f"`{key}`" for key in lists[:5])
        message = f"one object with several lists of rows, {names}: write each to a file of its own"
        return None, [("unknown-form", message, "")]
    if not lists:
        return None, []
    rows = value[lists[0]]
    others = ", ".join(f"`{key}`" for key in value if key != lists[0])
    message = f"the file is one JSON object with a list of {len(rows):,} elements, `{lists[0]}`"
    problems = [("json-list", message, "")]
    if others:
        problems.append(("lost", f"lost: {others}, beside the list “{lists[0]}”", ""))
    return rows, problems


def _conversations(value: Mapping[str, Any]) -> list[Any]:
    """Rows of an object that has nothing but a list of conversations, each a list of turns."""
    key = next(iter(value), "")
    listed = value.get(key) if key in ("messages", *CONVERSATIONS) and len(value) == 1 else None
    if isinstance(listed, list) and listed and all(map(is_turns, listed)):
        return [{key: turns} for turns in listed]
    return []


def _columns(value: Mapping[str, Any]) -> list[Any] | None:
    """Rows of columns: {"prompt": {"0": …}}, {"prompt": […]}, or {"columns": […], "data": […]}."""
    names, data = value.get("columns"), value.get("data")
    if (
        isinstance(names, list)
        and isinstance(data, list)
        and value.keys() <= {"columns", "index", "data"}
        and all(isinstance(cells, list) and len(cells) == len(names) for cells in data)
    ):
        return [dict(zip(map(str, names), cells, strict=True)) for cells in data]
    items = list(value.values())
    if len(items) > 1 and all(isinstance(item, Mapping) for item in items):
        keys = list(items[0])
        if keys and all(list(item) == keys for item in items) and all(map(_is_number, keys)):
            return [{name: column[key] for name, column in value.items()} for key in keys]
    messages = value.get("messages")
    if isinstance(messages, list) and not all(isinstance(cell, list) for cell in messages):
        return None
    lists = len(items) > 1 and all(isinstance(item, list) for item in items)
    # Lists of objects are messages, and the object is a row.
    if (
        lists
        and any(map(_are_texts, items))
        and len({len(item) for item in items}) == 1
        and not any(map(is_objects, items))
    ):
        return [dict(zip(value, cells, strict=True)) for cells in zip(*items, strict=True)]
    return None


def _are_texts(cells: list[Any]) -> bool:
    return bool(cells) and all(isinstance(cell, str) for cell in cells)


def _indexed(value: Mapping[str, Any]) -> list[Any] | None:
    """Rows under their numbers, {"0": {"prompt": …}, "1": …}, or under names."""
    rows = list(value.values())
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        return None
    if all(map(_is_number, value)):
        return rows
    are_named = len(rows) > 1 and not value.keys() & (ROW_KEYS | _SETS)
    return rows if are_named and all(row.keys() & ROW_KEYS for row in rows) else None


def _is_number(key: Any) -> bool:
    return isinstance(key, str) and key.isdigit()
