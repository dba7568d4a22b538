"""What the contained process does with code that a model wrote: it runs it, calls it, and tells.

`repairs` hands this file's text to `grading.python_grader`, which runs it shut in. What a call
should give is not known in that process, so nothing that the code does there can feign it: only a
digest of what the calls gave comes out. Imports nothing of the project.
"""

import hashlib
from typing import Any


def grade(sample: dict[str, Any], item: dict[str, Any]) -> int:
    """The digest of what the calls give, one after another, in one space of names."""
    space: dict[str, Any] = {"__name__": "answer"}
    exec(compile(sample["output_text"], "<answer>", "exec", dont_inherit=True), space)
    return digest([_outcome(call, space) for call in item["calls"]])


def _outcome(call: str, space: dict[str, Any]) -> str:
    try:
        return canonical(eval(call, space))
    except BaseException as error:
        return f"raises {type(error).__name__}"


def digest(outcomes: list[str]) -> int:
    """48 bits, so that a float holds them exactly."""
    return int.from_bytes(hashlib.sha256(repr(outcomes).encode()).digest()[:6], "big")


def canonical(value: Any) -> str:
    """A value as text: equal numbers of any type look equal, and so do dictionaries and sets in
    any order. Raises TypeError for what is no plain value, whatever it says of itself.
    """
    kind = type(value)
    if kind in (bool, str, bytes, type(None)):
        return repr(value)
    if kind in (int, float):
        return repr(int(value)) if value == value and value in (0, value // 1) else repr(value)
    if kind is dict:
        entries = sorted((canonical(key), canonical(each)) for key, each in value.items())
        return "{" + ", ".join(f"{key}: {each}" for key, each in entries) + "}"
    if kind in (set, frozenset):
        return "{" + ", ".join(sorted(map(canonical, value))) + "}"
    if kind in (list, tuple):
        inside = ", ".join(map(canonical, value))
        return f"[{inside}]" if kind is list else f"({inside},)"
    raise TypeError(f"{kind.__name__} is no plain value")
