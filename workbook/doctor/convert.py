"""Examples from one format into another, and what is lost on the way.

Knows chat, prompt/completion, preference (DPO), and Vertex AI's `contents`. Azure takes chat as it
is, in files that begin with a byte order mark. Knows no files.
"""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbook.errors import WorkbookError
from workbook.rows.validator import format_of

FORMATS = ("chat", "completion", "azure", "vertex", "dpo")
_DATA_URL = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.DOTALL)

Row = dict[str, Any]


class CannotConvert(WorkbookError):
    """A row whose meaning the other format can't hold."""


def convert(row: Any, to: str, lost: Counter[str] | None = None, system: str | None = None) -> Row:
    """One example in the format `to`.

    lost     counts what the new format has no place for
    system   a system message for rows that have none (to chat, Azure and Vertex)
    Raises CannotConvert where nothing sensible would be left.
    """
    lost = Counter() if lost is None else lost
    if to not in FORMATS:
        raise WorkbookError(f"No format {to!r}. There are: {', '.join(FORMATS)}.")
    if to == "dpo":
        return _to_dpo(row)
    if to == "completion":
        return row if format_of(row) == "completion" else _to_completion(_to_chat(row, lost, None))
    chat = _to_chat(row, lost, system)
    return _to_vertex(chat, lost) if to == "vertex" else chat


def _to_completion(chat: Row) -> Row:
    from workbook.doctor import checking

    try:
        return checking.to_prompt_completion(chat)
    except checking.DatasetError as error:
        raise CannotConvert(str(error)) from None


def _to_chat(row: Any, lost: Counter[str], system: str | None) -> Row:
    kind = format_of(row)
    if kind == "completion":
        from workbook.doctor import checking

        try:
            return checking.to_chat(row, system)
        except checking.DatasetError as error:
            raise CannotConvert(str(error)) from None
    if kind == "preference":
        if not isinstance(row.get("input"), Mapping) or not all(
            isinstance(part, list)
            for part in (row["input"].get("messages"), row.get("preferred_output"))
        ):
            raise CannotConvert("The preference example is incomplete.")
        lost["answers that were not preferred"] += 1
        tools = {key: value for key, value in row["input"].items() if key != "messages"}
        row = {"messages": [*row["input"]["messages"], *row["preferred_output"]], **tools}
    elif isinstance(row, Mapping) and isinstance(row.get("contents"), list):
        row = _from_vertex(row, lost)
    elif kind != "chat":
        raise CannotConvert("The row is in none of the formats that can be converted.")
    messages = row["messages"]
    if not isinstance(messages, list) or not all(isinstance(each, Mapping) for each in messages):
        raise CannotConvert("`messages` is not a list of messages.")
    if system and not any(each.get("role") in ("system", "developer") for each in messages):
        row = dict(row) | {"messages": [{"role": "system", "content": system}, *messages]}
    return dict(row)


# Preference


def _to_dpo(row: Any) -> Row:
    """From `prompt`, `chosen`, `rejected`, as TRL and many published sets have them."""
    if format_of(row) == "preference":
        return dict(row)
    if not isinstance(row, Mapping) or not row.keys() >= {"prompt", "chosen", "rejected"}:
        raise CannotConvert(
            "A preference example needs two answers: `prompt`, `chosen` and "
            "`rejected`. One answer alone says nothing about what is worse."
        )
    asked = _turns(row["prompt"], "user")
    return {"input": {"messages": asked}} | {
        key: _turns(row[name], "assistant")[-1:]
        for key, name in (("preferred_output", "chosen"), ("non_preferred_output", "rejected"))
    }


def _turns(value: Any, role: str) -> list[Row]:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
        return [dict(each) for each in value]
    raise CannotConvert("A prompt or an answer is neither text nor a list of messages.")


# Vertex AI


def _to_vertex(chat: Row, lost: Counter[str]) -> Row:
    systems, contents = [], []
    names: dict[str, str] = {}
    for message in chat["messages"]:
        role = message.get("role")
        for key in ("weight", "name", "refusal"):
            if message.get(key) is not None and not (key == "name" and role == "function"):
                lost[f"`{key}` of messages"] += 1
        parts = _parts(message.get("content"), lost)
        if role in ("system", "developer"):
            systems += parts
            continue
        if role == "assistant":
            calls = message.get("tool_calls") or []
            functions = [call.get("function", {}) for call in calls if isinstance(call, Mapping)]
            if isinstance(message.get("function_call"), Mapping):
                functions.append(message["function_call"])
            for call in calls:
                names[str(call.get("id"))] = str(call.get("function", {}).get("name"))
                lost["ids of tool calls"] += 1
            parts += [
                {
                    "functionCall": {
                        "name": each.get("name"),
                        "args": _arguments(each.get("arguments")),
                    }
                }
                for each in functions
            ]
            contents.append({"role": "model", "parts": parts})
        elif role in ("tool", "function"):
            name = message.get("name") or names.get(str(message.get("tool_call_id")), "")
            said = "\n".join(part.get("text", "") for part in parts)
            answer = {"functionResponse": {"name": name, "response": {"content": said}}}
            if contents and "functionResponse" in contents[-1]["parts"][-1]:
                contents[-1]["parts"].append(answer)
            else:
                contents.append({"role": "user", "parts": [answer]})
        else:
            contents.append({"role": "user", "parts": parts})
    if not all(content["parts"] for content in contents) or not contents:
        raise CannotConvert("A message has nothing that Vertex could read.")
    row: Row = {"systemInstruction": {"role": "system", "parts": systems}} if systems else {}
    row["contents"] = contents
    tools = [each.get("function") for each in chat.get("tools") or [] if isinstance(each, Mapping)]
    if tools := [*filter(None, tools), *(chat.get("functions") or [])]:
        row["tools"] = [{"functionDeclarations": tools}]
    if chat.get("parallel_tool_calls") is not None:
        lost["`parallel_tool_calls`"] += 1
    return row


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise CannotConvert("The arguments of a call are not JSON.") from None


def _parts(content: Any, lost: Counter[str]) -> list[Row]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"text": content}]
    parts = []
    for part in content if isinstance(content, list) else []:
        url = (
            part.get("image_url", {}).get("url", "")
            if isinstance(part, Mapping) and isinstance(part.get("image_url"), Mapping)
            else ""
        )
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            parts.append({"text": part["text"]})
        elif match := _DATA_URL.match(str(url)):
            parts.append({"inlineData": {"mimeType": match[1], "data": match[2]}})
        elif str(url).startswith("gs://"):
            parts.append({"fileData": {"fileUri": url, "mimeType": _mime(url)}})
        else:
            lost["parts that Vertex can't load (images by web address, sounds, files)"] += 1
    return parts


def _mime(url: str) -> str:
    ending = url.rpartition(".")[2].lower()
    return f"image/{'jpeg' if ending == 'jpg' else ending or 'png'}"


def _from_vertex(row: Mapping, lost: Counter[str]) -> Row:
    messages: list[Row] = []
    instruction = row.get("systemInstruction")
    if isinstance(instruction, Mapping):
        messages.append({"role": "system", "content": _plain(_list(instruction), lost)})
    count, waiting = 0, []
    for content in row["contents"]:
        if not isinstance(content, Mapping):
            raise CannotConvert("`contents` holds something that is no object.")
        parts = _list(content)
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        rest = [part for part in parts if not part.keys() & {"functionResponse", "functionCall"}]
        for answer in answers:
            said = answer.get("response", {})
            said = said.get("content", said) if isinstance(said, Mapping) else said
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": waiting.pop(0) if waiting else "",
                    "content": said if isinstance(said, str) else json.dumps(said),
                }
            )
        if calls:
            its = []
            for call in calls:
                count += 1
                waiting.append(f"call_{count}")
                its.append(
                    {
                        "id": waiting[-1],
                        "type": "function",
                        "function": {
                            "name": call.get("name"),
                            "arguments": json.dumps(call.get("args", {})),
                        },
                    }
                )
            messages.append(
                {"role": "assistant", "content": _plain(rest, lost) or None, "tool_calls": its}
            )
        elif rest:
            role = "assistant" if content.get("role") == "model" else "user"
            messages.append({"role": role, "content": _plain(rest, lost)})
    chat: Row = {"messages": messages}
    tools = [
        function
        for tool in row.get("tools") or []
        if isinstance(tool, Mapping)
        for function in tool.get("functionDeclarations") or []
    ]
    if tools:
        chat["tools"] = [{"type": "function", "function": function} for function in tools]
    if extra := row.keys() - {"systemInstruction", "contents", "tools"}:
        lost[", ".join(f"`{key}`" for key in sorted(extra))] += 1
    return chat


def _list(content: Mapping) -> list[Row]:
    parts = content.get("parts")
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []


def _plain(parts: list[Row], lost: Counter[str]) -> Any:
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
