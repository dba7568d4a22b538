"""Google's `contents` as OpenAI's messages. Texts only: what else there is, is named and refused.

Knows these two shapes; knows nothing of jobs or answers.
"""

from typing import Any

_ROLES = {"user": "user", "model": "assistant"}
KEYS = {"contents", "systemInstruction", "system_instruction"}


class ContentsError(ValueError):
    """What can't be read, and where."""


def messages(row: Any) -> list[dict[str, str]]:
    """The conversation of a request or a training row. Raises ContentsError."""
    if not isinstance(row, dict):
        raise ContentsError("it is no object")
    found = []
    instruction = row.get("systemInstruction", row.get("system_instruction"))
    if instruction is not None:
        found.append({"role": "system", "content": _text(instruction, "systemInstruction")})
    contents = row.get("contents")
    if not isinstance(contents, list) or not contents:
        raise ContentsError("`contents` must be a list of turns")
    for number, content in enumerate(contents):
        where = f"contents[{number}]"
        role = content.get("role", "user") if isinstance(content, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise ContentsError(f"`{where}.role` is {role!r}, not 'user' or 'model'")
        found.append({"role": _ROLES[role], "content": _text(content, where)})
    return found


def _text(content: Any, where: str) -> str:
    if isinstance(content, str) and where == "systemInstruction":
        return content
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list) or not parts:
        raise ContentsError(f"`{where}.parts` must be a list of parts")
    for number, part in enumerate(parts):
        if not isinstance(part, dict) or not isinstance(part.get("text"), str):
            kind = next(iter(part), "nothing") if isinstance(part, dict) else type(part).__name__
            raise ContentsError(f"`{where}.parts[{number}]` has {kind}; the lab reads text only")
    return "\n".join(part["text"] for part in parts)
