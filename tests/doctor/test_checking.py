"""Files and rows are checked whole: every finding under its line, every token counted, no crash."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from row_strategies import FAST, ROWS
from training_rows import GOOD, MODEL, call, chat, clean, jsonl, put, sums, tool_row, with_message

from workbook import doctor, paths
from workbook.errors import WorkbookError
from workbook.prices import registry, tokens


def places(report: doctor.Report) -> list[tuple[str, int | None]]:
    return sorted((finding.code, finding.line) for finding in report.findings if finding.line)


def test_good_rows_bring_nothing_up() -> None:
    report = doctor.check(sums())
    assert report.ok and report.findings == ()
    assert report.summary == "rows: 60 examples; nothing wrong found."


def test_a_good_file_brings_nothing_up(tmp_path) -> None:
    report = doctor.check(put(tmp_path, sums()))
    assert report.ok and report.findings == () and len(report.counts) == 60
    assert doctor.read(tmp_path / "data.jsonl") == sums()


def test_in_a_clean_file_nothing_fires(tmp_path) -> None:
    report = doctor.check(put(tmp_path, clean(), "clean.jsonl"))
    assert report.findings == () and report.ok and len(report.counts) == 60
    assert doctor.check(
        clean(),
        MODEL,
        job={"suffix": "animals", "metadata": {"a": "b"}},
        against={"other": [chat("Quite something else?")]},
    ).codes.keys() <= {"model-closed"}


def test_the_documents_examples_have_no_error() -> None:
    marv = doctor.check(paths.data("marv_train.jsonl"))
    assert marv.ok and marv.codes == {"few": 1}


def test_tokens_are_counted_as_the_registry_s_model_counts() -> None:
    rows = [*sums(3), tool_row(call()), with_message(1, name="Ana"), GOOD[6]]
    counts = doctor.check(rows, MODEL).counts
    assert counts["tokens"].tolist() == [tokens.count_example(row, MODEL) for row in rows]
    assert counts["messages"].tolist() == [3, 3, 3, 4, 3, 0]
    assert counts["answer_tokens"][0] == tokens.count("That makes 1.", MODEL)


def test_an_example_over_the_model_s_limit() -> None:
    limit = registry.get(MODEL).max_example_tokens
    report = doctor.check([*sums(), chat("word " * limit, system="Count.")], MODEL)
    assert [(finding.code, finding.line) for finding in report.findings] == [("too-long", 61)]
    assert f"reads {limit:,}" in report.findings[0].message


def test_an_unknown_model_is_the_caller_s_mistake() -> None:
    with pytest.raises(WorkbookError, match="no-such-model"):
        doctor.check(sums(), "no-such-model")


def test_line_numbers_are_those_of_an_editor(tmp_path) -> None:
    content = (
        b"\xef\xbb\xbf"
        + jsonl(sums()).encode()
        + b'\n{"messages": [}\r\n'
        + jsonl([{"messages": []}]).encode()
        + b"  \n\xff\xfe{}\n"
        + b'{"prompt": "a", "prompt": "b", "completion": "c"}'
    )
    assert places(doctor.check(put(tmp_path, content))) == [
        ("blank-line", 61),
        ("blank-line", 64),
        ("bom", 1),
        ("messages", 63),
        ("mixed-formats", 66),
        ("not-json", 62),
        ("not-utf8", 65),
        ("repeated-key", 66),
    ]


def test_line_numbers_hold_in_the_middle_of_a_large_file(tmp_path) -> None:
    lines = [json.dumps(chat(f"Number {n}?", f"It is {n}.")) for n in range(12_000)]
    lines[6_344] = '{"messages": []}'
    lines[11_000] = "{oops}"
    report = doctor.check(put(tmp_path, "\n".join(lines)))
    line_of = {finding.code: finding.line for finding in report.findings}
    assert (line_of["messages"], line_of["not-json"]) == (6_345, 11_001)


@pytest.mark.parametrize(
    "line",
    [
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1',
        "{'a': }",
        "{a: 1}",
        "plain text",
        '"\x01"',
        "\x00\x00",
        f'{{"a": {"9" * 5000}}}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=range(11),
)
def test_what_is_not_json_is_said_to_be(tmp_path, line: str) -> None:
    report = doctor.check(put(tmp_path, jsonl(sums()) + line + "\n" + jsonl(sums(1))))
    assert ("not-json", 61) in places(report)
    assert ("duplicate", 62) in places(report)  # reading went on behind it


def test_a_json_list_is_said_to_be_one(tmp_path) -> None:
    report = doctor.check(put(tmp_path, json.dumps([*sums(), {"messages": []}], indent=1)))
    assert report.codes == {"json-list": 1, "messages": 1}
    assert places(report) == [("messages", 61)]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file(tmp_path, content: str) -> None:
    report = doctor.check(put(tmp_path, content))
    assert "empty-file" in report.codes and not report.ok


def test_the_name_matters_to_the_service(tmp_path) -> None:
    assert doctor.check(put(tmp_path, sums(), "data.json")).codes == {"file-name": 1}


@FAST
@given(st.lists(ROWS, max_size=4))
def test_any_value_ends_in_findings(rows) -> None:
    report = doctor.check(rows, MODEL)
    assert (
        repr(report)
        and report._repr_html_().encode()
        and len(report.table()) == len(report.findings)
    )


@FAST
@given(
    st.binary(max_size=200)
    | st.lists(ROWS, max_size=3).map(
        lambda rows: "\n".join(json.dumps(row) for row in rows).encode()
    )
)
def test_any_bytes_end_in_findings(tmp_path, content: bytes) -> None:
    report = doctor.check(put(tmp_path, content), MODEL)
    assert not report.ok and repr(report) and report._repr_html_().encode()


@pytest.mark.parametrize(
    "value",
    [
        {1: 2},
        {"messages": [{1: 2, "role": "user"}]},
        {2},
        object(),
        {"messages": ({},)},
        {"prompt": b"a", "completion": {1, 2}},
    ],
)
def test_python_values_that_json_has_not(value) -> None:
    assert not doctor.check([value, value]).ok


def test_a_million_spaces_and_a_deep_value() -> None:
    deep = current = []
    for _ in range(5000):
        current.append([])
        current = current[0]
    circle = {}
    circle["messages"] = [circle]
    rows = [chat(" " * 1_000_000 + "x"), chat(deep), {"messages": deep}, {"a": deep}]
    assert not doctor.check(rows, MODEL).ok
    assert not doctor.check([circle, circle]).ok
