"""Names that the person gives to columns, or to keys: `--columns prompt=Question,…`.

Knows rows before their form is looked for.
"""

from collections.abc import Mapping
from dataclasses import replace

from workbook.doctor.errors import DatasetError
from workbook.doctor.lines import Line

TARGETS = (
    "prompt", "completion", "system", "messages", "tools", "chosen", "rejected", "label",
    "instruction", "input", "output", "history", "conversations",
)  # fmt: skip
"""What a column can be named."""


def renamed(line: Line, names: Mapping[str, str]) -> Line:
    """The line with its row's keys under the names that were given to them.

    names: {"prompt": "Question", …}; a column is found whatever its capitals and spaces.
    Raises DatasetError for a column that is not there, and for a name that is not known.
    """
    if not names or not line.readable or not isinstance(line.value, Mapping):
        return line
    row = dict(line.value)
    plain = {str(key).strip().lower(): key for key in row}
    values = {}
    for target, column in names.items():
        if target not in TARGETS:
            raise DatasetError(f"No {target!r} among the names: {', '.join(TARGETS)}.")
        key = column if column in row else plain.get(column.strip().lower())
        if key is None:
            keys = ", ".join(f"`{name}`" for name in row)
            raise DatasetError(f"Line {line.number} has no column `{column}`. It has: {keys}.")
        values[target] = key
    kept = {key: value for key, value in row.items() if key not in values.values()}
    taken = {target: row[key] for target, key in values.items()}
    if "completion" in taken and "prompt" not in taken:
        taken = {"prompt": "", **taken}
    clash = {f"{key} (not used)": kept.pop(key) for key in taken if key in kept}
    return replace(line, value={**taken, **kept, **clash})
