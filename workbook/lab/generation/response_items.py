"""The Responses API's input: its items become the messages of a chat.

Knows items and messages; knows nothing of settings, answers or sockets.
"""

from typing import Any, NoReturn

from workbook.lab import schema_errors
from workbook.lab.errors import ApiError
from workbook.lab.generation.parameters import unsupported

_STATELESS = "The lab keeps no items: send the item itself again, as clients do with `store=False`."
# Parts that a role may have; OpenAI refuses those of the other side.
_ASSISTANT, _OTHERS = ("output_text", "refusal"), ("input_text",)
_MEDIA = ("input_image", "input_file", "input_audio")


def messages(items: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a chat would be asked. Raises ApiError (400)."""
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    conversation: list[dict[str, Any]] = []
    _check_calls(items)
    for i, item in enumerate(items):
        match item.get("type", "message"):
            case "message":
                content = _content(item["content"], item["role"] == "assistant", f"input[{i}]")
                conversation.append({"role": item["role"], "content": content})
            case "function_call":
                function = {"name": item["name"], "arguments": item["arguments"]}
                call = {"id": item["call_id"], "type": "function", "function": function}
                if i and items[i - 1].get("type") == "function_call":  # called at once
                    conversation[-1]["tool_calls"].append(call)
                else:
                    conversation.append({"role": "assistant", "tool_calls": [call]})
            case "function_call_output":
                output = _content(item["output"], False, f"input[{i}]", "output")
                conversation.append(
                    {"role": "tool", "tool_call_id": item["call_id"], "content": output}
                )
            case kind:
                _refuse(kind, f"input[{i}]")
    return conversation


def _content(
    content: str | list[dict], is_assistant: bool, where: str, name: str = "content"
) -> str | list[dict]:
    if isinstance(content, str):
        return content
    parts = []
    for j, part in enumerate(content):
        param, kind = f"{where}.{name}[{j}]", part["type"]
        supported = _ASSISTANT if is_assistant else _OTHERS
        if kind in _MEDIA and not is_assistant:
            raise unsupported(param, "The lab's models read text only.")
        if kind not in supported:
            raise schema_errors.not_one_of(kind, list(supported), param)
        parts.append({"type": "text", "text": part.get("text", part.get("refusal"))})
    return parts


def _check_calls(items: list[dict[str, Any]]) -> None:
    """Every call needs an output after it, and every output its call before it."""
    waiting: dict[str, None] = {}  # in their order
    calls = set()
    for item in items:
        if item.get("type") == "function_call":
            calls.add(item["call_id"])
            waiting[item["call_id"]] = None
        elif item.get("type") == "function_call_output":
            if item["call_id"] not in calls:
                message = (
                    "No tool call found for function call output with call_id "
                    f"{item['call_id'][:80]}."
                )
                raise ApiError(400, message, None, "input")
            waiting.pop(item["call_id"], None)
    if waiting:
        message = f"No tool output found for function call {next(iter(waiting))[:80]}."
        raise ApiError(400, message, None, "input")


def _refuse(kind: str, where: str) -> NoReturn:
    if kind == "item_reference":
        raise unsupported(where, _STATELESS)
    if kind == "reasoning":
        raise unsupported(where, "The lab's models do not reason: leave reasoning items out.")
    raise unsupported(
        f"{where}.type",
        f"Items of type '{kind}' are not supported by the lab. It takes messages, function_call "
        "and function_call_output.",
    )
