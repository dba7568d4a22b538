"""What can be mended is mended, safely or by name, and shown before anything is written."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from row_strategies import FAST, ROWS
from training_rows import ANIMALS, SYSTEM, chat, numbered, put

from workbook import doctor, paths
from workbook.errors import WorkbookError


def test_safe_fixes_change_no_word_and_show_what_they_do(home, tmp_path) -> None:
    good = [json.dumps(row).encode() for row in numbered()]
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
    "empty-content": chat(answer=" "),
    "system-place": {"messages": [chat()["messages"][n] for n in (1, 0, 2)]},
    "last-turn": {"messages": [*chat()["messages"], {"role": "user", "content": "Sure?"}]},
    "alternation": {
        "messages": [{"role": "user", "content": "Hi."}, *chat(system=None)["messages"]]
    },
    "long-text": {"prompt": "far " * 3000, "completion": "There."},
    "refusal": chat(answer="I'm sorry, but I can't help with that."),
    "upper-case": chat("WHERE IS IT, THE ANIMAL OF MINE?"),
    "personal-data": chat(answer="Call +55 11 91234-5678."),
    "secret": chat(answer="Use AKIAABCDEFGHIJKLMNOP."),
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
    rows = [*numbered(), numbered()[0], chat("WHERE is number 7 ?", "Look at 49!")]
    assert len(doctor.check(rows).fix().rows) == 32
    assert doctor.check(rows).fix("duplicate", "near-duplicate").rows == numbered()
    path = put(tmp_path, numbered())
    path.write_bytes(path.read_bytes() + b"{oops\n")
    with pytest.raises(WorkbookError, match="Line 31"):
        doctor.check(path).fix()
    assert doctor.check(path).fix("not-json").rows == numbered()


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
    rows = [chat(f"Tell me about the {name}?", f"Answer: {name}s live.") for name in ANIMALS[:10]]
    report = doctor.check(rows)
    assert {"user-prefix", "answer-prefix"} <= report.codes.keys()
    mended = report.fix("user-prefix", "answer-prefix").rows
    assert mended[0] == chat("otter?", "otters live.", f"{SYSTEM}\nTell me about the")
    assert not {"user-prefix", "answer-prefix"} & doctor.check(mended).codes.keys()
    pairs = [
        {"prompt": question["content"], "completion": f" {answer['content']}"}
        for _, question, answer in (row["messages"] for row in rows)
    ]
    mended = doctor.check(pairs).fix("user-prefix", "answer-prefix").rows
    assert mended[0] == {"prompt": "otter?", "completion": " otters live."}


def test_an_unknown_fix_is_named() -> None:
    with pytest.raises(WorkbookError, match="no-such"):
        doctor.check(numbered()).fix("no-such")


@FAST
@given(st.lists(ROWS, max_size=4))
def test_any_value_can_be_mended_converted_and_divided(home, rows):
    mended = doctor.check(rows).fix(*doctor.FIXES)
    assert repr(mended) and mended._repr_html_() and mended.diff is not None
    for row in mended:
        for to in doctor.FORMATS:
            with contextlib.suppress(doctor.ConversionError):
                doctor.convert(row, to)
    examples = [row for row in mended if isinstance(row, dict)]
    if len(set(map(doctor.question_of, examples))) < 2:
        with pytest.raises(doctor.DatasetError, match="too few"):
            doctor.split(examples, {"a": 1, "b": 1})
    else:
        assert all(doctor.split(examples, {"a": 1, "b": 1}).values())


def test_the_keys_that_a_grader_reads_stay() -> None:
    row = {"messages": [{"role": "user", "content": "2 + 2?"}], "answer": "4"}
    assert doctor.check([row]).fix("unknown-key").rows == [row]
