"""Every format and encoding that training data comes in, and WhatsApp exports; nothing crashes."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook import doctor, paths
from workbook.doctor import personal_data, readers, whatsapp

ROWS = [
    {"prompt": "¿Dónde vive la nutria?", "completion": "En el río,\ncon su familia."},
    {"prompt": 'What does "otter" mean?', "completion": "A kind of animal; it swims."},
]
CHAT = {
    "messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]
}


def put(folder: Path, name: str, content: bytes | str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def jsonl(rows: list = ROWS) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def table(sign: str) -> str:
    import csv

    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign)
    writer.writerow(["prompt", "completion"])
    writer.writerows([row["prompt"], row["completion"]] for row in ROWS)
    return out.getvalue()


def codes(path: Path) -> set[str]:
    return set(doctor.check(path).codes) - {"too-few", "language-mix"}


@pytest.mark.parametrize(
    ("name", "content", "encoding", "said"),
    [
        ("a.jsonl", jsonl(), "utf-8", set()),
        ("a.jsonl", jsonl(), "utf-8-sig", {"bom"}),
        ("a.jsonl", jsonl(), "utf-16", {"encoding"}),
        ("a.jsonl", jsonl(), "utf-16-le", {"encoding"}),
        ("a.jsonl", jsonl(), "utf-16-be", {"encoding"}),
        ("a.jsonl", jsonl(), "latin-1", {"encoding"}),
        ("a.jsonl", jsonl().replace("…", "").replace("nutria", "nutria’"), "cp1252", {"encoding"}),
        ("a.json", json.dumps(ROWS), "utf-8", {"json-list"}),
        ("a.json", json.dumps({"data": ROWS}, indent=1), "utf-8", {"json-list"}),
        ("a.json", jsonl(), "utf-8", {"file-name"}),
        ("a.csv", table(","), "utf-8", {"not-jsonl"}),
        ("a.csv", table(";"), "latin-1", {"not-jsonl", "encoding"}),
        ("a.tsv", table("\t"), "utf-16", {"not-jsonl", "encoding"}),
        ("a.jsonl", "", "utf-8", {"empty-file"}),
    ],
)
def test_a_format_and_an_encoding(tmp_path, name, content, encoding, said) -> None:
    path = put(tmp_path, name, content, encoding)
    assert codes(path) == said
    rows = doctor.read(path)
    assert [
        {key: text.replace("’", "").replace("\r\n", "\n") for key, text in row.items()}
        for row in rows
    ] == (ROWS if content else [])
    packed = put(tmp_path, name + ".gz", gzip.compress(path.read_bytes()))
    assert doctor.read(packed) == rows and "compressed" in codes(packed)
    packed = put(tmp_path, name + ".zst", zstandard.compress(path.read_bytes()))
    assert doctor.read(packed) == rows and "compressed" in codes(packed)


def test_a_workbook_and_parquet(tmp_path) -> None:
    import openpyxl
    import polars

    book = openpyxl.Workbook()
    book.active.append(["Prompt", "completion", "author"])
    for row in ROWS:
        book.active.append([*row.values(), 7])
    book.save(tmp_path / "a.xlsx")
    assert doctor.read(tmp_path / "a.xlsx") == [row | {"author": 7} for row in ROWS]
    polars.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    assert doctor.read(tmp_path / "a.parquet") == ROWS
    polars.DataFrame([CHAT, CHAT]).write_parquet(tmp_path / "b.parquet")
    assert doctor.read(tmp_path / "b.parquet") == [CHAT, CHAT]


def test_text_and_other_tools_forms(tmp_path) -> None:
    assert doctor.read(put(tmp_path, "a.txt", "One line.\n\nAnother.\n")) == [
        {"prompt": "", "completion": "One line."},
        {"prompt": "", "completion": "Another."},
    ]
    assert doctor.read(put(tmp_path, "b.csv", "question,answer\nWhere?,There.\n")) == [
        {"prompt": "Where?", "completion": "There."}
    ]
    assert doctor.read(put(tmp_path, "c.csv", "user,assistant\nWhere?,There.\n")) == [CHAT]
    cell = json.dumps(CHAT["messages"]).replace('"', '""')
    assert doctor.read(put(tmp_path, "d.csv", f'messages\n"{cell}"\n')) == [CHAT]
    shared = {
        "conversations": [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "There."}]
    }
    assert doctor.read(put(tmp_path, "e.json", json.dumps([shared]))) == [CHAT]


def test_a_table_s_rows_have_the_line_they_start_on(tmp_path) -> None:
    path = put(tmp_path, "a.csv", 'prompt,completion\n"a\nb",c\nd,\n')
    assert [line.number for line in readers.open_source(path).lines()] == [2, 4]
    [finding] = [f for f in doctor.check(path).findings if f.code == "empty-content"]
    assert finding.line == 4


def test_a_damaged_file_ends_in_a_finding(tmp_path) -> None:
    whole = gzip.compress(jsonl(ROWS * 500).encode())
    for name, content in (
        ("a.jsonl.gz", whole[: len(whole) // 2]),
        ("b.jsonl.gz", whole[:12]),
        ("c.xlsx", b"PK\x03\x04 nothing"),
        ("d.parquet", b"PAR1 nothing"),
        ("e.jsonl.zst", b"\x28\xb5\x2f\xfd nothing"),
    ):
        assert not doctor.check(put(tmp_path, name, content)).ok, name


def test_a_workbook_whose_index_points_before_its_first_byte(tmp_path) -> None:
    content = bytearray(_formats(tmp_path)["a.xlsx"])
    content[content.rindex(b"PK\5\6") + 18] += 1  # where the index begins: 65,536 bytes too far
    [line] = readers.open_source(put(tmp_path, "b.xlsx", bytes(content))).lines()
    assert not line.readable and "Save or download it again" in line.problems[0][1]


def test_a_workbook_that_went_away_is_not_called_damaged(tmp_path) -> None:
    source = readers.open_source(put(tmp_path, "a.xlsx", _formats(tmp_path)["a.xlsx"]))
    source.path.unlink()
    with pytest.raises(readers.Unreadable, match="can't be read"):
        list(source.lines())

    def lost(*_: str):
        raise FileNotFoundError("http://host/a.xlsx")  # as fsspec says it: without a number

    source.remote = type("Remote", (), {"open": lost, "__enter__": lost})()
    with pytest.raises(readers.Unreadable, match="can't be read"):
        list(source.lines())


def test_a_line_of_ten_megabytes(tmp_path) -> None:
    content = jsonl() + '{"prompt": "' + "far " * 2_600_000 + '"}\n' + jsonl([CHAT])
    found = {(f.code, f.line) for f in doctor.check(put(tmp_path, "a.jsonl", content)).findings}
    assert ("long-line", 3) in found and ("mixed-formats", 4) in found


FAST = settings(max_examples=120)
NAMES = st.sampled_from(
    [
        "a.jsonl",
        "a.json",
        "a.csv",
        "a.tsv",
        "a.txt",
        "a.xlsx",
        "a.parquet",
        "a.jsonl.gz",
        "a",
        "a.csv.zst",
    ]
)
STARTS = st.sampled_from(
    [
        b"",
        b"PK\x03\x04",
        b"PAR1",
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"[",
        b"{",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"prompt,completion\n",
        b"02/03/2026, 09:12 - Ana: hi\n",
        b"[02/03/26, 9:12:01 PM] Ana: hi\n",
    ]
)


@FAST
@given(
    NAMES,
    STARTS,
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
)
def test_any_file_ends_in_findings(tmp_path, name, start, rest) -> None:
    report = doctor.check(put(tmp_path, name, start + rest))
    assert repr(report) and report._repr_html_()


GOOD = jsonl([CHAT] * 5).encode()


@FAST
@given(
    NAMES,
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=8),
    st.integers(0, len(GOOD)),
)
def test_damaged_bytes_end_in_findings(tmp_path, name, changes, end) -> None:
    content = bytearray(GOOD)
    for place, byte in changes:
        content[place] = byte
    assert repr(doctor.check(put(tmp_path, name, bytes(content[:end]))))


# WhatsApp

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
    said = [
        (2, 9, "Ana", "Is it open?\nI mean the shop: today"),
        (2, 13, "Casa Azul", "Yes"),
        (2, 13, "Casa Azul", "until eight."),
        (15, 21, "Ana", "Thanks: see you"),
        (16, 0, "Casa Azul", "Good."),
    ]
    lines = [header(layout, *each) for each in said]
    chat = whatsapp.parse("\n".join(lines).split("\n"))
    assert chat.certain and chat.layout in layout and chat.senders == {"Casa Azul": 3, "Ana": 2}
    first, *_, last = chat.messages
    assert (first.time.day, first.time.month, first.time.hour) == (2, 3, 9)
    assert (last.time.day, last.time.month, last.time.hour, last.line) == (16, 3, 0, 6)
    rows = doctor.read(put(tmp_path, "chat.txt", "\n".join(lines)))
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
    told = json.dumps(rows, ensure_ascii=False)
    for hidden in ("Lucía", "Prado", "612 345 678", "example.com", "omitted", "deleted"):
        assert hidden not in told
    for shown in ("[name]", "[phone]", "[e-mail]", "a blue one, 20 inches"):
        assert shown in told
    for row in rows:
        roles = [message["role"] for message in row["messages"]]
        assert roles[0] == "user" and roles[-1] == "assistant"
        assert all(one != other for one, other in zip(roles, roles[1:], strict=False))
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


# Masks


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Call +55 11 91234-5678 now", "Call [phone] now"),
        ("ana@example.org, ben.b@mail.example.com", "[e-mail], [e-mail]"),
        ("key sk-proj-abcdefghijklmnopqrstuvwx!", "key [key]!"),
        ("card 4111 1111 1111 1111.", "card [card number]."),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [bank account]"),
        ("In 2026 it cost 1234567 euros", "In 2026 it cost 1234567 euros"),
        ("ANA and Anabel met @ana", "[name] and Anabel met [name]"),
    ],
)
def test_a_mask(text: str, masked: str) -> None:
    assert personal_data.mask(text, ["Ana"]) == masked


# Bytes of every real format, damaged


def _formats(folder: Path) -> dict[str, bytes]:
    import openpyxl
    import polars

    book = openpyxl.Workbook()
    book.active.append(["prompt", "completion"])
    for row in ROWS:
        book.active.append(list(row.values()))
    book.save(folder / "a.xlsx")
    polars.DataFrame(ROWS).write_parquet(folder / "a.parquet")
    text = jsonl([CHAT] * 20).encode()
    return {
        "a.xlsx": _undated(folder / "a.xlsx"),
        "a.parquet": (folder / "a.parquet").read_bytes(),
        "a.jsonl.gz": gzip.compress(text, mtime=0),
        "a.jsonl.zst": zstandard.compress(text),
        "a.jsonl": text.decode().encode("utf-16"),
        "a.csv": table(";").encode("latin-1"),
        "a.json": json.dumps(ROWS).encode(),
        "a.txt": paths.data("whatsapp_sample.txt").read_bytes(),
    }


def _undated(book: Path) -> bytes:
    """The workbook without the time of its writing: the fuzzer then does the same in every run."""
    written = io.BytesIO()
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != "docProps/core.xml":
                new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return written.getvalue()


@pytest.mark.full
def test_a_fuzzer_over_all_formats(tmp_path) -> None:
    import random

    dice = random.Random(11)
    for name, content in _formats(tmp_path).items():
        for _ in range(150):
            damaged = bytearray(content)
            for _ in range(dice.randint(1, 12)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            if dice.random() < 0.3:
                damaged = damaged[: dice.randrange(len(damaged))]
            assert repr(doctor.check(put(tmp_path, name, bytes(damaged))))


# JSON lists, element by element


def test_a_json_list_is_read_as_far_as_it_goes(tmp_path, monkeypatch) -> None:
    # Elements lie across the pieces that are read.
    monkeypatch.setattr(readers, "_PIECE", 7)
    monkeypatch.setattr(readers, "_SAMPLE", 300)
    text = json.dumps([CHAT, *ROWS, {"prompt": "\ud83d", "completion": "9" * 30}], indent=1)
    assert doctor.read(put(tmp_path, "a.json", text)) == json.loads(text)
    assert doctor.read(put(tmp_path, "b.json", json.dumps({"rows": ROWS}))) == ROWS
    broken = doctor.check(put(tmp_path, "c.json", text[:-40]))
    assert [(f.code, f.line) for f in broken.findings if f.code == "not-json"] == [("not-json", 4)]
    for bad, said in (
        ('[{"prompt": "a"} {"prompt": "b"}]', "comma"),
        ('[{"prompt": NaN}]', "NaN"),
        ('[{"prompt": 1,}]', "not JSON"),
        ('[{"prompt": "a"}, ' + "[" * 100_000, ""),
    ):
        found = [
            f for f in doctor.check(put(tmp_path, "d.json", bad)).findings if f.code == "not-json"
        ]
        assert len(found) == 1 and said in found[0].message
    twice = '[{"prompt": "", "prompt": "", "completion": ""}]'
    twice = doctor.check(put(tmp_path, "e.json", twice))
    assert "repeated-key" in twice.codes


def test_one_object_over_several_lines(tmp_path) -> None:
    assert doctor.read(put(tmp_path, "a.json", json.dumps(CHAT, indent=2))) == [CHAT]
    lines = jsonl([{"rows": [CHAT]}, {"rows": [CHAT]}])
    assert len(doctor.read(put(tmp_path, "b.jsonl", lines))) == 2


def test_a_quote_that_is_never_closed_takes_no_more_than_a_long_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(readers, "MAX_LINE", 9_000)
    path = put(tmp_path, "a.csv", 'prompt,completion\n"a,b\n' + "far,away\n" * 1_200)
    report = doctor.check(path)
    assert report.codes["not-json"] == 1 and len(report.counts) > 100


def test_packed_tables_of_other_programs(tmp_path) -> None:
    import polars

    frame = io.BytesIO()
    polars.DataFrame(ROWS * 1500).write_parquet(frame, row_group_size=700)
    for path in (
        put(tmp_path, "a.parquet", frame.getvalue()),
        put(tmp_path, "a.parquet.gz", gzip.compress(frame.getvalue())),
        put(tmp_path, "a.parquet.zst", zstandard.compress(frame.getvalue())),
    ):
        assert doctor.read(path) == ROWS * 1500
