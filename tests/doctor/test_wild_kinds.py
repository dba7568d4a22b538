"""Files of the kinds that people bring: said what they are, read whole, written as they are taken.

Others than those of the folder `cases`, of the same kinds.
"""

import codecs
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from workbook import cli, doctor, paths
from workbook.doctor import text_checks
from workbook.doctor.errors import ConversionError
from workbook.doctor.readers import guessing


def chat(question: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


NUMBERS = range(12)
ROWS = [chat(f"Where is room {n}?", f"Behind door {n * 7}.") for n in NUMBERS]
LINES = [json.dumps(row) for row in ROWS]


def said(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(message["role"], message["content"]) for message in row["messages"]]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("nul.jsonl", "\0\n".join(LINES) + "\0\n", "stray-sign"),
        ("separators.jsonl", "".join(f"\x1e{line}\n" for line in LINES), "stray-sign"),
        ("no-break.jsonl", "\n".join(f"\xa0{line}" for line in LINES), "stray-sign"),
        ("next-line.jsonl", "\x85".join(LINES), "json-spread"),
        ("python.json", repr(ROWS), "python"),
        ("text-in-text.jsonl", "\n".join(json.dumps(json.dumps(line)) for line in LINES),
         "json-in-text"),
        ("utf-32.jsonl", codecs.BOM_UTF32_LE + "\n".join(LINES).encode("utf-32-le"), "encoding"),
        ("utf-32-be.jsonl", codecs.BOM_UTF32_BE + "\n".join(LINES).encode("utf-32-be"),
         "encoding"),
    ],
)  # fmt: skip
def test_rows_are_read_whole_whatever_stands_around_them(
    tmp_path: Path, name: str, content: str | bytes, code: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    report = doctor.check(path)
    assert code in report.codes and "not-json" not in report.codes
    assert doctor.read(path) == ROWS
    assert doctor.check(report.fix().rows).ok


def test_a_key_that_stands_twice_is_told_whatever_the_row_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    twice = '{"role": "user", "role": "user", "content": "Where?"}'
    late = '{"role": "user", "content" : "a", "content": "Where?"}'
    first = '{"messages": [], "messages": [%s, {"role": "assistant", "content": "There."}]}'
    plain = '{"role": "user", "content": "\\":"}'
    row = '{"messages": [%s, {"role": "assistant", "content": "There."}]}'
    path.write_text("\n".join([row % twice, row % late, first % plain, row % plain]))
    found = [f.line for f in doctor.check(path).findings if f.code == "repeated-key"]
    assert found == [1, 2, 3]


def test_curly_quotation_marks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(line.replace('"', "”") for line in LINES), encoding="utf-8")
    finding = next(f for f in doctor.check(path).findings if f.code == "not-json")
    assert "”" in finding.message and "straight" in finding.message


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Когда открыт музей? С десяти до шести, кроме понедельника."),
        ("koi8_r", "Когда открыт музей? С десяти до шести, кроме понедельника."),
        ("cp1253", "Πότε ανοίγει το μουσείο; Από τις δέκα έως τις έξι."),
        ("cp932", "美術館はいつ開きますか？十時から六時までです。"),
        ("euc_jp", "美術館はいつ開きますか？十時から六時までです。"),
        ("cp949", "미술관은 언제 여나요? 열 시부터 여섯 시까지입니다."),
        ("gb18030", "博物馆的门几点开？我们在十点开门，六点关门。"),
    ],
)
def test_an_encoding_that_no_file_names_is_guessed_by_its_letters(
    tmp_path: Path, encoding: str, text: str
) -> None:
    path = tmp_path / "rows.jsonl"
    lines = (json.dumps(chat(f"{text} {n}", text), ensure_ascii=False) for n in NUMBERS)
    path.write_bytes("\n".join(lines).encode(encoding))
    assert [
        message.message for message in doctor.check(path).findings if "guess" in message.message
    ]
    assert doctor.read(path)[3]["messages"][1]["content"] == text


@pytest.mark.parametrize("text", ["señor, mañana é café", "Größe, Straße, über", "20 € – naïve"])
def test_western_letters_are_not_taken_for_others(text: str) -> None:
    assert guessing.alphabet_of(text.encode("cp1252")) is None


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Στην πλατεία, δεξιά.", "cp1253"),
        ("السلام عليكم ورحمة الله", "cp1256"),
        ("こんにちは世界", "cp932"),
        ("Откуда вы", "cp1251"),
    ],
)
def test_letters_read_in_the_wrong_encoding_are_found_and_read_again(
    text: str, encoding: str
) -> None:
    wrong = text.encode().decode(encoding)
    assert "wrong-characters" in {code for code, _, _ in text_checks.check(wrong)}
    row = chat("What does it say?", wrong)
    mended = doctor.check([row] * 12).fix("wrong-characters").rows[0]
    assert mended["messages"][1]["content"] == text
    assert "wrong-characters" not in {code for code, _, _ in text_checks.check(text)}


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        (
            {"items": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
            [("user", "Hi"), ("assistant", "Hello")],
        ),
        (
            {"context": "Be kind.", "examples": [],
             "messages": [{"author": "user", "content": "Hi"},
                          {"author": "bot", "content": "Hello"}]},
            [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")],
        ),
        (
            {"preamble": "Be kind.", "chat_history": [{"role": "USER", "message": "Hi"},
             {"role": "CHATBOT", "message": "Hello"}], "message": "Why?",
             "response": {"text": "So."}},
            [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Why?"),
             ("assistant", "So.")],
        ),
        (
            {"instruction": "Who wrote it?", "context": "Ana wrote the book.", "response": "Ana."},
            [("user", "Who wrote it?\n\nAna wrote the book."), ("assistant", "Ana.")],
        ),
        (
            {"质": 1, "问题": "Hi", "答案": "Hello"}, None,
        ),
    ],
)  # fmt: skip
def test_forms_are_known_by_their_keys(row: dict[str, Any], turns: list | None) -> None:
    result = doctor.convert(row, "chat", lost := doctor.Losses())
    if turns is None:
        turns = [("user", "Hi"), ("assistant", "Hello")]
        assert list(lost) == ["`质`"]
    else:
        assert not lost
    assert said(result) == turns


def test_what_a_model_thinks_is_not_what_it_says() -> None:
    parts = [{"text": "Let me see.", "thought": True}, {"text": "At ten."}]
    row = {"contents": [{"role": "user", "parts": [{"text": "When?"}]},
                        {"role": "model", "parts": parts}]}  # fmt: skip
    result = doctor.convert(row, "chat", lost := doctor.Losses())
    assert said(result) == [("user", "When?"), ("assistant", "At ten.")]
    assert list(lost) == ["`reasoning_content` of messages"]


def test_keys_of_parts_are_named_and_lost_in_no_silence() -> None:
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    row = {"messages": [{"role": "user", "content": [part]}, ROWS[0]["messages"][1]]}
    rows = [row, *ROWS]
    assert "unknown-key" in doctor.check(rows).codes
    assert doctor.check(doctor.check(rows).fix("unknown-key").rows).ok
    doctor.convert(row, "chat", lost := doctor.Losses())
    assert list(lost) == ["`cache_control` of parts"]
    nulls = {**part, "cache_control": None, "image_url": None}  # as Arrow fills them in
    good = {"messages": [{"role": "user", "content": [nulls]}, ROWS[0]["messages"][1]]}
    assert "unknown-key" not in doctor.check([good, *ROWS]).codes


@pytest.mark.parametrize("key", ["completions", "responses"])
def test_several_answers_to_one_question_are_named(key: str) -> None:
    rows = [{"instruction": f"Room {n}?", key: [{"text": "a"}, {"text": "b"}]} for n in NUMBERS]
    report = doctor.check(rows)
    assert report.codes["unknown-form"] == 1 and "no-format" not in report.codes
    with pytest.raises(ConversionError):
        doctor.convert(rows[0], "chat")


# prepare and split, for a host


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def put(tmp_path: Path, rows: list[dict[str, Any]]) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


GRADED = [{"messages": row["messages"][:1], "reference_answer": "x", "n": 1} for row in ROWS]
VERTEX = [doctor.convert(row, "vertex") for row in ROWS]


@pytest.mark.parametrize(
    ("rows", "host", "start"),
    [
        (ROWS, "nebius", b'{"messages"'),
        (ROWS, "azure", codecs.BOM_UTF8),
        (ROWS, "vertex", b'{"contents"'),
        (VERTEX, "vertex", b'{"contents"'),
        (VERTEX, None, b'{"contents"'),
        (GRADED, "azure", codecs.BOM_UTF8),
    ],
)
def test_split_writes_what_the_host_takes(home, tmp_path, rows, host, start) -> None:
    path = put(tmp_path, rows)
    assert run("split", path, *(["--for", host] if host else [])) == 0
    for name in ("train", "validation"):
        written = paths.work() / f"data_{name}.jsonl"
        assert written.read_bytes().startswith(start)
        assert (
            not {"model-format", "no-bom", "unknown-key"}
            & doctor.check(written, host=host).codes.keys()
        )
    total = sum(len(doctor.read(paths.work() / f"data_{n}.jsonl")) for n in ("train", "validation"))
    assert total == len(rows)


def test_split_refuses_what_the_host_would_refuse(home, tmp_path, capsys) -> None:
    calls = [{**row, "parallel_tool_calls": True, "tools": []} for row in ROWS]
    assert run("split", put(tmp_path, calls), "--for", "together") == 1
    out = capsys.readouterr()
    assert "Together takes no key `parallel_tool_calls`" in out.out + out.err
    assert not list(paths.work().glob("*.jsonl"))


def test_split_without_a_host_names_the_errors_that_go_along(home, tmp_path, capsys) -> None:
    assert run("split", put(tmp_path, [{**row, "source": "a"} for row in ROWS])) == 1
    assert "12 errors (unknown-key)" in capsys.readouterr().out
    assert len(list(paths.work().glob("*.jsonl"))) == 2


@pytest.mark.parametrize(
    ("rows", "options", "start"),
    [
        (GRADED, [], b'{"messages"'),
        (VERTEX, ["--for", "vertex"], b'{"contents"'),
        (ROWS, ["--for", "azure"], codecs.BOM_UTF8),
    ],
)
def test_prepare_writes_the_form_that_is_meant(
    home, tmp_path, monkeypatch, rows, options, start
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run("prepare", put(tmp_path, rows), *options) == 0
    assert (paths.work() / "data_prepared.jsonl").read_bytes().startswith(start)
