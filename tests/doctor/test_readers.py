"""Every format and encoding that training data comes in is read; nothing crashes."""

import csv
import gzip
import io
import json
import random
import zipfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from row_strategies import FAST
from training_rows import jsonl, put, turns

from workbook import doctor, paths
from workbook.doctor.errors import UnreadableError
from workbook.doctor.readers import bounded_lines, tables
from workbook.doctor.readers import jsonl as jsonl_reader
from workbook.doctor.readers.source import open_source

ROWS = [
    {"prompt": "¿Dónde vive la nutria?", "completion": "En el río,\ncon su familia."},
    {"prompt": 'What does "otter" mean?', "completion": "A kind of animal; it swims."},
]
CHAT = turns(("user", "Where?"), ("assistant", "There."))


def table(sign: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign)
    writer.writerow(["prompt", "completion"])
    writer.writerows([row["prompt"], row["completion"]] for row in ROWS)
    return out.getvalue()


def codes(path: Path) -> set[str]:
    return set(doctor.check(path).codes) - {"too-few", "language-mix"}


@pytest.mark.parametrize(
    ("name", "content", "encoding", "expected"),
    [
        ("a.jsonl", jsonl(ROWS), "utf-8", set()),
        ("a.jsonl", jsonl(ROWS), "utf-8-sig", {"bom"}),
        ("a.jsonl", jsonl(ROWS), "utf-16", {"encoding"}),
        ("a.jsonl", jsonl(ROWS), "utf-16-le", {"encoding"}),
        ("a.jsonl", jsonl(ROWS), "utf-16-be", {"encoding"}),
        ("a.jsonl", jsonl(ROWS), "latin-1", {"encoding"}),
        (
            "a.jsonl",
            jsonl(ROWS).replace("…", "").replace("nutria", "nutria’"),
            "cp1252",
            {"encoding"},
        ),
        ("a.json", json.dumps(ROWS), "utf-8", {"json-list"}),
        ("a.json", json.dumps({"data": ROWS}, indent=1), "utf-8", {"json-list"}),
        ("a.json", jsonl(ROWS), "utf-8", {"file-name"}),
        ("a.csv", table(","), "utf-8", {"not-jsonl"}),
        ("a.csv", table(";"), "latin-1", {"not-jsonl", "encoding"}),
        ("a.tsv", table("\t"), "utf-16", {"not-jsonl", "encoding"}),
        ("a.jsonl", "", "utf-8", {"empty-file"}),
    ],
)
def test_a_format_and_an_encoding(tmp_path, name, content, encoding, expected) -> None:
    path = put(tmp_path, content, name, encoding)
    assert codes(path) == expected
    rows = doctor.read(path)
    assert [
        {key: text.replace("’", "").replace("\r\n", "\n") for key, text in row.items()}
        for row in rows
    ] == (ROWS if content else [])
    packed = put(tmp_path, gzip.compress(path.read_bytes()), name + ".gz")
    assert doctor.read(packed) == rows and "compressed" in codes(packed)
    packed = put(tmp_path, zstandard.compress(path.read_bytes()), name + ".zst")
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
    assert doctor.read(put(tmp_path, "One line.\n\nAnother.\n", "a.txt")) == [
        {"prompt": "", "completion": "One line."},
        {"prompt": "", "completion": "Another."},
    ]
    assert doctor.read(put(tmp_path, "question,answer\nWhere?,There.\n", "b.csv")) == [
        {"prompt": "Where?", "completion": "There."}
    ]
    assert doctor.read(put(tmp_path, "user,assistant\nWhere?,There.\n", "c.csv")) == [CHAT]
    cell = json.dumps(CHAT["messages"]).replace('"', '""')
    assert doctor.read(put(tmp_path, f'messages\n"{cell}"\n', "d.csv")) == [CHAT]
    shared = {
        "conversations": [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "There."}]
    }
    assert doctor.read(put(tmp_path, json.dumps([shared]), "e.json")) == [CHAT]


def test_a_table_s_rows_have_the_line_they_start_on(tmp_path) -> None:
    path = put(tmp_path, 'prompt,completion\n"a\nb",c\nd,\n', "a.csv")
    assert [line.number for line in open_source(path).lines()] == [2, 4]
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
        assert not doctor.check(put(tmp_path, content, name)).ok, name


def test_a_workbook_whose_index_points_before_its_first_byte(tmp_path) -> None:
    content = bytearray(_formats(tmp_path)["a.xlsx"])
    content[content.rindex(b"PK\5\6") + 18] += 1  # where the index begins: 65,536 bytes too far
    [line] = open_source(put(tmp_path, bytes(content), "b.xlsx")).lines()
    assert not line.readable and "Save or download it again" in line.problems[0][1]


def test_a_workbook_that_went_away_is_not_called_damaged(tmp_path) -> None:
    source = open_source(put(tmp_path, _formats(tmp_path)["a.xlsx"], "a.xlsx"))
    source.path.unlink()
    with pytest.raises(UnreadableError, match="can't be read"):
        list(source.lines())

    def lost(*_: str):
        raise FileNotFoundError("http://host/a.xlsx")  # as fsspec says it: without a number

    source.remote = type("Remote", (), {"open": lost, "__enter__": lost})()
    with pytest.raises(UnreadableError, match="can't be read"):
        list(source.lines())


def test_a_line_of_ten_megabytes(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(jsonl_reader, "LONGEST_LINE", 2_000_000)
    monkeypatch.setattr(bounded_lines, "LONGEST_LINE", 2_000_000)
    content = jsonl(ROWS) + '{"prompt": "' + "far " * 2_600_000 + '"}\n' + jsonl([CHAT])
    places = {(f.code, f.line) for f in doctor.check(put(tmp_path, content, "a.jsonl")).findings}
    assert ("long-line", 3) in places and ("mixed-formats", 4) in places


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
    report = doctor.check(put(tmp_path, start + rest, name))
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
    assert repr(doctor.check(put(tmp_path, bytes(content[:end]), name)))


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
    dice = random.Random(11)
    for name, content in _formats(tmp_path).items():
        for _ in range(150):
            damaged = bytearray(content)
            for _ in range(dice.randint(1, 12)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            if dice.random() < 0.3:
                damaged = damaged[: dice.randrange(len(damaged))]
            assert repr(doctor.check(put(tmp_path, bytes(damaged), name)))


def test_a_quote_that_is_never_closed_takes_no_more_than_a_long_line(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tables, "MAX_LINE", 9_000)
    path = put(tmp_path, 'prompt,completion\n"a,b\n' + "far,away\n" * 1_200, "a.csv")
    report = doctor.check(path)
    assert report.codes["quote"] == 1 and len(report.counts) > 100


def test_packed_tables_of_other_programs(tmp_path) -> None:
    import polars

    frame = io.BytesIO()
    polars.DataFrame(ROWS * 1500).write_parquet(frame, row_group_size=700)
    for path in (
        put(tmp_path, frame.getvalue(), "a.parquet"),
        put(tmp_path, gzip.compress(frame.getvalue()), "a.parquet.gz"),
        put(tmp_path, zstandard.compress(frame.getvalue()), "a.parquet.zst"),
    ):
        assert doctor.read(path) == ROWS * 1500
