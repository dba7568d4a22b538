"""Rows in the forms of tables and of other tools, as the formats that are trained on.

Knows columns, synonyms, ShareGPT's and Alpaca's forms, and JSON in cells; knows no files.
"""

from collections.abc import Mapping
from typing import Any

from workbook import strict_json
from workbook.doctor.codes import Line

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
        asked = "\n\n".join(filter(None, (row["instruction"], row["input"])))
        return {
            "messages": [
                {"role": "user", "content": asked},
                {"role": "assistant", "content": row["output"]},
            ]
        }
    return row


def row_of(number: int, heads: list[Any], cells: list[Any]) -> Line:
    """A table's row under its headings."""
    problems: list[tuple[str, str, str]] = []
    if len(cells) > len(heads):
        problems.append(
            ("lost-value", f"{len(cells)} cells under {len(heads)} headings", str(cells[-1]))
        )
    row: dict[str, Any] = {}
    for head, cell in zip(heads, cells, strict=False):
        if head in (None, "") and cell in (None, ""):
            continue
        row[str(head)] = cell
    return Line(number, shaped(row, problems), tuple(problems))


def shaped(row: dict[str, Any], problems: list[tuple[str, str, str]]) -> dict[str, Any]:
    """A table's row as an example: chat from `messages` or from system, user and assistant; pairs
    from `prompt` and `completion` and their synonyms. Other columns stay, and are found there."""
    keys = {key.strip().lower(): key for key in row}
    if "messages" in keys or ("input" in keys and "preferred_output" in keys):
        rest: dict[str, Any] = {}
        for name, key in keys.items():
            value = row[key]
            if isinstance(value, str) and name in (
                "messages",
                "tools",
                "functions",
                "input",
                "preferred_output",
                "non_preferred_output",
                "parallel_tool_calls",
            ):
                if not value.strip():
                    continue
                try:
                    value = strict_json.decoder().decode(value)
                except (ValueError, RecursionError):
                    problems.append(("lost-value", f"the cell `{name}` is not JSON", value[:60]))
            if value is not None:
                rest[name] = _without_empty(value)
        return rest
    found = {
        ours: next((keys[name] for name in names if name in keys), None)
        for ours, names in _ALIASES.items()
    }
    asked, given, system = found["prompt"], found["completion"], found["system"]
    if given is None:
        return row
    rest = {
        key: value
        for key, value in row.items()
        if key not in (asked, given, system) and value not in (None, "")
    }
    if given.strip().lower() == "assistant" or system:
        messages = [
            {"role": role, "content": _cell(row[key])}
            for role, key in (("system", system), ("user", asked), ("assistant", given))
            if key and row[key] not in (None, "")
        ]
        return {"messages": messages, **rest}
    return {"prompt": _cell(row[asked]) if asked else "", "completion": _cell(row[given]), **rest}


def _cell(value: Any) -> str:
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
