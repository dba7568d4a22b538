"""`workbook check` and `stats`: findings as a compiler prints them, and as JSON."""

import json
import subprocess
import sys

from training_rows import MODEL, chat, numbered, pair, put, turns

from workbook import cli, paths

ANSWER = ("assistant", "There.")


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_check_prints_like_a_compiler(tmp_path, capsys) -> None:
    path = put(tmp_path, [*numbered(), {"messages": []}])
    assert run("check", path) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{path}:31: error[messages]: ")
    assert "    = help: " in out and out.strip().endswith("1 error, 3 notes.")
    assert run("check", put(tmp_path, numbered(), "good.jsonl")) == 0
    assert run("check", tmp_path / "none.jsonl") == 2
    assert "can't be read" in capsys.readouterr().err


def test_a_file_is_held_to_the_host_that_will_train_on_it(tmp_path, capsys) -> None:
    path = put(tmp_path, [*numbered(), turns(("user", "Where?"), ("user", "Where?"), ANSWER)])
    basics = ("check", path, "--basics", "--model", "gpt-4.1-mini")
    assert run("check", path) == run(*basics) == 0
    capsys.readouterr()
    assert run("check", path, "--for", "together") == run(*basics, "--for", "together") == 1
    assert capsys.readouterr().out.count(":31: error[host-turns]: Together: ") == 2
    assert run("check", path, "--for", "mars") == 2


def test_a_model_that_can_t_learn_from_a_file_has_no_price_for_it(tmp_path, capsys) -> None:
    path = put(tmp_path, [pair(f"{n} and one?", f" {n + 1}") for n in range(12)])
    for more in ((), ("--basics",)):
        assert run("check", path, "--model", "gpt-4.1-mini", *more) == 1
        out = capsys.readouterr().out
        assert "is a chat model, and learns from messages only" in out and "$" not in out


def test_what_is_wrong_often_is_explained_once_and_counted(tmp_path, capsys) -> None:
    path = put(
        tmp_path,
        [
            *numbered(),
            *(chat() | {"Weigth": n, "tool": n} for n in range(25)),
            {"messages": [{"role": "asistant", "content": "a@example.org"}]},
        ],
    )
    assert run("check", path) == 1
    out = capsys.readouterr().out
    assert out.count("Keys that the format doesn't know are refused.") == 1
    assert '    | {"tool": 0}' in out and "did you mean `tools`?" in out
    assert "did you mean `assistant`?" in out and "error[unknown-key]: … and 30 more" in out
    assert "`prepare --fix personal-data` masks it" in out and "report.fix" not in out


def test_check_as_json_and_leaks_between_files(tmp_path, capsys) -> None:
    train, test = (
        put(tmp_path, numbered(), "train.jsonl"),
        put(tmp_path, numbered()[:12], "test.jsonl"),
    )
    more = ("--format", "json", "--suffix", "x" * 70, "--model", MODEL)
    assert run("check", train, test, *more) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first["codes"]["suffix"] == 1 and second["codes"]["leakage"] == 12
    leak = [finding for finding in second["findings"] if finding["code"] == "leakage"][3]
    assert leak["line"] == 4 and f"line 4 of {train}" in leak["message"]
    assert second["findings"][0].keys() >= {"code", "severity", "line", "message", "why", "fix"}


def test_files_of_one_name_in_two_folders_and_near_leaks(tmp_path, capsys) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
    asked = "Pray tell me where the old otter sleeps, in the meadow or near the wide river"
    put(tmp_path / "a", [*numbered(), chat(f"{asked}?")])
    put(tmp_path / "b", [chat("Quite something else?"), chat(f"{asked}s!"), chat(f"{asked} 2?")])
    assert run("check", tmp_path / "a/data.jsonl", tmp_path / "b/data.jsonl") == 1
    out = capsys.readouterr().out
    assert f"{tmp_path / 'b/data.jsonl'}:2: warning[near-leakage]: asks nearly" in out
    assert f"the same as line 31 of {tmp_path / 'a/data.jsonl'}" in out
    assert "leakage]" not in out.replace("near-leakage]", "", 1)  # another number: another question


def test_the_fast_pass(tmp_path, capsys) -> None:
    path = put(tmp_path, [*numbered(), {"messages": []}])
    assert run("check", path, "--basics") == 2
    assert run("check", path, "--basics", "--model", MODEL) == 1
    out = capsys.readouterr().out
    assert f"{path}:31: error[messages]" in out and "31 examples" in out and "Training: $" in out


def test_stats_count_tokens_and_dollars(tmp_path, capsys) -> None:
    assert run("stats", put(tmp_path, numbered()), "--model", MODEL) == 0
    out = capsys.readouterr().out
    assert "tokens" in out and "$" in out


def test_it_runs_as_a_module(tmp_path) -> None:
    path = put(tmp_path, [*numbered(), {"messages": []}])
    done = subprocess.run(
        [sys.executable, "-m", "workbook", "check", str(path)],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "error[messages]" in done.stdout and not done.stderr
