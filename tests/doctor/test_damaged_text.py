"""Damaged texts are found and mended without changing a word; good ones are left alone."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from row_strategies import FAST
from training_rows import chat

from workbook import doctor
from workbook.doctor import damaged_text, text_checks


def codes(text: str) -> set[str]:
    return {code for code, _, _ in text_checks.check(text)}


MOJIBAKE = {
    "CafÃ© is here.": "Café is here.",
    "Nice ðŸ˜€ day.": "Nice 😀 day.",
    "20Â°C and 5Â£ now.": "20°C and 5£ now.",
    "donâ€™t go there.": "don’t go there.",
    "Ã¼ber and naÃ¯ve": "über and naïve",
    "Â¿QuÃ© tal?": "¿Qué tal?",
    "5 â€“ 6 â‚¬": "5 – 6 €",
    "ÃƒÂ©tÃƒÂ©": "été",
}
WRITTEN = [
    "Привет, друг",
    "Γειά σου, φίλε",
    "日本語です",
    "السلام عليكم",
    "Grüße aus Köln",
    "naïve 🙂",
]


@pytest.mark.parametrize("text", MOJIBAKE)
def test_letters_read_in_the_wrong_encoding_are_found_and_read_again(text: str) -> None:
    assert codes(text) == {"wrong-characters"}
    assert damaged_text.read_again(text) == MOJIBAKE[text]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251"])
@pytest.mark.parametrize("text", WRITTEN)
def test_every_script_is_found_in_every_wrong_encoding(text: str, encoding: str) -> None:
    try:
        wrong = text.encode().decode(encoding)
    except UnicodeDecodeError:
        return
    assert "wrong-characters" in codes(wrong)
    # The safe fix takes no half of a letter away.
    assert damaged_text.read_again(damaged_text.without_controls(wrong)) == (
        damaged_text.read_again(wrong)
    )
    if encoding == "latin-1":
        assert "control-character" not in codes(wrong)
        assert damaged_text.without_controls(wrong) == wrong


@pytest.mark.parametrize(
    "text",
    [
        "naïve café über ¿Qué? ¡Sí! São Paulo à noite",
        "Ç’est l’été – “oui”, Ångström, Ærø, ÑANDÚ",
        "РСФСР, ГРАД, Русский язык, ЎЗБЕК",
        "Ärger, Öl, ÜBER 20 °C für 5 £",
        "日本語 中文 한국어 العربية हिन्दी",
        "— … ‘a’ “b” • ™ ©",
    ],
)
def test_good_letters_are_left_alone(text: str) -> None:
    assert codes(text) == set()
    for mend in (
        damaged_text.read_again,
        damaged_text.without_controls,
        damaged_text.with_lines,
        damaged_text.without_entities,
    ):
        assert mend(text) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("first line\u2028second\u2029third", "first line\nsecond\nthird"),
        ("page one\x85page two", "page one\npage two"),
        ("one\x0ctwo\x0bthree", "one\ntwo\nthree"),
        ("a\x1fb\x1ec", "a b c"),
        ("it\x92s \x93so\x94", "it’s “so”"),
        ("zero\u200bwidth, \ufeffmark, \x00nul", "zerowidth, mark, nul"),
    ],
)
def test_the_safe_fix_keeps_words_apart(text: str, mended: str) -> None:
    assert "control-character" in codes(text)
    rows = doctor.check([chat("Where?", text)]).fix().rows
    assert rows[0]["messages"][-1]["content"] == mended


@FAST
@given(st.text(st.sampled_from("aé \x85\u2028\u200b\x0c\x93\xc3\x9fЯ"), max_size=20))
def test_no_two_words_become_one(text: str) -> None:
    """Unless nothing but signs without any width parts them."""
    apart = text.replace("\u200b", "").replace("\x0c", " ").replace("\u2028", " ")
    assert len(damaged_text.without_controls(text).split()) >= len(
        apart.replace("\x85", "").split()
    )


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (r"It opens at nine.\nThank you.\n", "It opens at nine.\nThank you.\n"),
        (r"Yes,\ncall the desk", "Yes,\ncall the desk"),
        (r"one\n\n- two\n- three", "one\n\n- two\n- three"),
        (r"Hello,\r\nworld.", "Hello,\nworld."),
        (r"¿Qué?\nSí.", "¿Qué?\nSí."),
    ],
)
def test_lines_that_are_written_out(text: str, mended: str) -> None:
    assert codes(text) == {"escaped-lines"} and damaged_text.with_lines(text) == mended


@pytest.mark.parametrize(
    "text",
    [
        r"print('It opens.\n')",
        "```python\nprint('a.\\n')\n```",
        r"Use `\n` for a line.",
        r"C:\new\notes.txt",
        r"docs\notes",
        r"Let $x\neq y$ and $\nabla f$.",
        r"A regex: \d+\n",
        r"the \n escape",
    ],
)
def test_backslashes_that_are_meant(text: str) -> None:
    assert "escaped-lines" not in codes(text) and damaged_text.with_lines(text) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("Tom &amp; Ann said &quot;hi&quot;&#39;s", 'Tom & Ann said "hi"\'s'),
        ("caf&eacute;&nbsp;&#x20AC;5", "café €5"),
    ],
)
def test_entities(text: str, mended: str) -> None:
    assert codes(text) == {"html-entities"} and damaged_text.without_entities(text) == mended


@pytest.mark.parametrize("text", ["R&D; more", "a & b; c", "?a=1&b=2;", "AT&T"])
def test_what_is_no_entity(text: str) -> None:
    assert "html-entities" not in codes(text) and damaged_text.without_entities(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "<s>[INST] Hi [/INST]",
        "[/INST] Fine.</s>",
        "<<SYS>>Be kind<</SYS>>",
        "<|start_header_id|>user<|end_header_id|>",
        "At nine.<|eot_id|>",
        "<start_of_turn>model",
        "<bos>Hi",
        "<think>Hm</think>At nine.",
        '<tool_call>{"name": "a"}</tool_call>',
        "<｜User｜>Hi",
        "<|user|>\nHi",
        "[TOOL_CALLS] []",
        "### Instruction:\nSay hi",
    ],
)
def test_marks_of_other_models_templates(text: str) -> None:
    assert codes(text) == {"template-mark"}


@pytest.mark.parametrize(
    "text",
    ["I think so.", "a <s>b</s> c", "INST is a name", "### Heading", "x <| y |> z", "<b>bold</b>"],
)
def test_what_is_no_mark(text: str) -> None:
    assert "template-mark" not in codes(text)


CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(
    ("name", "code", "count"),
    [
        ("27-literal-backslash-n.jsonl", "escaped-lines", 12),
        ("145-u2028-jsonl.jsonl", "control-character", 2),
        ("147-html-entities.jsonl", "html-entities", 12),
        ("148-mojibake.jsonl", "wrong-characters", 7),
        ("178-code-answers.jsonl", "escaped-lines", 0),
        ("198-think-tags.jsonl", "template-mark", 12),
        ("199-chat-template-in-content.jsonl", "template-mark", 12),
        ("144-arithmetic.jsonl", "personal-data", 0),
        ("149-numbers-not-phones.jsonl", "personal-data", 0),
        ("149-numbers-not-phones.jsonl", "secret", 0),
    ],
)
def test_a_case(name: str, code: str, count: int) -> None:
    report = doctor.check(CASES / name)
    assert report.codes.get(code, 0) == count
    if name.startswith("145"):
        rows = [json.dumps(row, ensure_ascii=False) for row in report.fix().rows]
        assert any(r"first line\nsecond line\nthird" in row for row in rows)
        assert any(r"page one\npage two" in row for row in rows)
    if name.startswith("148"):
        assert "control-character" not in report.codes
        mended = json.dumps(report.fix("wrong-characters").rows, ensure_ascii=False)
        for words in ("Café is", "Nice 😀 day", "20°C and 5£", "don’t", "über and naïve", "Привет"):
            assert words in mended


@pytest.mark.parametrize(
    ("text", "again"),
    [("â€œopenâ€\x9d", "“open”"), ("Р\x98РґРё СЃСЋРґР°", "Иди сюда"), ("Ã\x81gua", "Água")],
)
def test_half_a_letter_stays_until_the_text_is_read_again(text: str, again: str) -> None:
    assert damaged_text.without_controls(text) == text
    assert damaged_text.read_again(text) == again


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (r"Yes\n\na dog", "Yes\n\na dog"),
        (r"Line one\r\nLine two", "Line one\nLine two"),
        (r"One.\r\n\r\nTwo.", "One.\n\nTwo."),
    ],
)
def test_lines_that_are_written_out_are_all_made(text: str, lines: str) -> None:
    assert damaged_text.with_lines(text) == lines
