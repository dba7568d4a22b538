"""Planting one mistake in a small Python function, as a person might make it.

Each edit changes one line and nothing else of its text, so that nothing but the mistake tells it
from the right line. Knows Python's syntax tree. Does not know whether a test would notice: see
`repairs`.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

KINDS = (
    "off by one",
    "wrong operator",
    "wrong variable",
    "missing return",
    "mutable default",
    "early return",
)
HELD_OUT = ("swapped arguments", "negated condition", "wrong function", "wrong number")

_Node = ast.expr | ast.stmt
_OPERATORS = {
    "+": "-",
    "-": "+",
    "*": "+",
    "/": "*",
    "//": "%",
    "%": "//",
    "**": "*",
    "==": "!=",
    "!=": "==",
    "<": ">",
    ">": "<",
    "<=": ">=",
    ">=": "<=",
    "in": "not in",
    "not in": "in",
    "and": "or",
    "or": "and",
    "is": "is not",
    "is not": "is",
    "+=": "-=",
    "-=": "+=",
    "*=": "+=",
    "//=": "-=",
    "%=": "-=",
}
_BOUNDS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_FUNCTIONS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sum": "max",
    "abs": "int",
    "upper": "lower",
    "lower": "upper",
    "isupper": "islower",
    "append": "extend",
    "extend": "append",
    "startswith": "endswith",
    "lstrip": "rstrip",
    "rstrip": "lstrip",
    "add": "discard",
    "items": "keys",
    "ord": "len",
    "sorted": "list",
    "set": "list",
}


@dataclass(frozen=True)
class Mistake:
    """One line, counted from 1, as it is with the mistake and as it was."""

    kind: str
    line: int
    wrong: str
    right: str


def with_line(source: str, line: int, text: str) -> str:
    """The source with another text in one of its lines, counted from 1."""
    lines = source.split("\n")
    lines[line - 1] = text
    return "\n".join(lines)


def plant(source: str) -> list[Mistake]:
    """Every mistake that can be planted in a function, in the order of its lines.

    Only what can still be read as Python. Raises SyntaxError where the source is none.
    """
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    lines = source.split("\n")
    by_text: dict[tuple[int, str], Mistake] = {}
    for kind, line, wrong in _edits(function, lines):
        if wrong != lines[line - 1] and _is_python(with_line(source, line, wrong)):
            by_text.setdefault((line, wrong), Mistake(kind, line, wrong, lines[line - 1]))
    return sorted(by_text.values(), key=lambda each: (each.line, each.kind, each.wrong))


def _is_python(source: str) -> bool:
    try:
        compile(source, "<planted>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _edits(function: ast.FunctionDef, lines: list[str]) -> Iterator[tuple[str, int, str]]:
    """(kind, line, the whole line with the mistake)."""

    def put(node: _Node, text: str, end: _Node | None = None) -> tuple[int, str]:
        """The line with a text in place of a node (up to the end of another)."""
        last = (end or node).end_col_offset
        line = lines[node.lineno - 1]
        return node.lineno, line[: node.col_offset] + text + line[last:]

    def text(node: _Node) -> str:
        return lines[node.lineno - 1][node.col_offset : node.end_col_offset]

    def between(left: _Node, right: _Node, table: dict[str, str]) -> tuple[int, str] | None:
        """The line with another operator between two nodes, if the table has one."""
        line = lines[left.lineno - 1]
        gap = line[left.end_col_offset : right.col_offset]
        sign = re.sub(r"[()\s]+", " ", gap).strip()
        if left.end_lineno != right.lineno or sign not in table:
            return None
        gap = gap.replace(sign, table[sign], 1)
        return left.lineno, line[: left.end_col_offset] + gap + line[right.col_offset :]

    names = _local_names(function)
    bounds = _bounds(function)
    for node in ast.walk(function):
        places: list[tuple[_Node, _Node]] = []
        if isinstance(node, ast.BinOp):
            places = [(node.left, node.right)]
        elif isinstance(node, ast.AugAssign):
            places = [(node.target, node.value)]
        elif isinstance(node, ast.Compare):
            places = list(zip([node.left, *node.comparators], node.comparators, strict=False))
        elif isinstance(node, ast.BoolOp):
            places = list(zip(node.values, node.values[1:], strict=False))
        for left, right in places:
            if edit := between(left, right, _OPERATORS):
                yield "wrong operator", *edit
            if isinstance(node, ast.Compare) and (edit := between(left, right, _BOUNDS)):
                yield "off by one", *edit
        if isinstance(node, ast.Constant) and type(node.value) is int:
            kind = "off by one" if id(node) in bounds else "wrong number"
            for value in (node.value + 1, node.value - 1):
                if value >= 0:
                    yield kind, *put(node, str(value))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            for name in names:
                if name != node.id:
                    yield "wrong variable", *put(node, name)
        elif isinstance(node, ast.Call):
            yield from ((kind, *edit) for kind, edit in _of_call(node, put, text))
        elif isinstance(node, ast.Return) and node.value is not None:
            yield "missing return", *put(node, text(node.value))
            yield "early return", node.lineno, "    " + lines[node.lineno - 1]
        elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
            yield "negated condition", *put(node.test, _negated(node.test, text(node.test)))
    fresh = re.search(r"(\[\]|\{\}|set\(\))", "\n".join(lines[1:]))
    for default in function.args.defaults:
        if isinstance(default, ast.Constant) and default.value is None and fresh:
            yield "mutable default", *put(default, fresh[0])


def _of_call(
    node: ast.Call, put: Callable[..., tuple[int, str]], text: Callable[[_Node], str]
) -> Iterator[tuple[str, tuple[int, str]]]:
    function, arguments = node.func, node.args
    if isinstance(function, ast.Name) and function.id in _FUNCTIONS:
        yield "wrong function", put(function, _FUNCTIONS[function.id])
    if isinstance(function, ast.Attribute) and function.attr in _FUNCTIONS:
        old = text(function)
        new = old.removesuffix(function.attr) + _FUNCTIONS[function.attr]
        yield "wrong function", put(function, new)
    if isinstance(function, ast.Name) and function.id == "range":
        last = arguments[min(1, len(arguments) - 1)]
        if isinstance(last, (ast.Name, ast.Call)):  # `n + 1 + 1` would give itself away
            yield "off by one", put(last, f"{text(last)} - 1")
            yield "off by one", put(last, f"{text(last)} + 1")
    if len(arguments) > 1 and not any(isinstance(each, ast.Starred) for each in arguments[:2]):
        first, second = arguments[:2]
        if first.lineno == second.end_lineno:
            swap = f"{text(second)}, {text(first)}"
            yield "swapped arguments", put(first, swap, end=second)


def _negated(test: ast.expr, text: str) -> str:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return text.removeprefix("not").strip()
    return f"not ({text})" if isinstance(test, ast.BoolOp) else f"not {text}"


def _local_names(function: ast.FunctionDef) -> list[str]:
    """Parameters and variables, in the order of their first place."""
    names = [each.arg for each in function.args.args]
    stores = (each for each in ast.walk(function) if isinstance(each, ast.Name))
    names += [each.id for each in stores if isinstance(each.ctx, ast.Store) and each.id != "_"]
    return list(dict.fromkeys(names))


def _bounds(function: ast.FunctionDef) -> set[int]:
    """The ids of the numbers that say where something begins or ends."""
    ids: set[int] = set()
    for node in ast.walk(function):
        inside: list[ast.AST] = []
        if isinstance(node, ast.Subscript):
            inside = [node.slice]
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            inside = [each for each in sides if isinstance(each, ast.Constant) or _is_shift(each)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "range":
            inside = list(node.args)
        ids |= {id(each) for part in inside for each in ast.walk(part)}
    return ids


def _is_shift(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))
