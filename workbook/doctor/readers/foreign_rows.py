"""Rows in the forms of tables and of other tools, as the formats that are trained on.

Knows columns, synonyms, ShareGPT's and Alpaca's forms, and JSON in cells; knows no files.
"""

from collections.abc import Mapping
from typing import Any

from workbook import strict_json
from workbook.doctor.lines import Line, Problem

_ALIASES = {
    "prompt": ("prompt", "question", "instruction", "input", "user", "pregunta", "pergunta"),
    "completion": (
        "completion",
        "answer",
        "response",
        "output",
        "assistant",
        "respuesta",
        "resposta",
    ),
    "system": ("system", "system_prompt"),
}
_SHAREGPT = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
}

_JSON_CELLS = (
    "messages",
    "tools",
    "functions",
    "input",
    "preferred_output",
    "non_preferred_output",
    "parallel_tool_calls",
)


def converted(row: Any) -> Any:
    """Rows in the forms of other tools as ours: ShareGPT's `conversations`, Alpaca's three keys."""
    if not isinstance(row, Mapping):
        return row
    turns = row.get("conversations")
    if isinstance(turns, list) and all(
        isinstance(turn, Mapping)
        and turn.get("from") in _SHAREGPT
        and isinstance(turn.get("value"), str)
        for turn in turns
    ):
        return {
            "messages": [
                {"role": _SHAREGPT[turn["from"]], "content": turn["value"]} for turn in turns
            ]
        }
    if row.keys() == {"instruction", "input", "output"} and all(
        isinstance(value, str) for value in row.values()
    ):
        question = "\n\n".join(filter(None, (row["instruction"], row["input"])))
        return {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": row["output"]},
            ]
        }
    return row


def row_of(number: int, headings: list[Any], cells: list[Any]) -> Line:
    """A table's row under its headings."""
    problems: list[Problem] = []
    if len(cells) > len(headings):
        message = f"{len(cells)} cells under {len(headings)} headings"
        problems.append(("lost-value", message, str(cells[-1])))
    row: dict[str, Any] = {}
    for heading, cell in zip(headings, cells, strict=False):
        if heading in (None, "") and cell in (None, ""):
            continue
        row[str(heading)] = cell
    return Line(number, shaped(row, problems), tuple(problems))


def shaped(row: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """A table's row as an example: chat from `messages` or from system, user and assistant; pairs
    from `prompt` and `completion` and their synonyms. Other columns stay, and are found there.

    problems: collects cells that can't be read.
    """
    keys = {key.strip().lower(): key for key in row}
    if "messages" in keys or ("input" in keys and "preferred_output" in keys):
        return _from_json_cells({name: row[key] for name, key in keys.items()}, problems)
    columns = {
        name: next((keys[alias] for alias in aliases if alias in keys), None)
        for name, aliases in _ALIASES.items()
    }
    prompt, completion, system = columns["prompt"], columns["completion"], columns["system"]
    if completion is None:
        return row
    rest = {
        key: value
        for key, value in row.items()
        if key not in (prompt, completion, system) and value not in (None, "")
    }
    if completion.strip().lower() == "assistant" or system:
        messages = [
            {"role": role, "content": _text_of(row[key])}
            for role, key in (("system", system), ("user", prompt), ("assistant", completion))
            if key and row[key] not in (None, "")
        ]
        return {"messages": messages, **rest}
    return {
        "prompt": _text_of(row[prompt]) if prompt else "",
        "completion": _text_of(row[completion]),
        **rest,
    }


def _from_json_cells(row: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The row with its cells of JSON read; empty cells are left out."""
    example: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, str) and name in _JSON_CELLS:
            if not value.strip():
                continue
            try:
                value = strict_json.decoder().decode(value)
            except (ValueError, RecursionError):
                problems.append(("lost-value", f"the cell `{name}` is not JSON", value[:60]))
        if value is not None:
            example[name] = _without_empty(value)
    return example


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


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
