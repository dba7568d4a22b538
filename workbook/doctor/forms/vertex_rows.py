"""Vertex AI's `contents`, in camelCase or snake_case, as chat; other keys stay in the row."""

import json
from collections.abc import Mapping
from typing import Any

from workbook.doctor.forms.tool_lists import arguments_text, tools_of
from workbook.doctor.forms.values import Row, is_empty
from workbook.doctor.row_parts import objects_in
from workbook.rows.rules import ROLES

_PART_KEYS = ("functionCall", "functionResponse", "inlineData", "fileData")
_SNAKE = {
    "functionCall": "function_call",
    "functionResponse": "function_response",
    "inlineData": "inline_data",
    "fileData": "file_data",
    "systemInstruction": "system_instruction",
    "mimeType": "mime_type",
    "fileUri": "file_uri",
}


def mime_type(url: str) -> str:
    """What kind of picture is at an address, by the end of its name."""
    ending = url.rpartition(".")[2].lower()
    return f"image/{'jpeg' if ending == 'jpg' else ending or 'png'}"


def _taken(rest: Row, key: str) -> Any:
    """The value under a key in either spelling; it is taken out."""
    return rest.pop(key if key in rest else _SNAKE[key], None)


def contents(rest: Row) -> Row | None:
    """The row as chat; its calls get ids where they have none."""
    turns = rest.get("contents")
    if not isinstance(turns, list) or not turns or "messages" in rest:
        return None
    turns = [_with_list(turn) for turn in turns]
    if not all(isinstance(turn, Mapping) and isinstance(turn.get("parts"), list) for turn in turns):
        return None
    if not all(isinstance(part, Mapping) for turn in turns for part in turn["parts"]):
        return None
    del rest["contents"]
    messages: list[Row] = []
    instruction = _taken(rest, "systemInstruction")
    if isinstance(instruction, Mapping):
        content = _content(objects_in(_with_list(instruction).get("parts")))
        messages = [{"role": "system", "content": content}] if content else []
        if unused := {k: v for k, v in instruction.items() if k not in ("role", "parts")}:
            rest["systemInstruction"] = unused
    elif isinstance(instruction, str):
        messages = [{"role": "system", "content": instruction}]
    open_calls: list[tuple[str, Any]] = []  # (id, name) without an answer, in their order
    n_calls = 0
    for turn in turns:
        more = {key: value for key, value in turn.items() if key not in ("role", "parts")}
        others: list[Mapping[str, Any]] = []
        calls: list[Row] = []
        thoughts: list[str] = []
        for part in turn["parts"]:
            rest_of_part = dict(part)
            call = _taken(rest_of_part, "functionCall")
            answer = _taken(rest_of_part, "functionResponse")
            if isinstance(call, Mapping):
                n_calls += 1
                calls.append(_call({**rest_of_part, **call}, n_calls))
                open_calls.append((calls[-1]["id"], call.get("name")))
            elif isinstance(answer, Mapping):
                messages.append({**_answer(answer, open_calls), **rest_of_part})
            elif part.get("thought") is True and isinstance(part.get("text"), str):
                thoughts.append(part["text"])  # what the model thinks is not what it says
            elif call is None and answer is None:
                others.append(part)
            else:
                return None
        if thoughts:
            more["reasoning_content"] = "\n\n".join(thoughts)
        name = turn.get("role", "user")
        small = name.lower() if isinstance(name, str) else name
        role = "assistant" if small == "model" else small if small in ROLES else name
        if calls:
            text = _content(others) or None
            messages.append({"role": role, "content": text, "tool_calls": calls, **more})
        elif others or more:
            messages.append({"role": role, "content": _content(others), **more})
    if "tools" in rest and not is_empty(tools := tools_of(rest.pop("tools"))):
        rest["tools"] = tools
    return {"messages": messages, **rest}


def _with_list(turn: Any) -> Any:
    """The turn with its parts in a list, also where it is but one."""
    if isinstance(turn, Mapping) and isinstance(turn.get("parts"), Mapping):
        return {**turn, "parts": [turn["parts"]]}
    return turn


def _call(call: Row, number: int) -> Row:
    call_id = call.pop("id", None) or f"call_{number}"
    arguments = arguments_text(call.pop("args", None))
    function = {"name": call.pop("name", None), "arguments": arguments, **call}
    return {"id": call_id, "type": "function", "function": function}


def _answer(answer: Mapping[str, Any], open_calls: list[tuple[str, Any]]) -> Row:
    """An answer of a function as a message: to the first open call of its name, or to the first."""
    rest = dict(answer)
    name, given_id, response = (
        rest.pop("name", None),
        rest.pop("id", None),
        rest.pop("response", {}),
    )
    fits = [call for call in open_calls if call[0] == given_id]
    fits = fits or [call for call in open_calls if call[1] == name] or open_calls[:1]
    if fits:
        open_calls.remove(fits[0])
    if isinstance(response, Mapping) and response.keys() == {"content"}:
        response = response["content"]
    text = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
    named = {"tool_call_id": fits[0][0]} if fits else {"tool_call_id": "", "name": name}
    return {"role": "tool", **named, "content": text, **rest}


def _content(parts: list[Mapping[str, Any]]) -> str | list[Row]:
    if all(part.keys() == {"text"} and isinstance(part["text"], str) for part in parts):
        return "\n".join(part["text"] for part in parts)
    return [_part(part) for part in parts]


def _part(part: Mapping[str, Any]) -> Row:
    rest = dict(part)
    data, file = _taken(rest, "inlineData"), _taken(rest, "fileData")
    if isinstance(data, Mapping):
        data = dict(data)
        url = f"data:{_taken(data, 'mimeType')};base64,{data.pop('data', '')}"
        return {"type": "image_url", "image_url": {"url": url, **data}, **rest}
    if isinstance(file, Mapping):
        file = dict(file)
        kind = _taken(file, "mimeType")
        url = _taken(file, "fileUri")
        more = {} if kind == mime_type(str(url)) else {"mimeType": kind}
        return {"type": "image_url", "image_url": {"url": url, **more, **file}, **rest}
    return {"type": "text", **rest} if isinstance(rest.get("text"), str) else dict(part)
