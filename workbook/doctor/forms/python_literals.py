"""What Python printed in the place of JSON: lists and objects with single quotes, None, True.

Nothing is run: `ast.literal_eval` reads literals alone, and what Python alone can hold is left.
"""

import ast
import json
from typing import Any

_LONGEST = 512 * 1024  # characters that are read as Python
_DEEPEST = 60


def read(text: str) -> Any:
    """The list or object that a text is in Python; None where it is none that JSON could hold."""
    if len(text) > _LONGEST or text[:1] not in ("{", "[") or _depth(text) > _DEEPEST:
        return None
    try:
        tree = ast.parse(text, mode="eval")
        # Of a key that stands twice one value would be gone.
        if any(map(_repeats, ast.walk(tree))):
            return None
        value = _lists(ast.literal_eval(tree))
        return value if json.loads(json.dumps(value, allow_nan=False)) == value else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _depth(text: str) -> int:
    """How deeply brackets are nested at most, those in texts included."""
    depth = deepest = 0
    for sign in text:
        if sign in "{[(":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "}])":
            depth -= 1
    return deepest


def _repeats(node: ast.AST) -> bool:
    """Whether it is an object that has a key twice."""
    if not isinstance(node, ast.Dict):
        return False
    keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
    return len(set(keys)) < len(node.keys)


def _lists(value: Any) -> Any:
    """The value with lists in the place of tuples."""
    if isinstance(value, (list, tuple)):
        return [_lists(item) for item in value]
    return {key: _lists(item) for key, item in value.items()} if isinstance(value, dict) else value
