"""Nothing that a file's name or content holds is obeyed by the terminal, whatever the command."""

import json
import os
import re
from pathlib import Path

import pytest

from workbook import cli, paths
from workbook.cli import exits

RED = "\x1b[2J\x1b]0;owned\x07"
NAME = f"a{RED}\x9b8m\u202e.jsonl"
ROW = {
    "messages": [
        {"role": "user", "content": f"{RED} \x9b8m?"},
        {"role": f"assis{RED}tant", "content": f"{RED} a@b.example"},
    ],
    f"key{RED}": 1,
}
GOOD = Path(paths.data("marv_train.jsonl")).read_text(encoding="utf-8")
COMMANDS = [
    ["check", "FILE"],
    ["check", "FILE", "FILE"],
    ["check", "FILE", "--format", "json"],
    ["check", "FILE", "--basics", "--model", "gpt-4o-mini"],
    ["stats", "FILE"],
    ["prepare", "FILE", "--yes"],
    ["convert", "FILE", "--to", "dpo"],
    ["convert", "FILE", "--to", "chat"],
    ["split", "FILE"],
    ["estimate", "FILE", "--model", "gpt-4o-mini"],
    ["jobs", "upload", "FILE"],
    ["jobs", "create", "FILE"],
    ["compare", "a", "b", "--data", "FILE"],
    ["lab", "status", "--state", "FILE"],
    ["lab", "serve", "--state", "FILE"],
    ["lab", "reset", "--state", "FILE"],
    ["lab", "models", "add", "x", "FILE"],
    ["jobs", "results", "x", "--save", "FILE"],
    [NAME],
    ["check", f"--{NAME}"],
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("WORKBOOK_BACKEND", "openai")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
@pytest.mark.parametrize("content", ["bad", "good", "missing"])
@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda c: " ".join(c)[:24].encode("unicode_escape")
)
def test_a_name_or_a_text_is_shown_and_not_obeyed(command, content, tmp_path, capsys) -> None:
    file = tmp_path / NAME
    if content != "missing":
        file.write_text(GOOD if content == "good" else f"{json.dumps(ROW)}\n{{{RED}\n" * 12)
    elif command[:2] == ["lab", "serve"]:
        pytest.skip("a new state: the lab would run")
    status = cli.main([str(file) if word == "FILE" else word for word in command])
    out, err = capsys.readouterr()
    assert status in exits.MEANING and out + err
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]", out), ascii(out)
    assert not re.search("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", err), ascii(err)
    if "json" in command and out:
        assert json.loads(out)[0]["file"] == str(file)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes there")
def test_a_name_that_is_no_utf_8_is_shown(tmp_path: Path, capfd) -> None:
    file = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.jsonl")
    Path(file).write_text(GOOD)
    assert cli.main(["check", file]) == exits.DONE
    assert cli.main(["check", file + "x"]) == exits.ERROR
    assert "\\udcff" in capfd.readouterr().err
