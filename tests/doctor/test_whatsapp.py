"""WhatsApp exports: every layout is read, names and numbers are masked, one side answers."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from row_strategies import FAST
from training_rows import put

from workbook import doctor, paths
from workbook.doctor.readers import whatsapp

LAYOUTS = {
    "Android, 24 h": "{d:02}/{m:02}/20{y}, {h:02}:{mi:02} - {who}: {text}",
    "Android, 12 h": "{m}/{d}/{y}, {h12}:{mi:02}\u202f{half} - {who}: {text}",
    "Android, German order": "{d:02}.{m:02}.{y}, {h:02}:{mi:02} - {who}: {text}",
    "Android, Spanish 12 h": "{d}/{m}/{y}, {h12}:{mi:02}\u00a0{es} - {who}: {text}",
    "Android, Brazil": "{d:02}/{m:02}/20{y} {h:02}:{mi:02} - {who}: {text}",
    "Android, year first": "20{y}/{m:02}/{d:02}, {h:02}:{mi:02} - {who}: {text}",
    "iOS, 24 h": "[{d:02}/{m:02}/{y}, {h:02}:{mi:02}:07] {who}: {text}",
    "iOS, 12 h": "\u200e[{m}/{d}/{y}, {h12}:{mi:02}:07\u202f{half}] {who}: {text}",
    "iOS, Brazil": "[{d:02}/{m:02}/20{y} {h:02}:{mi:02}:07] {who}: {text}",
    "iOS, year first": "[20{y}-{m:02}-{d:02}, {h:02}:{mi:02}:07] {who}: {text}",
}


def header(layout: str, day: int, hour: int, who: str, text: str) -> str:
    half = "AM" if hour < 12 else "PM"
    return LAYOUTS[layout].format(
        d=day,
        m=3,
        y=26,
        h=hour,
        h12=hour % 12 or 12,
        mi=5,
        who=who,
        half=half,
        es={"AM": "a. m.", "PM": "p. m."}[half],
        text=text,
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout(layout: str, tmp_path) -> None:
    messages = [
        (2, 9, "Ana", "Is it open?\nI mean the shop: today"),
        (2, 13, "Casa Azul", "Yes"),
        (2, 13, "Casa Azul", "until eight."),
        (15, 21, "Ana", "Thanks: see you"),
        (16, 0, "Casa Azul", "Good."),
    ]
    lines = [header(layout, *message) for message in messages]
    chat = whatsapp.parse("\n".join(lines).split("\n"))
    assert chat.certain and chat.layout in layout and chat.senders == {"Casa Azul": 3, "Ana": 2}
    first, *_, last = chat.messages
    assert (first.time.day, first.time.month, first.time.hour) == (2, 3, 9)
    assert (last.time.day, last.time.month, last.time.hour, last.line) == (16, 3, 0, 6)
    rows = doctor.read(put(tmp_path, "\n".join(lines), "chat.txt"))
    assert [[m["content"] for m in row["messages"]] for row in rows] == [
        ["Is it open?\nI mean the shop: today", "Yes\nuntil eight."],
        ["Thanks: see you", "Good."],
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Messages and calls are end-to-end encrypted. Tap to learn more.",
        "Los mensajes y las llamadas están cifrados de extremo a extremo.",
        "As mensagens e as ligações são protegidas com a criptografia de ponta a ponta.",
        "Ana: This message was deleted",
        "Ana: Se eliminó este mensaje.",
        "Ana: Mensagem apagada",
        "Ana: <Media omitted>",
        "Ana: <Multimedia omitido>",
        "Ana: <Mídia oculta>",
        "Ana: \u200eimage omitted",
        "Ana: imagen omitida",
        "Ana: áudio ocultado",
        "Ana: IMG-2026.jpg (file attached)",
        "Ana: <attached: 0001-PHOTO.jpg>",
        "Ana: <adjunto: a.pdf>",
        "Ana: <anexado: a.pdf>",
        "Ana: Missed voice call",
        "Ana: Llamada perdida",
        "Ana: Chamada de voz perdida",
        "Ana created group “Bikes”",
    ],
)
def test_what_the_app_writes_is_left_out(line: str) -> None:
    chat = whatsapp.parse([f"02/03/2026, 09:12 - {line}", "02/03/2026, 09:13 - Ana: Hello there"])
    assert [message.text for message in chat.messages] == ["Hello there"]
    assert chat.media + chat.system == 1 and chat.problems


def test_who_asks_who_answers_and_what_is_masked() -> None:
    path = paths.data("whatsapp_sample.txt")
    rows = doctor.read(path)
    assert len(rows) >= 10 and doctor.check(rows).ok
    text = json.dumps(rows, ensure_ascii=False)
    for masked in ("Lucía", "Prado", "612 345 678", "example.com", "omitted", "deleted"):
        assert masked not in text
    for word in ("[name]", "[phone]", "[e-mail]", "a blue one, 20 inches"):
        assert word in text
    for row in rows:
        roles = [message["role"] for message in row["messages"]]
        assert roles[0] == "user" and roles[-1] == "assistant"
        assert all(one != other for one, other in pairwise(roles))
    other = doctor.read(path, assistant="Lucía Prado", mask=False)
    assert "Free Wheel" not in str(rows) and other != rows
    assert doctor.read(path, system="Be kind.")[0]["messages"][0]["content"] == "Be kind."


def test_an_order_that_nothing_proves_is_said() -> None:
    chat = whatsapp.parse(["02/03/2026, 09:12 - Ana: Hi", "02/03/2026, 09:13 - Ben: Hi"])
    assert not chat.certain and "day or the month" in chat.problems[-1][1]
    assert whatsapp.parse(["02/03/2026, 09:12 - Ana: Hi"], "mdy").messages[0].time.month == 2


@FAST
@given(
    st.lists(
        st.sampled_from(
            [
                "02/03/2026, 09:12 - Ana: hi",
                "[3/2/26, 9:12:01 PM] Ben: yo",
                "99/99/9999, 77:99 - Ana: x",
                "02/03/2026, 09:12 - ",
                "",
                "\u200e",
                "more: text",
                "2026-03-02, 9:99 - Ana: x",
            ]
        )
        | st.text(max_size=30)
    )
)
def test_any_export_is_parsed(lines) -> None:
    for _, row in whatsapp.parse(lines).examples():
        assert row["messages"][0]["role"] == "user"
