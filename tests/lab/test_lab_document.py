"""docs/lab.md: its commands and options are there, and its examples run."""

import os
import re
import subprocess
import sys

import pytest
from labserver import KEY, start

from workbook import cli, paths
from workbook.cli import exits

DOCUMENT = (paths.ROOT / "docs" / "lab.md").read_text(encoding="utf-8")


def test_every_command_and_option_of_the_document_is_there(capsys) -> None:
    for name in ("lab", "jobs"):
        commands = set(re.findall(rf"workbook {name} ([a-z]+)", DOCUMENT))
        assert len(commands) >= 3
        for command in [
            *commands,
            *(["models add", "models remove", "keys make"] if name == "lab" else []),
        ]:
            assert cli.main([name, *command.split(), "--help"]) == exits.DONE
    helped = capsys.readouterr().out
    assert set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", DOCUMENT)) <= set(
        re.findall(r"--[a-z-]+", helped)
    )


@pytest.mark.full
@pytest.mark.parametrize("language", ["python", "sh"])
def test_the_documents_examples_run(language: str, tmp_path, tool, package) -> None:
    server = start(tmp_path / "state")
    settings = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": KEY}
    shell = {"python": [sys.executable, "-c"], "sh": [tool("bash"), "-c"]}[language]
    try:
        for example in re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL):
            if "google" in example:
                package("google.genai")
            done = subprocess.run(
                [*shell, example],
                env=os.environ | settings,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout.strip() and '"error"' not in done.stdout, done.stdout
    finally:
        server.stop()
