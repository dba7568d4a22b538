"""How a value that somebody else wrote is named and shown in a sentence: short, on one line, safe.

Takes any Python value, also what JSON can't hold; raises nothing.
"""

import json
from typing import Any


def excerpt(value: Any, length: int = 60) -> str:
    """The start of a value on one line, with control and broken characters made visible."""
    if not isinstance(value, str):
        value = as_json(value, in_order=False)
    start = value[:length].encode("utf-8", "backslashreplace").decode("utf-8")
    if not start.isprintable():
        start = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in start)
    return start + ("…" if len(value) > length else "")


def as_json(value: Any, in_order: bool = True) -> str:
    """The value as JSON with its keys in order; something like it for what JSON can't hold."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=in_order)
    except (TypeError, ValueError, RecursionError):
        try:
            return repr(value)
        except Exception:  # a value too deep to print is still one value
            return f"<{type(value).__name__} {id(value)}>"


def kind_of(value: Any) -> str:
    """What a value is, for a reader who knows no Python."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        dict: "an object",
        list: "a list",
        str: "text",
        type(None): "null",
    }
    return names.get(type(value), f"a Python {type(value).__name__}")
