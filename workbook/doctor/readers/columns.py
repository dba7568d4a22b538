"""Names that the person gives to columns, or to keys: `--columns prompt=Question,…`.

Knows rows before their form is looked for. A table's columns are known from its headings, the keys
of other rows from the first of them: none of these having one is a mistake in the name, a later row
without it a matter of that row.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from workbook.doctor.errors import DatasetError
from workbook.doctor.forms.values import is_empty
from workbook.doctor.lines import Line

TARGETS = (
    "prompt", "completion", "system", "messages", "tools", "chosen", "rejected", "label",
    "instruction", "input", "output", "history", "conversations",
)  # fmt: skip
"""What a column can be named."""
_TEXTS = {"prompt", "completion", "system", "instruction", "input", "output"}
_LOOKED_AT = 100
"""Rows at a file's beginning, one of which has each key that is named."""


def renamed(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The row with its keys under the names that were given to them, without those it lacks or
    leaves empty (null, or pandas' NaN). A number there is text, as the same number in a table's
    cell is.

    names: {"prompt": "Question", …}; a column is found whatever its capitals and spaces.
    """
    keys = _keys(row, names)
    kept = {key: value for key, value in row.items() if key not in keys.values()}
    taken = {
        target: json.dumps(value) if target in _TEXTS and isinstance(value, int | float) else value
        for target, key in keys.items()
        if not (isinstance(value := row[key], float | None) and is_empty(value))
    }
    if "completion" in taken and "prompt" not in names:
        taken = {"prompt": "", **taken}
    clash = {f"{key} (not used)": kept.pop(key) for key in taken if key in kept}
    return {**taken, **kept, **clash}


def renamed_line(line: Line, names: Mapping[str, str]) -> Line:
    """The line, its row as by `renamed` where it is one."""
    if not names or not isinstance(line.value, Mapping):
        return line
    return replace(line, value=renamed(line.value, names))


def require(names: Mapping[str, str], number: int, row: Iterable[str]) -> None:
    """Hold the names against the columns that there are.

    number, row: the line that shows them, and what they are called there
    Raises DatasetError for a column that is not there, and for a name that is not known.
    """
    for target in names:
        if target not in TARGETS:
            raise DatasetError(f"No {target!r} among the names: {', '.join(TARGETS)}.")
    row = list(row)
    for target in names.keys() - _keys(row, names).keys():
        keys = ", ".join(f"`{key}`" for key in row)
        raise DatasetError(f"Line {number} has no column `{names[target]}`. It has: {keys}.")


def in_rows(lines: Iterable[Line], names: Mapping[str, str]) -> Iterator[Line]:
    """The same lines, once the first of them were seen to have every key that is named.

    Raises DatasetError as `require` does.
    """
    lines = iter(lines)
    first: list[Line] = []
    keys: dict[str, None] = {}
    number = 0
    for line in lines if names else ():
        first.append(line)
        if isinstance(line.value, Mapping):
            number = number or line.number
            keys |= dict.fromkeys(map(str, line.value))
            if len(first) >= _LOOKED_AT or _keys(keys, names).keys() == names.keys():
                break
    if number:
        require(names, number, keys)
    yield from chain(first, lines)


def _keys(row: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """The row's own key of each name, where it has one."""
    plain = {str(key).strip().lower(): key for key in row}
    exact = set(row)
    found = {
        target: column if column in exact else plain.get(column.strip().lower())
        for target, column in names.items()
    }
    return {target: key for target, key in found.items() if key is not None}
