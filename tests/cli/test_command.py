"""The one command: help that leads on, one table of exit statuses, no import for nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbook import cli, paths
from workbook.cli import exits
from workbook.cli.app import PARTS, workbook

MARV = paths.data("marv_train.jsonl")


def run(*arguments: object) -> int:
    return cli.main([str(each) for each in arguments])


def test_help_names_every_command_and_every_exit_status(capsys) -> None:
    assert run("--help") == exits.DONE
    out = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", out, re.MULTILINE) for name in PARTS)
    assert all(meaning in " ".join(out.split()) for meaning in exits.MEANING.values())


@pytest.mark.parametrize("name", PARTS)
def test_every_command_is_there_with_its_help(name: str, capsys) -> None:
    assert run(name, "--help") == exits.DONE
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: workbook {name}")
    told = PARTS[name][1].split()[0]
    assert told in out or len(out.split("\n\n")[1].strip()) > 20


def test_a_mistyped_command_gets_the_one_that_was_meant(capsys) -> None:
    assert run("chekc", MARV) == exits.ERROR
    assert "Did you mean `workbook check`?" in capsys.readouterr().err


def test_prices_are_those_of_the_day_with_their_source(capsys) -> None:
    assert run("prices", "gpt-4o-mini", "--on", "2026-11-21") == exits.DONE
    out = capsys.readouterr().out
    assert re.search(r"training +\$3.00 .*checked 20\d\d-\d\d-\d\d \(confidence [ABC]\)", out)
    assert "tuned input" in out and "jobs until 2027-01-06" in out


def test_prices_without_a_model_list_what_can_be_tuned(capsys) -> None:
    assert run("prices", "--on", "2026-11-21", "--format", "json") == exits.DONE
    models = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert models["gpt-4o-mini-2024-07-18"]["prices"]["training"]["usd"] == 3
    assert all(row["tunable_by_existing_customers"] for row in models.values())
    assert run("prices", "--on", "2026-11-21") == exits.DONE
    assert "gpt-4o-mini-2024-07-18" in capsys.readouterr().out


def test_prices_of_an_unknown_model_name_the_nearest(capsys) -> None:
    assert run("prices", "gpt-4o-mni") == exits.ERROR
    assert "Did you mean gpt-4o-mini" in capsys.readouterr().err


def test_estimate_bills_a_file(capsys) -> None:
    command = ("estimate", MARV, "--model", "gpt-4o-mini", "--epochs", 2)
    assert run(*command, "--validation", paths.data("marv_test.jsonl")) == exits.DONE
    out = capsys.readouterr().out
    assert "40 examples × 2 epochs" in out and "at least $" in out and "at most $" in out
    assert run(*command, "--format", "json") == exits.DONE
    bill = json.loads(capsys.readouterr().out)
    assert bill["n_epochs"] == 2 and bill["billed"] == 2 * bill["tokens"] and bill["usd"] > 0


def test_estimate_of_what_is_not_there_is_a_sentence(tmp_path: Path, capsys) -> None:
    assert run("estimate", tmp_path / "no.jsonl", "--model", "gpt-4o-mini") == exits.ERROR
    assert "no.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str, capsys) -> None:
    assert run("completion", shell) == exits.DONE
    assert "_WORKBOOK_COMPLETE" in capsys.readouterr().out


def test_models_are_completed_by_the_registry() -> None:
    prices = workbook.get_command(None, "prices")
    [argument] = [param for param in prices.params if param.name == "model"]
    found = argument.type.shell_complete(None, argument, "gpt-4o-mini")
    assert [item.value for item in found] == ["gpt-4o-mini-2024-07-18"]


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        (["lab", "status"], ["torch", "pandas", "openai", "workbook.doctor"]),
        (["prices"], ["torch", "pandas", "openai", "matplotlib"]),
        (["check", "data/marv_train.jsonl"], ["torch", "openai", "matplotlib"]),
        (["jobs", "--help"], ["torch", "pandas", "matplotlib"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_command_brings_only_what_it_needs(command: list[str], unwanted: list[str]) -> None:
    code = f"import sys; from workbook import cli; cli.main({command}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.splitlines()[-1].split()) & set(unwanted)


def test_it_is_a_module_and_a_pipe_may_close(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text('{"messages": []}\n' * 5000)
    command = f"{sys.executable} -m workbook check {path} --format json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        cwd=paths.ROOT,
    )
    assert done.returncode == exits.DONE and not done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("estimate", MARV),
        ("check", MARV),
        ("check", MARV, "--basics"),
        ("stats", MARV),
    ],
    ids=lambda command: " ".join(map(str, (command[0], *command[2:]))),
)
def test_a_model_that_has_ended_is_never_priced_without_a_word(command, capsys) -> None:
    run(*command, "--model", "gpt-3.5-turbo")
    out = capsys.readouterr().out
    assert re.search(r"\$0\.0\d", out)
    assert "since 2026-10-23 nobody can tune it any more" in out
    run("prices", "gpt-3.5-turbo")
    assert "No price is known for that day" in capsys.readouterr().out
