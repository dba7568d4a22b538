"""The house as docs/architecture.md draws it: arrows run one way, and nothing goes in a circle.

Reads every import of the project, also those inside functions and those for type checkers only.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbook import paths

ROOT = paths.ROOT
GROUND = "ground"
# wing: the wings that it may import from, besides itself and the ground
MAY_IMPORT = {
    GROUND: set(),
    "prices": set(),
    "doctor": {"prices"},
    "grading": set(),
    "lab": {"grading"},
    "lab.client": {"lab"},
    "backends": {"prices", "lab.client"},
    "jobs": {"backends", "doctor", "prices"},
    "budget": {"backends", "doctor", "prices"},
    "hosts": {"doctor", "prices"},
    "studio": {"evals", "backends", "jobs", "budget", "doctor", "prices"},
    "classroom": set(),
    "cli": {
        "studio",
        "classroom",
        "hosts",
        "evals",
        "backends",
        "jobs",
        "budget",
        "doctor",
        "prices",
        "lab",
        "lab.client",
    },
    "evals": {"doctor", "prices", "grading"},
    "helpers": {"evals", "backends", "jobs", "budget", "doctor", "prices", "lab.client"},
    "tools": {"helpers", "evals", "backends", "jobs", "budget", "doctor", "prices", "lab.client"},
}
# Packages whose import takes so long that it may wait inside a function.
SLOW = {
    "dask",
    "datasketch",
    "detect_secrets",
    "distributed",
    "fsspec",
    "genai_prices",
    "gguf",
    "gigatoken",
    "google",
    "IPython",
    "jsonschema",
    "llguidance",
    "matplotlib",
    "nbclient",
    "nbformat",
    "nicegui",
    "numpy",
    "onnxruntime",
    "openai",
    "openpyxl",
    "packaging",
    "pandas",
    "peft",
    "phonenumbers",
    "polars",
    "safetensors",
    "scipy",
    "sphinx",
    "sklearn",
    "starlette",
    "tiktoken",
    "tokenizers",
    "torch",
    "tqdm",
    "transformers",
    "uvicorn",
    "xllamacpp",
    "zstandard",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_of(path): path
    for folder in ("workbook", "helpers", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def wing_of(module: str) -> str:
    """The part of the house that a module lies in."""
    top, _, rest = module.partition(".")
    if top != "workbook":
        return top
    if rest == "lab.client":
        return rest
    first = rest.partition(".")[0]
    if first in ("backends", "error_sentences"):
        return "backends"
    if first in ("", "__main__"):
        return "cli" if first else GROUND
    return first if first in MAY_IMPORT else GROUND


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """(the imported module of ours, or a package's name; whether it stands inside a function)."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively: write the whole name"
            names = [
                f"{node.module}.{alias.name}"
                if f"{node.module}.{alias.name}" in FILES
                else node.module
                for alias in node.names
            ]
        else:
            continue
        for name in names:
            yield (name if name in FILES else name.partition(".")[0]), id(node) in inside


ARROWS = {
    module: {name for name, _ in imports(module) if name in FILES and name != module}
    for module in FILES
}


@pytest.mark.parametrize("module", FILES)
def test_arrows_run_one_way(module: str) -> None:
    wing = wing_of(module)
    allowed = MAY_IMPORT[wing] | {wing, GROUND}
    wrong = {name for name in ARROWS[module] if wing_of(name) not in allowed}
    assert not wrong, f"{module} ({wing}) imports {', '.join(sorted(wrong))}"


def test_no_circle_not_even_a_hidden_one() -> None:
    """Every module can be put after all that it imports."""
    left = {module: set(arrows) for module, arrows in ARROWS.items()}
    while free := [module for module, arrows in left.items() if not arrows]:
        for module in free:
            del left[module]
        for arrows in left.values():
            arrows.difference_update(free)
    circle = {module: sorted(arrows) for module, arrows in left.items()}
    assert not circle


@pytest.mark.parametrize("module", FILES)
def test_an_import_waits_inside_a_function_only_where_that_saves_time(module: str) -> None:
    """What is imported there is slow, or one of our own modules that needs something slow."""
    for name, is_inside in imports(module):
        if is_inside and name in FILES:
            assert SLOW & brings(name), f"{module} imports {name} inside a function for nothing"
        elif is_inside:
            assert name in SLOW, f"{module} imports {name} inside a function for nothing"


def brings(module: str) -> set[str]:
    """All packages that importing a module of ours brings along."""
    seen, waiting, packages = set(), [module], set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for name, is_inside in imports(current):
            if not is_inside:
                waiting += [name] if name in FILES else []
                packages |= set() if name in FILES else {name}
    return packages


def test_only_the_lab_and_its_client_know_where_it_keeps_its_state() -> None:
    for module, path in FILES.items():
        if wing_of(module) not in ("lab", "lab.client"):
            text = path.read_text(encoding="utf-8")
            assert "server.json" not in text and "server_file" not in text, module


def test_the_drawing_names_every_wing() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for wing in MAY_IMPORT:
        assert f"`{wing}`" in text or f"`workbook/{wing.replace('.', '/')}" in text, wing


def test_helpers_stay_small_and_every_file_is_read_in_one_sitting() -> None:
    lines = {
        module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()
    }
    helpers = {module: count for module, count in lines.items() if wing_of(module) == "helpers"}
    checks = {m: count for m, count in helpers.items() if m.startswith("helpers.exercises")}
    assert sum(helpers.values()) - sum(checks.values()) <= 2_200
    assert not {module: count for module, count in checks.items() if count > 160}
    assert not {module: count for module, count in lines.items() if count > 360}


@pytest.mark.parametrize("module", FILES)
def test_a_file_says_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(ast.parse(FILES[module].read_text(encoding="utf-8")))
