"""Between chat and Vertex AI's `contents`. Knows these two, and no files."""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbook.doctor.errors import ConversionError
from workbook.doctor.row_parts import is_system, objects_in

_DATA_URL = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.DOTALL)

Row = dict[str, Any]


def to_vertex(chat: Mapping[str, Any], lost: Counter[str]) -> Row:
    """A chat example as Vertex AI has it.

    lost: counts what it has no place for.
    Raises ConversionError where nothing sensible would be left.
    """
    systems: list[Row] = []
    contents: list[Row] = []
    call_names: dict[str, str] = {}  # of functions, by the ids of their calls
    for message in chat["messages"]:
        role = message.get("role")
        for key in ("weight", "name", "refusal"):
            if message.get(key) is not None and not (key == "name" and role == "function"):
                lost[f"`{key}` of messages"] += 1
        parts = _vertex_parts(message.get("content"), lost)
        if is_system(message):
            systems += parts
        elif role == "assistant":
            parts += _vertex_calls(message, call_names, lost)
            contents.append({"role": "model", "parts": parts})
        elif role in ("tool", "function"):
            name = message.get("name") or call_names.get(str(message.get("tool_call_id")), "")
            content = "\n".join(part.get("text", "") for part in parts)
            answer = {"functionResponse": {"name": name, "response": {"content": content}}}
            if contents and any("functionResponse" in part for part in contents[-1]["parts"][-1:]):
                contents[-1]["parts"].append(answer)
            else:
                contents.append({"role": "user", "parts": [answer]})
        else:
            contents.append({"role": "user", "parts": parts})
    if not all(content["parts"] for content in contents) or not contents:
        raise ConversionError("A message has nothing that Vertex could read.")
    row: Row = {"systemInstruction": {"role": "system", "parts": systems}} if systems else {}
    row["contents"] = contents
    functions = [tool.get("function") for tool in objects_in(chat.get("tools"))]
    if functions := [*filter(None, functions), *objects_in(chat.get("functions"))]:
        row["tools"] = [{"functionDeclarations": functions}]
    if chat.get("parallel_tool_calls") is not None:
        lost["`parallel_tool_calls`"] += 1
    return row


def _vertex_calls(
    message: Mapping[str, Any], call_names: dict[str, str], lost: Counter[str]
) -> list[Row]:
    """The calls of an assistant's message; the names of their functions are noted."""
    functions = []
    for call in objects_in(message.get("tool_calls")):
        function = call.get("function", {})
        if not isinstance(function, Mapping):
            raise ConversionError("The function of a call is no object.")
        call_names[str(call.get("id"))] = str(function.get("name"))
        lost["ids of tool calls"] += 1
        functions.append(function)
    if isinstance(message.get("function_call"), Mapping):
        functions.append(message["function_call"])
    return [
        {
            "functionCall": {
                "name": function.get("name"),
                "args": _arguments(function.get("arguments")),
            }
        }
        for function in functions
    ]


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise ConversionError("The arguments of a call are not JSON.") from None


def _vertex_parts(content: Any, lost: Counter[str]) -> list[Row]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"text": content}]
    parts: list[Row] = []
    for part in content if isinstance(content, list) else []:
        image = part.get("image_url") if isinstance(part, Mapping) else None
        url = str(image.get("url", "")) if isinstance(image, Mapping) else ""
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            parts.append({"text": part["text"]})
        elif match := _DATA_URL.match(url):
            parts.append({"inlineData": {"mimeType": match[1], "data": match[2]}})
        elif url.startswith("gs://"):
            parts.append({"fileData": {"fileUri": url, "mimeType": _mime_type(url)}})
        else:
            lost["parts that Vertex can't load (images by web address, sounds, files)"] += 1
    return parts


def _mime_type(url: str) -> str:
    ending = url.rpartition(".")[2].lower()
    return f"image/{'jpeg' if ending == 'jpg' else ending or 'png'}"


def from_vertex(row: Mapping[str, Any], lost: Counter[str]) -> Row:
    """One of Vertex AI's examples as chat; its calls get ids.

    row: has a list `contents`.
    lost: counts what chat has no place for.
    Raises ConversionError for contents, calls and answers that are no objects.
    """
    messages: list[Row] = []
    instruction = row.get("systemInstruction")
    if isinstance(instruction, Mapping):
        content = _chat_content(objects_in(instruction.get("parts")), lost)
        messages.append({"role": "system", "content": content})
    n_calls = 0
    open_ids: list[str] = []  # of calls without an answer, in their order
    for content in row["contents"]:
        if not isinstance(content, Mapping):
            raise ConversionError("`contents` holds something that is no object.")
        parts = objects_in(content.get("parts"))
        messages += [
            _tool_message(answer, open_ids.pop(0) if open_ids else "")
            for answer in _values("functionResponse", parts)
        ]
        rest = [part for part in parts if not part.keys() & {"functionResponse", "functionCall"}]
        calls = []
        for function in _values("functionCall", parts):
            n_calls += 1
            open_ids.append(f"call_{n_calls}")
            calls.append(_tool_call(function, open_ids[-1]))
        if calls:
            text = _chat_content(rest, lost) or None
            messages.append({"role": "assistant", "content": text, "tool_calls": calls})
        elif rest:
            role = "assistant" if content.get("role") == "model" else "user"
            messages.append({"role": role, "content": _chat_content(rest, lost)})
    chat: Row = {"messages": messages}
    tools = [
        {"type": "function", "function": function}
        for tool in objects_in(row.get("tools"))
        for function in objects_in(tool.get("functionDeclarations"))
    ]
    if tools:
        chat["tools"] = tools
    if extra := row.keys() - {"systemInstruction", "contents", "tools"}:
        lost[", ".join(f"`{key}`" for key in sorted(extra))] += 1
    return chat


def _values(key: str, parts: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What stands under a key in those parts that have it."""
    values = [part[key] for part in parts if key in part]
    if not all(isinstance(value, Mapping) for value in values):
        raise ConversionError(f"A `{key}` is no object.")
    return values


def _tool_message(answer: Mapping[str, Any], call_id: str) -> Row:
    content = answer.get("response", {})
    if isinstance(content, Mapping):
        content = content.get("content", content)
    text = content if isinstance(content, str) else json.dumps(content)
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def _tool_call(function: Mapping[str, Any], call_id: str) -> Row:
    arguments = json.dumps(function.get("args", {}))
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": function.get("name"), "arguments": arguments},
    }


def _chat_content(parts: list[Mapping[str, Any]], lost: Counter[str]) -> str | list[Row]:
    """The content of a message: text, or a list of parts where there are pictures."""
    if all(isinstance(part.get("text"), str) for part in parts):
        return "\n".join(part["text"] for part in parts)
    content: list[Row] = []
    for part in parts:
        if isinstance(part.get("text"), str):
            content.append({"type": "text", "text": part["text"]})
        elif isinstance(data := part.get("inlineData"), Mapping) and _is_base64(data.get("data")):
            url = f"data:{data.get('mimeType')};base64,{data['data']}"
            content.append({"type": "image_url", "image_url": {"url": url}})
        elif isinstance(file := part.get("fileData"), Mapping):
            content.append({"type": "image_url", "image_url": {"url": file.get("fileUri")}})
        else:
            lost["parts that chat has no form for"] += 1
    return content


def _is_base64(data: Any) -> bool:
    try:
        return isinstance(data, str) and bool(base64.b64decode(data, validate=True) or not data)
    except binascii.Error:
        return False
