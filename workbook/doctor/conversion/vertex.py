"""Chat as Vertex AI's `contents`. Knows these two, and no files; the way back is in `forms`."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbook.doctor.errors import ConversionError
from workbook.doctor.forms.vertex_rows import mime_type
from workbook.doctor.losses import CALL_IDS, count_unused
from workbook.doctor.row_parts import is_system, objects_in

_DATA_URL = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.DOTALL)
_USED = {
    "assistant": {"role", "content", "tool_calls", "function_call"},
    "tool": {"role", "content", "tool_call_id", "name"},
    "function": {"role", "content", "name"},
}
_OTHERS = {"role", "content"}

Row = dict[str, Any]


def to_vertex(chat: Mapping[str, Any], lost: Counter[str]) -> Row:
    """A chat example as Vertex AI has it.

    lost: counts what it has no place for.
    Raises ConversionError where nothing sensible would be left.
    """
    systems: list[Row] = []
    contents: list[Row] = []
    call_names: dict[str, str] = {}  # of functions, by the ids of their calls, in their order
    for message in chat["messages"]:
        role = message.get("role")
        count_unused(message, _USED.get(str(role), _OTHERS), lost)
        parts = _parts(message.get("content"), lost)
        if is_system(message):
            systems += parts
        elif role == "assistant":
            parts += _calls(message, call_names, lost)
            contents.append({"role": "model", "parts": parts})
        elif role in ("tool", "function"):
            _answer(message, parts, contents, call_names)
        elif role == "user":
            contents.append({"role": "user", "parts": parts})
        else:
            raise ConversionError(f"Vertex has no place for the role {role!r}.")
    if not all(content["parts"] for content in contents) or not contents:
        raise ConversionError("A message has nothing that Vertex could read.")
    for content in contents:
        content["parts"] = [part.pop("_", part) for part in _in_order(content["parts"], call_names)]
    row: Row = {"systemInstruction": {"role": "system", "parts": systems}} if systems else {}
    row["contents"] = contents
    functions: list[Mapping[str, Any]] = []
    for tool in objects_in(chat.get("tools")):
        if isinstance(function := tool.get("function"), Mapping):
            count_unused({"strict": function.get("strict")}, set(), lost, "functions")
            functions.append({key: function[key] for key in function if key != "strict"})
        count_unused(tool, {"type", "function"} if function else {"type"}, lost, "tools")
    if functions := [*functions, *objects_in(chat.get("functions"))]:
        row["tools"] = [{"functionDeclarations": functions}]
    for key in ("tools", "functions"):
        if chat.get(key) and not objects_in(chat[key]):
            lost[f"`{key}`, which are no list of functions"] += 1
    if chat.get("parallel_tool_calls") is not None:
        lost["`parallel_tool_calls`"] += 1
    return row


def _answer(
    message: Mapping[str, Any], parts: list[Row], contents: list[Row], call_names: dict[str, str]
) -> None:
    """Put a function's answer at the end of the contents, beside others of the same turn."""
    call_id = str(message.get("tool_call_id"))
    name = message.get("name") or call_names.get(call_id, "")
    if not all(part.keys() == {"text"} for part in parts):
        raise ConversionError("Vertex has no place for a picture in a function's answer.")
    text = "\n".join(part["text"] for part in parts)
    response = {"functionResponse": {"name": name, "response": _response(text)}}
    answer = {"_": response, "id": call_id}  # the id orders them, and goes
    if contents and any("_" in part for part in contents[-1]["parts"][-1:]):
        contents[-1]["parts"].append(answer)
    else:
        contents.append({"role": "user", "parts": [answer]})


def _response(text: str) -> Any:
    """An answer as an object: the one it is as JSON, or one that holds the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    as_is = isinstance(value, dict) and value.keys() != {"content"}
    same = as_is and json.dumps(value, ensure_ascii=False) == text
    return value if same else {"content": text}


def _in_order(parts: list[Row], call_names: dict[str, str]) -> list[Row]:
    """The answers of a turn in the order of their calls, by which Vertex pairs them."""
    if not all("_" in part for part in parts):
        return parts
    places = {call_id: place for place, call_id in enumerate(call_names)}
    return sorted(parts, key=lambda part: places.get(part["id"], len(places)))


def _calls(message: Mapping[str, Any], call_names: dict[str, str], lost: Counter[str]) -> list[Row]:
    """The calls of an assistant's message; the names of their functions are noted."""
    functions: list[Mapping[str, Any]] = []
    for call in objects_in(message.get("tool_calls")):
        function = call.get("function", {})
        if not isinstance(function, Mapping):
            raise ConversionError("The function of a call is no object.")
        count_unused(call, {"id", "type", "function"}, lost, "calls")
        call_names[str(call.get("id"))] = str(function.get("name"))
        lost[CALL_IDS] += 1
        functions.append(function)
    if isinstance(message.get("function_call"), Mapping):
        functions.append(message["function_call"])
    for function in functions:
        count_unused(function, {"name", "arguments"}, lost, "calls")
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


def _parts(content: Any, lost: Counter[str]) -> list[Row]:
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
            count_unused(image, {"url", "mimeType"}, lost, "images")
            parts.append({"inlineData": {"mimeType": match[1], "data": match[2]}})
        elif url.startswith("gs://"):
            count_unused(image, {"url", "mimeType"}, lost, "images")
            kind = image.get("mimeType") if isinstance(image, Mapping) else None
            parts.append({"fileData": {"fileUri": url, "mimeType": kind or mime_type(url)}})
        else:
            lost["parts that Vertex can't load (images by web address, sounds, files)"] += 1
    return parts
