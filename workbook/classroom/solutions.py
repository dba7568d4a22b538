"""Solutions of exercises as code that stands on its own, from the modules that hold them.

A module has `SOLUTIONS = {"02.1": [answer, …]}`; of each the first answer is shown, with whatever
of the module it needs. Reads source, runs nothing.
"""

import ast
from pathlib import Path


def of_module(path: Path) -> dict[str, str]:
    """The source of one solution of each exercise, by id. Raises ValueError: no such module."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    definitions: dict[str, ast.stmt] = {}
    for statement in tree.body:
        for name in _names_made(statement):
            definitions[name] = statement
    table = getattr(definitions.get("SOLUTIONS"), "value", None)
    if not isinstance(table, ast.Dict):
        raise ValueError(f"{path} has no table SOLUTIONS")
    sources = {}
    for key, answers in zip(table.keys, table.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(answers, ast.List) and answers.elts:
            sources[str(key.value)] = _with_needs(text, tree, definitions, answers.elts[0])
    return sources


def _with_needs(
    text: str, tree: ast.Module, definitions: dict[str, ast.stmt], answer: ast.expr
) -> str:
    """The answer's source after that of all it needs, in the module's order."""
    needed: set[int] = set()
    waiting: list[ast.AST] = [answer]
    while waiting:
        for node in ast.walk(waiting.pop()):
            statement = definitions.get(node.id) if isinstance(node, ast.Name) else None
            if statement is not None and id(statement) not in needed:
                needed.add(id(statement))
                waiting.append(statement)
    parts = [_source(text, statement) for statement in tree.body if id(statement) in needed]
    if not (isinstance(answer, ast.Name) and answer.id in definitions):
        parts.append(f"answer = {_source(text, answer)}")
    return "\n\n".join(part for part in parts if part)


def _names_made(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(alias.asname or alias.name).partition(".")[0] for alias in names]
        case ast.Assign(targets=targets):
            nodes = [node for target in targets for node in ast.walk(target)]
            return [node.id for node in nodes if isinstance(node, ast.Name)]
        case _:
            return []


def _source(text: str, node: ast.AST) -> str:
    return ast.get_source_segment(text, node) or ""
