"""The notebooks under other packages than the pins: what Colab preinstalls, and the newest.

Each set gets a virtual environment of its own and runs notebooks in it: Colab's 00 to 05 without 04
(05 trains by the same calls), the newest 00, 02 and 03: 01 asks, 04 and 05 train for minutes. Tests
of what leans on packages run beside them. There the notebooks must run; their outputs are compared
under the pins only. Where the newest versions are those that are installed, `pytest` itself has run
them, and they are not run again. One of the runs is cut off from the network, once the weights and
the reviews are there. PyTorch and Python are this machine's: Colab's image of August 2026 has torch
2.11 and Python 3.13.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workbook import paths

ROOT = paths.ROOT
OPTIONAL = {"google", "distributed", "fsspec", "genai_prices", "onnxruntime"}  # of Colab; extras
OPTIONAL |= {"nicegui", "peft", "sphinx", "transformers", "xllamacpp"}
RUNNERS = ["pytest", "nbval", "nbclient", "hypothesis"]  # what runs notebooks and tests


def lines(name: str) -> list[str]:
    """The requirements in a file, without comments and options."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith(("#", "-"))]


def colab() -> dict[str, str]:
    """Colab's versions by package."""
    return dict(line.split("==") for line in lines("tests/colab-versions.txt"))


def test_colab_satisfies_the_lower_bounds_and_lacks_eight_packages() -> None:
    versions = colab()
    lacking = []
    for needed in map(Requirement, lines("requirements-colab.txt")):
        assert all(bound.operator == ">=" for bound in needed.specifier), needed
        if needed.name in versions:
            assert needed.specifier.contains(versions[needed.name]), needed
        else:
            lacking.append(needed.name)
    assert lacking == [
        "gguf",
        "llguidance",
        "phonenumbers",
        "python-stdnum",
        "detect-secrets",
        "datasketch",
        "ftfy",
        "ruff",
    ]


def test_the_pins_satisfy_the_lower_bounds() -> None:
    pins = {need.name: need for need in map(Requirement, lines("requirements.txt"))}
    for needed in map(Requirement, lines("requirements-colab.txt")):
        if needed.name != "jupyterlab":
            [pin] = pins[needed.name].specifier
            assert pin.operator == "==" and needed.specifier.contains(pin.version), needed


def test_everything_that_is_imported_is_required() -> None:
    owners = packages_distributions()
    required = {canonicalize_name(Requirement(line).name) for line in lines("requirements.txt")}
    provided = {"ipython", "ipykernel", "nbformat", "nbclient", "packaging"}  # by jupyterlab
    provided |= {"anyio", "referencing"}  # by starlette and jsonschema, which are built on them
    missing = {}
    ours = ("workbook", "helpers", "tools")
    for path in sorted(path for folder in ours for path in (ROOT / folder).rglob("*.py")):
        for name in imported(path):
            if name in sys.stdlib_module_names or name in (*ours, *OPTIONAL):
                continue
            distributions = {canonicalize_name(owner) for owner in owners.get(name, [name])}
            if not distributions & (required | provided):
                missing[name] = path.name
    assert not missing


def imported(path: Path) -> set[str]:
    """The top-level names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def environment(folder: Path, requirements: list[str]) -> Path:
    """A new virtual environment with these packages; the value is its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", *requirements)  # saves 30 s
    return python


def run(*command: str | Path) -> str:
    """What a command prints. Fails the test with it when the command fails."""
    # As on Colab, the course is found by its path and not installed.
    settings = os.environ | {"PYTHONPATH": str(ROOT), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    settings.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=settings, capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}")
    return done.stdout


def run_notebooks(python: Path, notebooks: str, *before: str) -> None:
    """Run notebooks, and tests of what leans on packages."""
    insides = (
        "tests/backends/test_backends.py",
        "tests/budget/test_budget.py",
        "tests/helpers/test_evaluation.py",
        "tests/evals/test_statistics.py",
        "tests/helpers/test_widgets.py",
    )
    chosen = sorted(str(path) for path in (ROOT / "notebooks").glob(notebooks))
    tests = ("-m", "pytest", "-q", "--nbval-lax", *insides, *chosen)
    output = run(*before, python, *tests)
    assert re.search(r"\d+ passed", output) and "failed" not in output, output[-3000:]
    print(output[-3000:])


def pinned_torch() -> str:
    """The one version of PyTorch that is tried; a newer one would bring its own CUDA along."""
    return next(line for line in lines("requirements.txt") if line.startswith("torch=="))


SET_UP = """
from helpers import reviews
from workbook.lab.model import weights
weights.ensure()
reviews.load()
"""


@pytest.mark.full
def test_the_notebooks_run_under_colabs_versions_and_without_network(
    tmp_path: Path, tool: Callable[..., str]
) -> None:
    unshare = tool("unshare")
    versions = colab() | {"torch": pinned_torch().removeprefix("torch==")}
    python = environment(
        tmp_path / "venv", [*(f"{name}=={version}" for name, version in versions.items()), *RUNNERS]
    )
    before = frozen(python)
    run(python, "-m", "pip", "install", "--quiet", "-r", "requirements-colab.txt")
    after = frozen(python)
    assert before.items() <= after.items(), "nothing that Colab ships is replaced"
    run(python, "-c", SET_UP)
    run_notebooks(
        python,
        "0[01235]*.ipynb",
        unshare,
        "--map-root-user",
        "--net",
        str(python),
        "tests/support/cut_off.py",
    )


@pytest.mark.full
def test_the_notebooks_run_under_the_newest_versions(tmp_path: Path) -> None:
    newest = [Requirement(line).name for line in lines("requirements.txt")]
    newest.remove("torch")
    chosen = resolved([*newest, *RUNNERS, pinned_torch()])
    if chosen.items() <= frozen(Path(sys.executable)).items():
        pytest.skip("the newest versions are those that `pytest` has just run the notebooks with")
    python = environment(tmp_path / "venv", [f"{n}=={v}" for n, v in chosen.items()])
    run_notebooks(python, "0[023]*.ipynb")


def resolved(requirements: list[str]) -> dict[str, str]:
    """The versions of all packages that pip would install for these, by name."""
    ask = ("install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-")
    report = json.loads(run(Path(sys.executable), "-m", "pip", *ask, *requirements))
    packages = [item["metadata"] for item in report["install"]]
    return {canonicalize_name(package["name"]): package["version"] for package in packages}


def frozen(python: Path) -> dict[str, str]:
    """The versions of everything that is installed."""
    output = run(python, "-m", "pip", "list", "--format=freeze")
    pairs = [line.split("==", 1) for line in output.splitlines() if "==" in line]
    return {canonicalize_name(name): version for name, version in pairs}
