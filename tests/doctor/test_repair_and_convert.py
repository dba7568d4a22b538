"""Fixing, converting, and the command line of the dataset doctor."""

import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from workbook import cli, doctor, paths
from workbook.doctor import codes, convert, repair
from workbook.errors import WorkbookError
from workbook.prices import registry


def chat(asked="Where is it?", given="Over there.", system="You know animals.") -> dict:
    return {
        "messages": [
            *([{"role": "system", "content": system}] if system else []),
            {"role": "user", "content": asked},
            {"role": "assistant", "content": given},
        ]
    }


def many(number=30) -> list[dict]:
    return [chat(f"Where is number {n}?", f"Look at {n * 7}.") for n in range(number)]


def put(folder: Path, rows: list, name="data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


# Fixing


def test_safe_fixes_change_no_word_and_show_what_they_do(home, tmp_path) -> None:
    good = [json.dumps(row).encode() for row in many()]
    bad = [
        b'{"Messages": ' + json.dumps(chat("A?", "B.")["messages"]).encode() + b"}",
        b"",
        json.dumps(chat("C?", "D\u200b.")).encode(),
        json.dumps(
            {
                "messages": [
                    *chat("E?")["messages"][:2],
                    {"role": "assistant", "content": "F.", "weight": True},
                ]
            }
        ).encode(),
    ]
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(good + bad) + b"\n")
    before = path.read_bytes()
    mended = doctor.check(path).fix()
    assert [(c.line, c.codes) for c in mended.changes] == [
        (31, ("key-case",)),
        (33, ("control-character",)),
        (34, ("weight",)),
    ]
    assert "@@ line 33: control-character" in mended.diff and "- " in mended.diff
    assert "3 changed, 0 left out, 33 to be written" in repr(mended)
    assert "<div" in mended._repr_html_() and list(paths.work().iterdir()) == []
    written = mended.write()
    assert written.name == "data_fixed.jsonl" and doctor.check(written).codes == {"few": 1}
    assert path.read_bytes() == before


MENDS = {
    "role": {"messages": [chat()["messages"][1], {"role": "Bot", "content": "There."}]},
    "unknown-key": chat() | {"author": 7},
    "empty-content": chat(given=" "),
    "system-place": {"messages": [chat()["messages"][n] for n in (1, 0, 2)]},
    "last-turn": {"messages": [*chat()["messages"], {"role": "user", "content": "Sure?"}]},
    "alternation": {
        "messages": [{"role": "user", "content": "Hi."}, *chat(system=None)["messages"]]
    },
    "long-text": {"prompt": "far " * 3000, "completion": "There."},
    "refusal": chat(given="I'm sorry, but I can't help with that."),
    "upper-case": chat("WHERE IS IT, THE ANIMAL OF MINE?"),
    "personal-data": chat(given="Call +55 11 91234-5678."),
    "secret": chat(given="Use AKIAABCDEFGHIJKLMNOP."),
}


@pytest.mark.parametrize("code", MENDS)
def test_a_fix_is_made_when_it_is_named_and_not_before(code: str) -> None:
    report = doctor.check([MENDS[code]])
    assert code in report.codes
    assert report.fix().rows == [MENDS[code]]
    mended = report.fix(code)
    assert code not in doctor.check(mended.rows).codes
    assert [change.codes for change in mended.changes] == [(code,)]


def test_what_is_there_twice_goes_when_it_is_named(tmp_path) -> None:
    rows = [*many(), many()[0], chat("WHERE is number 7 ?", "Look at 49!")]
    assert len(doctor.check(rows).fix().rows) == 32
    assert doctor.check(rows).fix("duplicate", "near-duplicate").rows == many()
    path = put(tmp_path, many())
    path.write_bytes(path.read_bytes() + b"{oops\n")
    with pytest.raises(WorkbookError, match="Line 31"):
        doctor.check(path).fix()
    assert doctor.check(path).fix("not-json").rows == many()


def test_the_older_format_gets_its_signs() -> None:
    rows = [{"prompt": f"Where is {name}", "completion": name[::-1]} for name in "abcdefghijkl"]
    report = doctor.check(rows)
    codes = {"no-separator", "no-ending", "no-space"}
    assert codes <= report.codes.keys()
    mended = report.fix(*codes).rows
    assert mended[0] == {"prompt": "Where is a\n\n###\n\n", "completion": " a END"}
    assert not codes & doctor.check(mended).codes.keys()
    assert doctor.to_chat(mended[0])["messages"][0]["content"] == "Where is a"


def test_a_sign_that_is_used_is_not_added() -> None:
    rows = [
        {"prompt": f"Where is {name}\n\n###\n\nnow", "completion": f"{name} AT THE END yet"}
        for name in "abcdefghijkl"
    ]
    mended = doctor.check(rows).fix("no-separator", "no-ending").rows
    assert mended[0]["prompt"].endswith("now ->") and mended[0]["completion"].endswith("yet\n")


def test_what_opens_every_question_or_answer_goes_when_it_is_named() -> None:
    rows = [
        chat(f"Tell me about the {name}?", f"Answer: {name}s live.")
        for name in [
            "otter",
            "heron",
            "badger",
            "lynx",
            "newt",
            "stork",
            "marten",
            "viper",
            "plaice",
            "wren",
        ]
    ]
    report = doctor.check(rows)
    assert {"user-prefix", "answer-prefix"} <= report.codes.keys()
    mended = report.fix("user-prefix", "answer-prefix").rows
    assert mended[0] == chat("otter?", "otters live.", "You know animals.\nTell me about the")
    assert not {"user-prefix", "answer-prefix"} & doctor.check(mended).codes.keys()
    pairs = [
        {"prompt": asked["content"], "completion": f" {given['content']}"}
        for _, asked, given in (each["messages"] for each in rows)
    ]
    mended = doctor.check(pairs).fix("user-prefix", "answer-prefix").rows
    assert mended[0] == {"prompt": "otter?", "completion": " otters live."}


def test_an_unknown_fix_is_named_and_every_fix_has_a_code() -> None:
    with pytest.raises(WorkbookError, match="no-such"):
        doctor.check(many()).fix("no-such")
    assert repair.FIXES.keys() <= codes.CODES.keys()
    for code, said in codes.CODES.items():
        if "report.fix" in said.fix:
            assert code in repair.FIXES and ("(" + chr(34) in said.fix) != repair.FIXES[code].safe


def test_a_figure_shows_turns_tokens_and_labels() -> None:
    rows = [chat(f"Where is {n}?", "here" if n % 2 else "there") for n in range(12)]
    model = next(
        each for each in registry.from_source_documents() if each.encoding == "o200k_base"
    ).id
    assert len(doctor.check(rows, model).figure().axes) == 3
    assert len(doctor.check([]).figure().axes) == 1


# Converting

TOOLS = {
    "messages": [
        {"role": "user", "content": "Add 1 and 2."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "add", "arguments": json.dumps({"a": 1, "b": 2})},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        {"role": "assistant", "content": "Three."},
    ],
    "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
}
PICTURE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {"role": "assistant", "content": "An otter."},
    ]
}


@pytest.mark.parametrize(
    "row",
    [
        chat(),
        chat(system=None),
        TOOLS,
        PICTURE,
        {"messages": [*chat()["messages"], *chat("And now?", "Still.", None)["messages"]]},
    ],
)
def test_chat_to_vertex_and_back(row: dict) -> None:
    lost: Counter[str] = Counter()
    there = convert.convert(row, "vertex", lost)
    assert {content["role"] for content in there["contents"]} == {"user", "model"}
    assert convert.convert(there, "chat") == row
    assert set(lost) <= {"ids of tool calls"}


def test_the_documented_form_of_vertex() -> None:
    assert convert.convert(chat(), "vertex") == {
        "systemInstruction": {"role": "system", "parts": [{"text": "You know animals."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Where is it?"}]},
            {"role": "model", "parts": [{"text": "Over there."}]},
        ],
    }


def test_what_is_lost_is_said() -> None:
    lost: Counter[str] = Counter()
    row = chat()
    row["messages"][2] |= {"weight": 1}
    row["messages"][1] |= {"name": "ana"}
    convert.convert(row, "vertex", lost)
    assert lost == {"`weight` of messages": 1, "`name` of messages": 1}
    remote = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            },
            {"role": "assistant", "content": "An otter."},
        ]
    }
    convert.convert(remote, "vertex", lost)
    assert sum("web address" in what for what in lost) == 1


def test_preferences() -> None:
    trl = {"prompt": "How many?", "chosen": "Seven.", "rejected": "Who knows?"}
    row = convert.convert(trl, "dpo")
    assert doctor.check([row]).codes == {"too-few": 1}
    assert convert.convert(row, "dpo") == row
    lost: Counter[str] = Counter()
    assert convert.convert(row, "chat", lost) == chat("How many?", "Seven.", None)
    assert lost == {"answers that were not preferred": 1}
    assert convert.convert(row, "completion") == {"prompt": "How many?", "completion": "Seven."}
    with pytest.raises(convert.CannotConvert, match="two answers"):
        convert.convert(chat(), "dpo")


@pytest.mark.parametrize(
    "row",
    [
        None,
        7,
        {},
        {"messages": None},
        {"messages": [7]},
        {"contents": 7},
        {"contents": [7]},
        {"prompt": 7, "completion": ""},
        {"input": {}, "preferred_output": 7},
        {"messages": []},
    ],
)
@pytest.mark.parametrize("to", convert.FORMATS)
def test_what_is_no_example_is_refused_or_passed(row, to) -> None:
    try:
        convert.convert(row, to)
    except WorkbookError as error:
        assert str(error).endswith(".")


def test_an_interrupted_write_leaves_what_was_there(home) -> None:
    first = doctor.write(many(3), "mine.jsonl")

    def rows():
        yield from many(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doctor.write(rows(), "mine.jsonl")
    assert [path.name for path in paths.work().iterdir()] == ["mine.jsonl"]
    assert doctor.read(first) == many(3)


# The command line


def run(*arguments: object) -> int:
    return cli.main([str(each) for each in arguments])


def test_check_prints_like_a_compiler(tmp_path, capsys) -> None:
    path = put(tmp_path, [*many(), {"messages": []}])
    assert run("check", path) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{path}:31: error[messages]: ")
    assert "    = help: " in out and out.strip().endswith("1 error, 3 notes.")
    assert run("check", put(tmp_path, many(), "good.jsonl")) == 0
    assert run("check", tmp_path / "none.jsonl") == 2
    assert "can't be read" in capsys.readouterr().err


def test_what_is_wrong_often_is_explained_once_and_counted(tmp_path, capsys) -> None:
    path = put(
        tmp_path,
        [
            *many(),
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
    train, test = put(tmp_path, many(), "train.jsonl"), put(tmp_path, many()[:12], "test.jsonl")
    model = next(
        each for each in registry.from_source_documents() if each.encoding == "o200k_base"
    ).id
    more = ("--format", "json", "--suffix", "x" * 70, "--model", model)
    assert run("check", train, test, *more) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first["codes"]["suffix"] == 1 and second["codes"]["leakage"] == 12
    told = [each for each in second["findings"] if each["code"] == "leakage"][3]
    assert told["line"] == 4 and f"line 4 of {train}" in told["message"]
    assert second["findings"][0].keys() >= {"code", "severity", "line", "message", "why", "fix"}


def test_files_of_one_name_in_two_folders_and_near_leaks(tmp_path, capsys) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
    asked = "Pray tell me where the old otter sleeps, in the meadow or near the wide river"
    put(tmp_path / "a", [*many(), chat(f"{asked}?")])
    put(tmp_path / "b", [chat("Quite something else?"), chat(f"{asked}s!"), chat(f"{asked} 2?")])
    assert run("check", tmp_path / "a/data.jsonl", tmp_path / "b/data.jsonl") == 1
    out = capsys.readouterr().out
    assert f"{tmp_path / 'b/data.jsonl'}:2: warning[near-leakage]: asks nearly" in out
    assert f"the same as line 31 of {tmp_path / 'a/data.jsonl'}" in out
    assert "leakage]" not in out.replace("near-leakage]", "", 1)  # another number: another question


def test_the_fast_pass(tmp_path, capsys) -> None:
    path = put(tmp_path, [*many(), {"messages": []}])
    model = next(
        each for each in registry.from_source_documents() if each.encoding == "o200k_base"
    ).id
    assert run("check", path, "--basics") == 2
    assert run("check", path, "--basics", "--model", model) == 1
    out = capsys.readouterr().out
    assert f"{path}:31: error[messages]" in out and "31 examples" in out and "Training: $" in out


def test_prepare_reads_fixes_splits_and_writes(home, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    path = tmp_path / "shop.csv"
    path.write_text(
        "Question;Answer;Author\n"
        + "".join(f"Where is {n}?;Look at {n * 7}.;ana\n" for n in range(40)),
        encoding="latin-1",
    )
    assert run("prepare", path, "--system", "You know shelves.") == 0
    out = capsys.readouterr().out
    train, rest = (paths.work() / f"shop_prepared_{name}.jsonl" for name in ("train", "validation"))
    assert len(doctor.read(train)) + len(doctor.read(rest)) == 40
    assert doctor.read(train)[0]["messages"][0]["content"] == "You know shelves."
    assert doctor.check(train).ok
    assert "Next: workbook check" in out and "unknown-key × 40" in out
    assert "Remember: send the same system message" in out
    assert (
        run("prepare", path, "--to", "completion", "--fix", "no-separator", "--fix", "no-ending")
        == 0
    )
    out = capsys.readouterr().out
    assert r"end prompts with '\n\n###\n\n' afterwards" in out and "stop=[' END']" in out
    for format in ("completion", "azure", "vertex"):
        assert run("prepare", path, "--to", format, "--yes") == 0
    assert train.read_text("utf-8").startswith('{"contents"')
    kept = paths.work() / "shop_prepared_train.4.jsonl"
    assert kept.read_bytes().startswith(b"\xef\xbb\xbf")


def test_convert_split_and_stats(home, tmp_path, capsys) -> None:
    path = put(tmp_path, many())
    assert run("convert", path, "--to", "vertex") == 0
    assert run("convert", paths.work() / "data_vertex.jsonl", "--to", "chat") == 0
    assert doctor.read(paths.work() / "data_vertex_chat.jsonl") == many()
    assert run("convert", path, "--to", "dpo") == 1
    assert "left out: 30 examples" in capsys.readouterr().out
    assert run("split", path, "--shares", "a=0.5,b=0.5") == 0
    assert len(doctor.read(paths.work() / "data_a.jsonl")) == 15
    model = next(
        each for each in registry.from_source_documents() if each.encoding == "o200k_base"
    ).id
    assert run("stats", path, "--model", model) == 0
    assert "tokens" in (out := capsys.readouterr().out) and "$" in out


def test_it_runs_as_a_module(tmp_path) -> None:
    path = put(tmp_path, [*many(), {"messages": []}])
    done = subprocess.run(
        [sys.executable, "-m", "workbook", "check", str(path)],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "error[messages]" in done.stdout and not done.stderr


@pytest.mark.full
@pytest.mark.parametrize(
    ("command", "rows", "bar"),
    [
        (["check"], 15_000, "checking many.jsonl:"),
        (["prepare", "--yes"], 15_000, "checking: "),
        (["convert", "--to", "vertex"], 300_000, "converting many.jsonl:"),
        (["split"], 300_000, "reading many.jsonl:"),
    ],
)
def test_what_takes_long_has_a_bar_and_can_be_stopped(home, tmp_path, command, rows, bar) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text(
        "".join(
            f"{json.dumps(chat(f'Number {n} {n * 7}?', 'Far ' * (n % 40)))}\n" for n in range(rows)
        )
    )
    with subprocess.Popen(
        [sys.executable, "-m", "workbook", *command, str(path)],
        cwd=paths.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as running:
        said = b""
        while bar.encode() not in said:
            assert (more := os.read(running.stderr.fileno(), 10_000)), said.decode()
            said += more
        os.kill(running.pid, signal.SIGINT)
        said += running.stderr.read()
    assert running.returncode == 130 and b"stopped: nothing was left half-written" in said
    assert b"Traceback" not in said
    assert list(paths.work().iterdir()) == []


@pytest.mark.parametrize("command", [["convert", "--to", "vertex"], ["split"]])
def test_memory_does_not_hold_the_rows(home, tmp_path, command) -> None:
    path = tmp_path / "many.jsonl"
    with open(path, "w") as stream:
        for n in range(15_000):  # 100 MB
            stream.write(json.dumps(chat(f"Number {n}?", f"{n} " * 1_000)) + "\n")
    script = (
        "import re, sys; from workbook import cli; cli.main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command, str(path)],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[-1]) / 1024 < 150  # MiB
