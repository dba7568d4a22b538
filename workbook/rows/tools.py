"""What breaks a rule in a row's tools: their list, the calls, and the order of the answers."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workbook.quoting import excerpt, kind_of
from workbook.rows.violation import Violation, json_hint


def descriptions(row: Mapping) -> Iterator[Violation]:
    """Lists of tools that are none, or that hold something else than functions, or one twice."""
    for key in ("tools", "functions"):
        listed = row.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list):
            hint = json_hint(listed)
            yield Violation("tools", f"`{key}` is {kind_of(listed)}, not a list{hint}", listed)
            continue
        names: set[str] = set()
        for tool in listed:
            function = tool
            if key == "tools" and isinstance(tool, Mapping):
                function = tool.get("function") if tool.get("type") == "function" else None
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                text = f"`{key}` holds something that is no function with a name{json_hint(tool)}"
                yield Violation("tools", text, tool)
            elif function["name"] in names:
                text = f"`{key}` describes `{excerpt(function['name'], 30)}` twice"
                yield Violation("tools", text, tool)
            else:
                names.add(function["name"])
                for name, kind in (("description", str), ("strict", bool)):
                    value = function.get(name)
                    if value is not None and not isinstance(value, kind):
                        expected = "text" if kind is str else "true or false"
                        text = f"`{name}` of a function is {kind_of(value)}, not {expected}"
                        yield Violation("tools", text, tool)
    parallel = row.get("parallel_tool_calls")
    if parallel is None:
        return
    if not isinstance(parallel, bool):
        text = f"`parallel_tool_calls` is {kind_of(parallel)}, not true or false"
        yield Violation("parallel", text, parallel)
    elif row.get("tools") is None:
        yield Violation("parallel", "`parallel_tool_calls` without `tools`", parallel)


def calls(message: Mapping, where: str) -> Iterator[Violation]:
    """Calls that are incomplete, or not the assistant's."""
    made, old = message.get("tool_calls"), message.get("function_call")
    if message.get("role") != "assistant" and (made is not None or old is not None):
        yield Violation("call", f"{where}only the assistant calls tools", message)
    if made is not None and (not isinstance(made, list) or not made):
        text = f"{where}`tool_calls` is empty or no list{json_hint(made)}"
        yield Violation("call", text, message)
    functions = [] if old is None else [old]
    for call in made if isinstance(made, list) else []:
        whole = (
            isinstance(call, Mapping)
            and isinstance(call.get("id"), str)
            and call.get("type") == "function"
        )
        functions.append(call.get("function") if whole else None)
    for function in functions:
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            yield Violation("call", f"{where}a call is incomplete", message)
        elif not holds_json(arguments := function.get("arguments")):
            text = f"{where}`arguments` is not JSON written as text"
            if isinstance(arguments, (dict, list)):
                text += f", but {kind_of(arguments)}"
            rule = "call-arguments" if isinstance(arguments, str) else "call"
            yield Violation(rule, text, arguments)


def holds_json(value: Any) -> bool:
    """Whether the value is JSON written as text, as a call's `arguments` are."""
    if not isinstance(value, str):
        return False
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def answers(messages: list[Mapping]) -> Iterator[Violation]:
    """Answers of tools that nobody has called, that come late, or twice.

    A call is answered by the messages that follow it directly, in any order, each call once.
    """
    waiting: set[str] = set()  # calls of the message just before the answers
    late: dict[str, Any] = {}  # calls that were left unanswered, and whose turn came instead
    answered: set[str] = set()
    for message in messages:
        if (role := message.get("role")) == "tool":
            id = message.get("tool_call_id")
            name = f"`{excerpt(id, 30)}`"
            if not isinstance(id, str) or id not in waiting | late.keys() | answered:
                yield Violation("tool-answer", "a tool's answer to no earlier call", message)
            elif id in answered:
                yield Violation("tool-answer", f"call {name} is answered twice", message)
            elif id in late:
                text = (
                    f"the answer to call {name} does not follow it directly: "
                    f"a message of the {late[id]} stands between"
                )
                yield Violation("tool-order", text, message)
            if isinstance(id, str):
                waiting.discard(id)
                late.pop(id, None)
                answered.add(id)
            continue
        if waiting:
            late |= dict.fromkeys(waiting, excerpt(role, 30))
            waiting = set()
        made = message.get("tool_calls")
        for call in made if isinstance(made, list) else []:
            if isinstance(call, Mapping) and isinstance(id := call.get("id"), str):
                waiting.add(id)
                late.pop(id, None)
                answered.discard(id)
