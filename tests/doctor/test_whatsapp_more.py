"""Exports in further layouts and languages: read, or said to be a chat that can't be read; numbers
and names masked as they are written there."""

from pathlib import Path

import pytest
from training_rows import put

from workbook import doctor
from workbook.doctor import personal_data
from workbook.doctor.readers import whatsapp


def android(*lines: str) -> str:
    return "\n".join(f"05/03/26, 09:{n:02} - {line}" for n, line in enumerate(lines, start=1))


def texts(folder: Path, content: str) -> list[str]:
    (row,) = doctor.read(put(folder, content, "chat.txt"))
    return [message["content"] for message in row["messages"]]


@pytest.mark.parametrize(
    "date", ["2026年3月5日", "2026. 3. 5.", "2026년 3월 5일", "2026/3/5", "5.3.26"]
)
def test_a_date_is_read_however_it_is_written(tmp_path: Path, date: str) -> None:
    lines = [f"{date} 09:0{n} - {name}: {name}{n}" for n, name in enumerate(("Ann", "Bo"), start=1)]
    assert texts(tmp_path, "\n".join(lines)) == ["Ann1", "Bo2"]


@pytest.mark.parametrize(
    "lines",
    [
        ["Ann, [05.03.2026 09:02]", "Is it open?", "Bo, [05.03.2026 09:03]", "Yes."] * 2,
        ["2026-03-05T09:02 Ann> Is it open?", "2026-03-05T09:03 Bo> Yes."] * 2,
        ["Ann (5/3/2026 9h02): Is it open?", "Bo (5/3/2026 9h03): Yes."] * 2,
    ],
)
def test_a_chat_of_another_app_is_not_read_as_answers(tmp_path: Path, lines: list[str]) -> None:
    report = doctor.check(put(tmp_path, "\n".join(lines), "other.txt"))
    assert report.codes.keys() == {"file-kind", "empty-file"}
    assert "a chat, by the dates" in report.findings[0].message


@pytest.mark.parametrize(
    "text", ["It opens at 9:00.\nOn 5/3/2026 at 9:00 it was shut.\nAsk again.", "a\nb\nc", ""]
)
def test_other_texts_are_no_chats(text: str) -> None:
    assert not whatsapp.may_be_chat(text)


@pytest.mark.parametrize(
    ("notice", "number"),
    [
        ("Nachrichten sind Ende-zu-Ende-verschlüsselt.", "0170 1234567"),
        ("Les messages sont chiffrés de bout en bout.", "06 12 34 56 78"),
        ("I messaggi sono crittografati end-to-end di sicurezza.", "+39 320 123 4567"),
    ],
)
def test_numbers_of_the_country_of_the_app_are_masked(
    tmp_path: Path, notice: str, number: str
) -> None:
    said = texts(tmp_path, android(notice, f"Ann: Ah, {number}, yes", "Bo: ok"))
    assert said == ["Ah, [phone], yes", "ok"]


@pytest.mark.parametrize("number", ["+52 1 55 1234 5678", "+44 7700 900123", "+1 (415) 555-0132"])
def test_a_number_with_its_country_is_one_though_nobody_has_it(number: str) -> None:
    assert personal_data.mask(f"Call {number}.") == "Call [phone]."


def test_a_korean_name_is_masked_before_its_particle(tmp_path: Path) -> None:
    assert texts(tmp_path, android("민지: 열어요?", "카페: 네, 민지님.")) == [
        "열어요?",
        "네, [name]님.",
    ]


def test_a_missed_call_in_japanese_is_nobodys_words(tmp_path: Path) -> None:
    lines = android("花子: 音声不在着信", "花子: 開いていますか？", "店主: はい")
    assert texts(tmp_path, lines) == ["開いていますか？", "はい"]


def test_questions_that_nobody_answers_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = android(
        "Bo: Hello all.", "Ann: Is it open?", "Bo: Yes.", "Ann: Until when?", "Ann: Eh?"
    )
    path = put(tmp_path, lines, "chat.txt")
    assert doctor.read(path, assistant="Bo")[0]["messages"][-1]["content"] == "Yes."
    findings = doctor.check(path, assistant="Bo").findings
    assert [f.message for f in findings if "nobody answered" in f.message and "(3)" in f.message]
