"""A training file in the Studio: kept, looked at, mended, divided, uploaded."""

import io
import json
from pathlib import Path

import pytest

from workbook import doctor, paths
from workbook.errors import RefusedError, WorkbookError
from workbook.studio import datasets

BROKEN = paths.data("broken_reviews.jsonl")


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path / "work"))
    return paths.work()


def test_what_is_dropped_never_takes_the_place_of_another_file(work: Path) -> None:
    first = datasets.keep("a.jsonl", io.BytesIO(b"one\n"))
    again = datasets.keep("a.jsonl", io.BytesIO(b"one\n"))
    other = datasets.keep("a.jsonl", io.BytesIO(b"two\n"))
    third = datasets.keep("a.jsonl", io.BytesIO(b"two\n"))
    assert first == again and other == third and first != other
    assert first.read_bytes() == b"one\n" and other.read_bytes() == b"two\n"
    assert sorted(datasets.files()) == ["a.1.jsonl", "a.jsonl"]


@pytest.mark.parametrize(
    "name", ["../../up.jsonl", "..\\up.jsonl", "/tmp/up.jsonl", ".up.jsonl", "  up.jsonl"]
)
def test_what_is_dropped_stays_in_the_work_folder(name: str, work: Path) -> None:
    assert datasets.keep(name, io.BytesIO(b"x")).parent == work


@pytest.mark.parametrize("name", ["run.exe", "", "jsonl", "..", "a.jsonl.sh"])
def test_a_file_of_another_kind_is_refused(name: str) -> None:
    with pytest.raises(WorkbookError, match="none of the files that are read"):
        datasets.keep(name, io.BytesIO(b"x"))


@pytest.mark.parametrize(
    "name", ["../secret.jsonl", "/etc/passwd", ".votes.jsonl.lock", "", "no.csv"]
)
def test_the_address_of_the_page_opens_no_other_place(name: str, work: Path) -> None:
    (work.parent / "secret.jsonl").write_text("{}")
    with pytest.raises(WorkbookError, match="work folder"):
        datasets.path_of(name)


def test_the_fixes_are_shown_line_by_line_and_the_original_stays(work: Path) -> None:
    path = datasets.keep("b.jsonl", BROKEN.open("rb"))
    report = doctor.check(path)
    assert {offer.code for offer in datasets.other_fixes(report)} >= {"role", "duplicate"}
    assert {offer.code for offer in datasets.safe_fixes(report)} >= {"comma", "blank-line"}
    found = datasets.preview(report, ["duplicate"])
    assert any(line.startswith("@@ line 8: duplicate") for line in found.lines)
    written = found.repair.write()
    assert written.name == "b_fixed.jsonl" and path.read_bytes() == BROKEN.read_bytes()
    assert "duplicate" not in doctor.check(written).codes


def test_a_line_that_no_fix_reads_is_a_sentence() -> None:
    path = datasets.keep("c.jsonl", io.BytesIO(b'{"messages": [\n' * 3))
    with pytest.raises(WorkbookError, match=r"Line 1 .* can't be read"):
        datasets.preview(doctor.check(path), [])


def test_a_split_names_its_files_and_loses_no_example() -> None:
    path = datasets.keep("m.jsonl", paths.data("marv_train.jsonl").open("rb"))
    sizes, losses = datasets.split(path, {"train": 75, "validation": 25, "test": 0}, 42)
    assert set(sizes) == {"m_train.jsonl", "m_validation.jsonl"} and not losses
    rows = [row for name in sizes for row in doctor.read(paths.work() / name)]
    as_text = sorted(json.dumps(row, sort_keys=True) for row in rows)
    assert as_text == sorted(json.dumps(row, sort_keys=True) for row in doctor.read(path))


def test_a_file_with_errors_is_only_sent_when_that_is_asked_for() -> None:
    path = datasets.keep("b.jsonl", BROKEN.open("rb"))
    with pytest.raises(RefusedError, match="errors"):
        datasets.upload(None, path, doctor.check(path))
    table = datasets.keep("t.csv", io.BytesIO(b"prompt,completion\na,b\n"))
    with pytest.raises(RefusedError, match="jsonl"):
        datasets.upload(None, table, doctor.check(table), force=True)


def test_questions_are_shown_as_they_are_written() -> None:
    line = {
        "messages": [
            {"role": "user", "content": "Who IS it?"},
            {"role": "assistant", "content": "I"},
        ]
    }
    pair = {"prompt": "Say  A", "completion": " a"}
    text = "".join(json.dumps(row) + "\n" for row in (line, pair)) + "no json\n"
    path = datasets.keep("q.jsonl", io.BytesIO(text.encode()))
    assert datasets.examples(path) == [(1, "Who IS it?", "I"), (2, "Say  A", " a")]


def test_bars_hold_every_example_once() -> None:
    report = doctor.check(paths.data("marv_train.jsonl"), "gpt-4o-mini")
    bars = datasets.charts(report)
    assert [title for title, _, _ in bars][:2] == ["Tokens an example", "Messages an example"]
    for title, names, heights in bars:
        assert len(names) == len(heights)
        if "an example" in title:
            assert sum(heights) == len(report.counts)
