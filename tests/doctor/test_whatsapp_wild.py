"""Exports as people have them: every language of the app, old layouts, names that are words."""

from pathlib import Path

import pytest
from training_rows import put

from workbook import doctor
from workbook.cli import main
from workbook.doctor.names import NameMask
from workbook.doctor.readers import whatsapp
from workbook.errors import WorkbookError

CASES = Path(__file__).parent / "cases"


def said(chat: whatsapp.Chat) -> list[str]:
    return [message.text for message in chat.messages]


def parse(name: str) -> whatsapp.Chat:
    text = (CASES / name).read_text("utf-8")
    assert whatsapp.recognise(text)
    return whatsapp.parse(text.splitlines())


@pytest.mark.parametrize(
    ("name", "messages", "others"),
    [
        ("110-android-us-narrow-space.txt", 4, 2),
        ("111-android-spanish.txt", 6, 5),
        ("112-ios-group-system-lines.txt", 7, 19),
        ("113-android-german.txt", 6, 6),
        ("114-ios-german-12h.txt", 4, 1),
        ("117-ios-chinese.txt", 4, 1),
        ("119-android-canada.txt", 4, 0),
        ("120-ios-dashes.txt", 4, 0),
        ("121-old-layout.txt", 4, 0),
        ("124-colon-in-system-line.txt", 7, 5),
        ("125-word-names.txt", 4, 0),
        ("126-edited-deleted-variants.txt", 5, 9),
        ("127-portuguese.txt", 6, 6),
        ("130-system-heavy-start.txt", 2, 2),
        ("131-ios-ampm-dots.txt", 4, 0),
        ("156-names-that-are-words.txt", 4, 0),
        ("158-ios-chinese-24h.txt", 4, 2),
    ],
)
def test_of_a_case_only_what_people_wrote_is_read(name: str, messages: int, others: int) -> None:
    chat = parse(name)
    assert (len(chat.messages), chat.media + chat.system) == (messages, others)
    assert all(message.time for message in chat.messages)
    text = "\n".join(said(chat)).lower()
    for word in ("omitted", "omitido", "deleted", "gelöscht", "<", "poll", "maps.google", "忽略"):
        assert word not in text
    report = doctor.check(CASES / name)
    assert "no-format" not in report.codes and report.codes["speakers"] == 1
    assert "app-language" not in report.codes


def test_names_that_are_words_stay_words() -> None:
    rows = doctor.read(CASES / "125-word-names.txt")
    assert [message["content"] for message in rows[0]["messages"]] == [
        "I will come in May, will you? Mark it.",
        "The rose is in bloom; mark my words, it will be fine in may.",
        "Will do. The market opens when?",
        "At nine, [name].",
    ]
    rows = doctor.read(CASES / "156-names-that-are-words.txt")
    assert rows[0]["messages"][0]["content"].startswith("Apaga la luz, por favor. ¿Hay sol en")
    assert rows[0]["messages"][-1]["content"] == "Mañana también hay sol, [name]."


@pytest.mark.parametrize(
    ("names", "text", "masked"),
    [
        (["May"], "In May it may rain. Thanks, May!", "In May it may rain. Thanks, [name]!"),
        (["Rose"], "Hi Rose, the rose is red.", "Hi [name], the rose is red."),
        (["Hope"], "Hope you are well. I hope so.", "Hope you are well. I hope so."),
        (["Hope"], "Hope, are you there?", "[name], are you there?"),
        (["Grace"], "ask @grace", "ask [name]"),
        (["Flor"], "La flor es para ti, Flor.", "La flor es para ti, [name]."),
        (["Cruz", "Paz"], "Gracias, Cruz. Con paz.", "Gracias, [name]. Con paz."),
        (["You"], "Do you have tea for you? You do.", "Do you have tea for you? You do."),
        (["Nora Vale"], "nora vale and Nora. NORA!", "[name] and [name]. [name]!"),
        (["Boris"], "boris is here, Boriska isn't", "[name] is here, Boriska isn't"),
        (["Bill Stone"], "Pay the bill, Bill Stone", "Pay the bill, [name]"),
        (["Tea Room"], "Green tea in every room", "Green tea in every room"),
        (["小梅"], "你好小梅，几点？", "你好[name]，几点？"),
        (["Вера"], "Вера в себя. Спасибо, Вера!", "Вера в себя. Спасибо, [name]!"),
        (["+1 777 7777"], "call 7777", "call 7777"),
    ],
)
def test_a_name_is_masked_where_it_is_one(names: list[str], text: str, masked: str) -> None:
    assert NameMask(names)(text) == masked


def test_a_name_that_others_write_small_after_an_article_is_a_word() -> None:
    assert NameMask(["Mesa"], ["pon la mesa"])("Mesa para dos, Mesa.") == "Mesa para dos, [name]."


BY_LANGUAGE = {
    "German": [
        "<Medien ausgeschlossen>",
        "Bild weggelassen",
        "Du hast diese Nachricht gelöscht.",
        "Verpasster Videoanruf um 12:30",
        "Sprachanruf, 2 Min.",
        "UMFRAGE:",
        "Standort: https://maps.google.com/?q=1,2",
        "Live-Standort wird geteilt",
    ],
    "French": [
        "<Médias omis>",
        "image absente",
        "Ce message a été supprimé",
        "Vous avez supprimé ce message",
        "Appel vocal manqué",
        "photo.jpg (fichier joint)",
        "SONDAGE :",
    ],
    "Italian": [
        "<Media omessi>",
        "immagine omessa",
        "Questo messaggio è stato eliminato",
        "Hai eliminato questo messaggio.",
        "Chiamata vocale persa",
        "lista.pdf (file allegato)",
        "posizione: https://maps.google.com/?q=1,2",
    ],
    "Dutch": [
        "<Media weggelaten>",
        "afbeelding weggelaten",
        "Dit bericht is verwijderd.",
        "U hebt dit bericht verwijderd",
        "Gemiste spraakoproep",
        "a.pdf (bestand bijgevoegd)",
    ],
    "Turkish": [
        "<Medya dahil edilmedi>",
        "görüntü dahil edilmedi",
        "Bu mesaj silindi",
        "Bu mesajı sildiniz",
        "Cevapsız sesli arama",
        "a.pdf (dosya ekli)",
    ],
    "Chinese": [
        "<媒体文件已略去>",
        "图片已忽略",
        "此消息已删除",
        "你已刪除此訊息",
        "未接语音通话",
        "合同.pdf (文件附件)",
    ],
    "Japanese": [
        "<メディアは含まれていません>",
        "画像は省略されました",
        "このメッセージは削除されました",
        "このメッセージを削除しました",
        "音声通話の不在着信",
        "a.pdf (添付ファイル)",
    ],
    "Arabic": [
        "<تم استبعاد الوسائط>",
        "تم حذف هذه الرسالة",
        "حذفت هذه الرسالة",
        "مكالمة صوتية فائتة",
        "ملف.pdf (الملف مرفق)",
    ],
    "Hindi": [
        "<मीडिया शामिल नहीं है>",
        "यह मैसेज हटा दिया गया",
        "आपने यह मैसेज हटा दिया",
        "मिस्ड वॉइस कॉल",
    ],
    "English": [
        "<Media omitted>",
        "This message was deleted by admin Ana",
        "Voice call, 2 min",
        "Missed group video call",
        "EVENT:",
        "location: https://maps.google.com/?q=1,2",
        "live location shared",
        "Waiting for this message. This may take a while.",
    ],
    "Spanish": [
        "<Multimedia omitido>",
        "Videollamada perdida",
        "Llamada de voz, 12 min",
        "ubicación: https://maps.google.com/?q=1,2",
        "ENCUESTA:",
    ],
    "Portuguese": [
        "<Ficheiro não revelado>",
        "figurinha omitida",
        "Chamada de vídeo perdida",
        "ENQUETE:",
        "localização em tempo real compartilhada",
    ],
    "Russian": ["<Без медиафайлов>", "Данное сообщение удалено", "Вы удалили данное сообщение"],
    "Indonesian": ["<Media tidak disertakan>", "Pesan ini dihapus", "Anda menghapus pesan ini"],
}


@pytest.mark.parametrize("language", BY_LANGUAGE)
def test_the_app_is_known_in(language: str) -> None:
    lines = [f"03.08.26, 12:{n:02} - Ana: {line}" for n, line in enumerate(BY_LANGUAGE[language])]
    chat = whatsapp.parse([*lines, "03.08.26, 13:00 - Ana: Hm", "03.08.26, 13:01 - Bo: Ja?"])
    assert said(chat) == ["Hm", "Ja?"] and not chat.unknown
    assert language in chat.languages


@pytest.mark.parametrize(
    "text",
    [
        "I deleted your message by mistake, sorry",
        "Did you get the message that was deleted?",
        "Video call at 5?",
        "The poll: who comes?",
        "The picture was omitted from the report on purpose.",
        "Location, location, location",
        "Hast du meine Nachricht gelöscht?",
        "Ich habe das Bild weggelassen, weil es zu groß war",
        "Mira este mensaje: lo eliminé ayer",
        "消息我看到了",
        "WhatsApp is end-to-end encrypted, they say.",
        "see notes.txt (the second page)",
        "I <3 you",
        "edit <the file> first",
    ],
)
def test_people_may_speak_of_such_things(text: str) -> None:
    chat = whatsapp.parse([f"15/07/26, 11:20 - Ana: {text}", "15/07/26, 11:21 - Bo: Yes"])
    assert said(chat) == [text, "Yes"]


def test_on_ios_marks_tell_in_any_language() -> None:
    lines = [
        "[15.7.2026, 10:00:00] Shule: \u200eUjumbe na simu zimefumbwa",
        "[15.7.2026, 10:01:00] Asha: Habari?",
        "[15.7.2026, 10:02:00] Asha: \u200epicha imeachwa",
        "[15.7.2026, 10:03:00] Juma: Nzuri. \u200e<Ujumbe huu ulihaririwa>",
        "[15.7.2026, 10:04:00] Juma: \u200eKURA:",
        "Lini?",
        "\u200eCHAGUO: kesho (1)",
        "\u200e[15.7.2026, 10:05:00] Asha: mpango.pdf • \u200ekurasa 3 \u200ehati imeachwa",
        "[15.7.2026, 10:06:00] Asha: \u200e<iliyoambatishwa: 1.jpg>",
        "Hii hapa",
    ]
    chat = whatsapp.parse(lines)
    assert said(chat) == ["Habari?", "Nzuri.", "Hii hapa"] and chat.senders.keys() == {
        "Asha",
        "Juma",
    }
    assert not any(code == "app-language" for code, _, _ in chat.problems)


def test_on_android_an_unknown_language_is_said_to_be_one(tmp_path) -> None:
    lines = [
        "15.7.2026 klo 10.00 - Viestit ja puhelut on salattu päästä päähän.",
        "15.7.2026 klo 10.01 - Aino: Onko auki?",
        "15.7.2026 klo 10.02 - Kahvila: Poistit tämän viestin",
        "15.7.2026 klo 10.03 - Kahvila: Kyllä, kuuteen.",
        "15.7.2026 klo 10.04 - Aino: <Media jätetty pois>",
        "15.7.2026 klo 10.05 - Aino: IMG-20260715-WA0001.jpg (tiedosto liitetty)",
    ]
    chat = whatsapp.parse(lines)
    assert said(chat) == ["Onko auki?", "Poistit tämän viestin", "Kyllä, kuuteen."]
    report = doctor.check(put(tmp_path, "\n".join(lines), "chat.txt"))
    assert report.codes["app-language"] == 1


HEADS = {
    "15/07/2026, 3:34 م - ": "Arabic, afternoon",
    "١٥/٠٧/٢٠٢٦، ٣:٣٤ م - ": "Arabic digits",
    "\u200f15\u200f/07\u200f/2026، 3:34 م - ": "Arabic with marks",
    "[2026/07/15 下午3:34:09] ": "Chinese",
    "2026/7/15 下午3:34 - ": "Chinese, Android",
    "[2026/07/15 午後3:34:09] ": "Japanese",
    "2026. 7. 15. 오후 3:34 - ": "Korean",
    "15/07/26, 3:34 अपराह्न - ": "Hindi",
    "15.07.2026 ÖS 3:34 - ": "Turkish, 12 h",
    "15.07.2026 15:34 - ": "Turkish",
    "15-07-2026 15:34 - ": "Dutch",
    "[15-07-2026, 15:34:09] ": "Dutch, iOS",
    "15/07/2026, 15:34 – ": "with a dash",
    "15/07/2026 15:34:09: ": "old",
    "7/15/26, 3:34:09 PM: ": "old, American",
    "15/7/2026, 3:34\u202fp.\u00a0m. - ": "Spanish",
    "[7/15/26, 3:34:09\u202fPM] ": "American, iOS",
    "\u200e[15.07.26, 15:34:09] ": "German, iOS",
    "15. 7. 2026 15:34 - ": "Czech",
    "2026-07-15 15.34 - ": "Danish",
}


@pytest.mark.parametrize("head", HEADS, ids=HEADS.values())
def test_a_head_of_every_country(head: str, tmp_path) -> None:
    text = f"{head}Ana: One?\nmore\n{head}Bo: Two\n{head}Ana: Three?\n{head}Bo: Four"
    assert whatsapp.recognise(text)
    chat = whatsapp.parse(text.splitlines())
    assert said(chat) == ["One?\nmore", "Two", "Three?", "Four"]
    time = chat.messages[0].time
    assert (time.year, time.month, time.day, time.hour, time.minute) == (2026, 7, 15, 15, 34)
    report = doctor.check(put(tmp_path, text, "chat.txt"))
    assert report.source.format == "whatsapp" and len(report.counts) == 1


def test_a_caption_stays_without_its_file() -> None:
    head = "15/07/26, 11:20 - Ana: "
    lines = [
        f"{head}IMG-20260715-WA0001.jpg (file attached)",
        "Is this one open?",
        f"{head}<Media omitted>",
        "plan of the shop.pdf",
        f"{head}<Media omitted>",
        "And this?",
    ]
    chat = whatsapp.parse(lines)
    assert said(chat) == ["Is this one open?", "And this?"] and chat.media == 3


@pytest.mark.parametrize(
    "line",
    [
        'Ana created group "Tea: the club"',
        "Ana changed the subject from “Tea: old” to “Tea: new”",
        "Ana hat die Gruppe „Tee: der Kreis“ erstellt",
        "Ana a créé le groupe « Thé : le club »",
        "Ana 创建了群组「茶: 俱乐部」",
    ],
)
def test_a_colon_in_a_quotation_ends_no_name(line: str) -> None:
    chat = whatsapp.parse([f"15/07/26, 11:20 - {line}", "15/07/26, 11:21 - Ana: Note: bring six"])
    assert said(chat) == ["Note: bring six"]


def test_who_answers_is_said_and_can_be_chosen() -> None:
    chat = parse("110-android-us-narrow-space.txt")
    assert chat.sides()[1] == ("“Tea Room” (2) becomes the assistant; the user is “Nora Vale” (2)")
    assert chat.sides("nora vale")[1].startswith("“Nora Vale” (2) becomes the assistant")
    path = CASES / "110-android-us-narrow-space.txt"
    with pytest.raises(WorkbookError, match=r"Choose one of: Nora Vale \(2\), Tea Room \(2\)"):
        doctor.check(path, assistant="Nora")
    with pytest.raises(WorkbookError, match="'Nora' writes in this chat"):
        doctor.read(path, assistant="Nora")
    assert "becomes the assistant" in repr(doctor.check(path, assistant="TEA ROOM"))


@pytest.mark.parametrize("command", [["prepare", "--yes"], ["convert", "--to", "completion"]])
def test_every_command_says_who_answers(command, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path))
    path = str(CASES / "110-android-us-narrow-space.txt")
    main([command[0], path, *command[1:], "--assistant", "nora vale"])
    assert (
        "“Nora Vale” (2) becomes the assistant; the user is “Tea Room”" in capsys.readouterr().out
    )
