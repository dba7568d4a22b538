"""Chats of people who did not agree: nothing is read, or their conversations are left out whole."""

from pathlib import Path

import pytest

from workbook import doctor, paths
from workbook.doctor.readers import consent, whatsapp

CHAT = """\
02/03/2026, 09:00 - Ana Ruiz: Is it open?
02/03/2026, 09:05 - Casa Azul: Until eight.
03/03/2026, 09:00 - Petra Voss: My doctor says I may not climb. Do you deliver?
03/03/2026, 09:05 - Casa Azul: On Thursdays.
03/03/2026, 09:06 - Ana Ruiz: To me, too?
03/03/2026, 09:07 - Casa Azul: To you, too.
04/03/2026, 09:00 - Ana Ruiz: Is Petra Voss well?
04/03/2026, 09:05 - Casa Azul: She is.
"""
BOTH = ["Ana Ruiz", "Casa Azul"]


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.txt"
    path.write_text(CHAT, encoding="utf-8")
    return path


def read(chat: Path, **options: object) -> list[dict]:
    return doctor.read(chat, assistant="Casa Azul", **options)


def test_who_has_not_agreed_stops_the_reading(chat: Path) -> None:
    with pytest.raises(doctor.DatasetError, match=r"Nothing was read.*“Petra Voss” \(1 messages\)"):
        read(chat, consent=BOTH)


def test_the_owner_of_the_voice_must_have_agreed_too(chat: Path) -> None:
    with pytest.raises(doctor.DatasetError, match="Casa Azul"):
        read(chat, consent=["Ana Ruiz", "Petra Voss"])


def test_a_conversation_in_which_they_wrote_is_left_out_with_the_answers(chat: Path) -> None:
    rows = read(chat, consent=BOTH, without=["petra voss"])
    assert len(rows) == 2 and "doctor" not in str(rows) and "Thursdays" not in str(rows)
    assert "[name]" in rows[1]["messages"][0]["content"], "who is left out is masked all the same"


def test_the_report_says_how_much_was_left_out(chat: Path) -> None:
    report = doctor.check(chat, assistant="Casa Azul", consent=BOTH, without=["Petra Voss"])
    assert any("1 conversation in which" in finding.message for finding in report.findings)


def test_names_are_compared_whatever_their_capitals_and_blanks(chat: Path) -> None:
    assert len(read(chat, consent=[" ana ruiz", "CASA AZUL", "petra voss", "", "Nobody"])) == 3


def test_without_a_list_everything_is_read_as_before(chat: Path) -> None:
    assert len(read(chat)) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"consent": "Ana Ruiz"}, "go into a list"),
        ({"consent": BOTH, "without": "Petra Voss"}, "go into a list"),
        ({"consent": [*BOTH, "Petra Voss"], "without": ["Petra Voss"]}, "in one of them only"),
    ],
)
def test_lists_that_mean_nothing_are_refused(chat: Path, options: dict, words: str) -> None:
    with pytest.raises(doctor.DatasetError, match=words):
        read(chat, **options)


def test_a_name_to_leave_out_that_is_not_there_is_a_mistake(chat: Path) -> None:
    with pytest.raises(Exception, match="Nobody called 'Petra Foss'"):
        read(chat, consent=BOTH, without=["Petra Foss"])


def test_an_empty_list_is_nobodys_consent() -> None:
    parsed = whatsapp.parse(CHAT.splitlines())
    with pytest.raises(doctor.DatasetError, match="Ana Ruiz"):
        consent.absent(parsed, [])


def test_the_chat_of_the_course_holds_somebody_who_did_not_agree() -> None:
    file = paths.data("plant_chat.txt")
    agreed = paths.data("plant_chat_consent.txt").read_text(encoding="utf-8").splitlines()
    with pytest.raises(doctor.DatasetError, match="Petra Voss"):
        doctor.read(file, assistant="Nora Lindgren", consent=agreed)
    rows = doctor.read(file, assistant="Nora Lindgren", consent=agreed, without=["Petra Voss"])
    assert len(rows) > 100 and "lawyer" not in str(rows)
