"""Chat as Bedrock's conversations (`bedrock-conversation-2024`). Knows no files.

Source: docs.aws.amazon.com/nova, "Preparing data for fine-tuning", the schema of a training row.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbook.doctor.errors import ConversionError
from workbook.doctor.losses import count_unused
from workbook.doctor.row_parts import is_system, objects_in

_DATA_URL = re.compile(r"data:image/([\w.+-]+);base64,(.*)", re.DOTALL)
_USED = {
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
}
_OTHERS = {"role", "content"}

Row = dict[str, Any]


def to_bedrock(chat: Mapping[str, Any], lost: Counter[str]) -> Row:
    """A chat example as Bedrock has it.

    lost: counts what it has no place for.
    Raises ConversionError where nothing sensible would be left.
    """
    systems: list[Row] = []
    turns: list[Row] = []
    for message in chat["messages"]:
        count_unused(message, _USED.get(str(message.get("role")), _OTHERS), lost)
        blocks = _blocks(message.get("content"), lost)
        role = message.get("role")
        if is_system(message):
            systems += blocks
            continue
        if role == "tool":
            answer = {"toolUseId": message.get("tool_call_id"), "content": blocks}
            blocks, role = [{"toolResult": answer}], "user"
        elif role == "assistant":
            blocks += [_use(call, lost) for call in objects_in(message.get("tool_calls"))]
        elif role != "user":
            raise ConversionError(f"Bedrock has no place for the role {role!r}.")
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or not all(turn["content"] for turn in turns):
        raise ConversionError("A message has nothing that Bedrock could read.")
    row: Row = {"schemaVersion": "bedrock-conversation-2024"}
    if systems:
        row["system"] = systems
    row["messages"] = turns
    specs = []
    for tool in objects_in(chat.get("tools")):
        if not isinstance(tool.get("function"), Mapping):
            raise ConversionError("A tool is no function.")
        count_unused(tool, {"type", "function"}, lost, "tools")
        function = dict(tool["function"])
        schema = {"json": function.pop("parameters", {"type": "object"})}
        specs.append({"toolSpec": {**function, "inputSchema": schema}})
    if specs:
        row["toolConfig"] = {"tools": specs}
    for key in ("functions", "parallel_tool_calls"):
        if chat.get(key) is not None:
            lost[f"`{key}`"] += 1
    return row


def _blocks(content: Any, lost: Counter[str]) -> list[Row]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    blocks: list[Row] = []
    for part in content if isinstance(content, list) else []:
        image = part.get("image_url") if isinstance(part, Mapping) else None
        url = str(image.get("url", "")) if isinstance(image, Mapping) else ""
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            blocks.append({"text": part["text"]})
        elif match := _DATA_URL.match(url):
            count_unused(image, {"url"}, lost, "images")
            blocks.append({"image": {"format": match[1], "source": {"bytes": match[2]}}})
        elif url.startswith("s3://"):
            count_unused(image, {"url"}, lost, "images")
            kind = url.rpartition(".")[2].lower()
            source = {"s3Location": {"uri": url}}
            image = {"format": "jpeg" if kind == "jpg" else kind, "source": source}
            blocks.append({"image": image})
        else:
            lost["parts that Bedrock can't load (images by web address, sounds, files)"] += 1
    return blocks


def _use(call: Mapping[str, Any], lost: Counter[str]) -> Row:
    function = call.get("function")
    if not isinstance(function, Mapping):
        raise ConversionError("The function of a call is no object.")
    count_unused(call, {"id", "type", "function"}, lost, "calls")
    count_unused(function, {"name", "arguments"}, lost, "calls")
    try:
        arguments = json.loads(function.get("arguments"))  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError):
        raise ConversionError("The arguments of a call are not JSON.") from None
    use = {"toolUseId": call.get("id"), "name": function.get("name"), "input": arguments}
    return {"toolUse": use}
