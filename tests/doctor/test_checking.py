"""Reading, checking, converting, splitting and writing training data, good and bad."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbook import doctor, paths
from workbook.doctor import checking, codes, convert, readers, repair
from workbook.doctor.checking import DatasetError
from workbook.errors import WorkbookError
from workbook.lab.training import training_file as lab_rows
from workbook.prices import registry, tokens
from workbook.rows import rules
from workbook.rows.validator import format_of

MODEL = next(
    model.id for model in registry.from_source_documents() if model.encoding == "o200k_base"
)


def chat(question="How many?", answer="Seven.", **more) -> dict:
    return {
        "messages": [
            {"role": "system", "content": "Count."},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ],
        **more,
    }


def many(number=60) -> list[dict]:
    return [
        chat(f"How many are {n} and one?", f"It is {n + 1}.")
        if n % 2
        else chat(f"Add one to {n}, please.", f"That makes {n + 1}.")
        for n in range(number)
    ]


def with_message(place=-1, **change) -> dict:
    row = chat()
    row["messages"][place] = row["messages"][place] | change
    return row


def without(place, key) -> dict:
    row = chat()
    del row["messages"][place][key]
    return row


CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def tool_row(call=CALL, answers="call_1", tools=(TOOL,)) -> dict:
    return {
        "messages": [
            {"role": "user", "content": "Add."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": answers, "content": "2"},
            {"role": "assistant", "content": "Two."},
        ],
        "tools": list(tools),
    }


# Checking rows


def test_good_rows_bring_nothing_up():
    report = doctor.check(many())
    assert report.ok and report.findings == ()
    assert report.summary == "rows: 60 examples; nothing wrong found."


GOOD = [
    chat(parallel_tool_calls=False),
    tool_row(),
    with_message(weight=0.0)
    | {
        "messages": [
            *chat()["messages"][:2],
            {"role": "assistant", "content": "Six?", "weight": 0},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "Seven.", "weight": 1},
        ]
    },
    with_message(1, name="Ana"),
    with_message(0, role="developer"),
    with_message(1, content=[{"type": "text", "text": "How many?"}]),
    {"prompt": "How many?", "completion": "Seven."},
    {"prompt": "", "completion": "Seven."},
    {
        "messages": [
            {"role": "user", "content": "Add."},
            {"role": "assistant", "function_call": {"name": "add", "arguments": "{}"}},
        ],
        "functions": [{"name": "add"}],
    },
]


@pytest.mark.parametrize("row", GOOD)
def test_what_the_formats_allow_is_accepted(row):
    assert doctor.check([row]).codes == {"too-few": 1}


BAD = [
    ("not-object", [1, 2]),
    ("not-object", "text"),
    ("not-object", None),
    ("no-format", {"question": "How many?"}),
    ("no-format", {}),
    ("unknown-key", chat(answer_key=1)),
    ("unknown-key", with_message(colour="red")),
    ("unknown-key", {"prompt": "a", "completion": "b", "id": 3}),
    ("messages", {"messages": None}),
    ("messages", {"messages": []}),
    ("messages", {"messages": {"role": "user"}}),
    ("messages", {"messages": 7}),
    ("message", {"messages": ["Hello", *chat()["messages"]]}),
    ("message", without(1, "role")),
    ("role", with_message(1, role="bot")),
    ("role", with_message(1, role=["user"])),
    ("content", without(2, "content")),
    ("content", with_message(1, content=5)),
    ("content", with_message(2, content=None)),
    ("content", with_message(1, content=["part"])),
    ("content", with_message(1, content={"type": "text"})),
    ("empty-content", with_message(2, content="")),
    ("empty-content", with_message(1, content=" \n")),
    ("empty-content", {"prompt": "a", "completion": " "}),
    ("no-assistant", {"messages": chat()["messages"][:2]}),
    ("last-turn", {"messages": [*chat()["messages"], {"role": "user", "content": "Sure?"}]}),
    ("weight", with_message(weight=2)),
    ("weight", with_message(weight="1")),
    ("weight", with_message(weight=True)),
    ("weight", with_message(1, weight=0)),
    ("weights-all-zero", with_message(weight=0)),
    ("tool-call", tool_row(call=CALL | {"function": {"name": "add"}})),
    ("tool-call", tool_row(call=CALL | {"function": {"name": "add", "arguments": "{"}})),
    ("tool-call", tool_row(call={"id": "call_1"})),
    ("tool-call", with_message(1, tool_calls=[CALL])),
    ("tool-answer", tool_row(answers="call_2")),
    ("tools", tool_row(tools=[{"name": "add"}])),
    ("tools", chat(tools={})),
    ("tools", chat(functions=[{}])),
    ("tool-call", with_message(function_call={"name": "add", "arguments": {}})),
    ("not-text", with_message(refusal=["no"])),
    ("not-text", with_message(1, name=3)),
    ("broken-character", with_message(2, content="\ud83d")),
    ("broken-character", {"prompt": "\udc00", "completion": "b"}),
    ("no-user", {"messages": [m for m in chat()["messages"] if m["role"] != "user"]}),
    ("system-place", {"messages": [chat()["messages"][n] for n in (1, 0, 2)]}),
    ("prompt", {"completion": "b"}),
    ("prompt", {"prompt": 1, "completion": "b"}),
    ("completion", {"prompt": "a"}),
    ("completion", {"prompt": "a", "completion": None}),
]


@pytest.mark.parametrize(("code", "row"), BAD)
def test_each_mistake_is_found_where_it_is(code, row):
    good = GOOD[6] if format_of(row) == "completion" else chat()
    report = doctor.check([good, row])
    found = [finding for finding in report.findings if finding.code == code]
    assert [finding.line for finding in found] == [2]
    assert report.codes.keys() <= {
        code,
        "too-few",
        "contradiction",
        "system-varies",
        "near-duplicate",
        "tool-unanswered",
        "tool-unknown",
        "alternation",
        "starts-assistant",
    }


def test_mistakes_of_the_set():
    rows = many() + [
        chat("How many are 7 and one?", "It is 8."),
        chat("How many are 9 and one?", "It is 11."),
        {"prompt": "a", "completion": "b"},
        {"messages": chat()["messages"][1:]},
    ]
    found = {finding.code: finding for finding in doctor.check(rows).findings}
    assert found.keys() == {"duplicate", "contradiction", "mixed-formats", "system-varies"}
    assert (found["duplicate"].line, found["duplicate"].message) == (61, "the same as line 8")
    assert found["contradiction"].line == 62
    assert found["contradiction"].message == (
        "answer “It is 11.”, but line 10 answers the same with “It is 10.”"
    )
    assert found["mixed-formats"].line == 63


def test_labels_are_counted_and_imbalance_is_seen():
    rows = [chat(f"Review {n}", "5 stars" if n % 4 else "1 star") for n in range(60)]
    report = doctor.check(rows)
    assert report.labels == {"5 stars": 45, "1 star": 15}
    assert report.codes == {"imbalance": 1} and report.ok
    even = [chat(f"Review {n}", f"{n % 5} stars") for n in range(60)]
    assert doctor.check(even).codes == {}
    assert doctor.check(many()).labels is None


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        (0, {"empty-file": 1}),
        (1, {"too-few": 1}),
        (9, {"too-few": 1}),
        (10, {"few": 1}),
        (49, {"few": 1}),
        (50, {}),
    ],
)
def test_ten_examples_are_the_least(number, codes):
    report = doctor.check(many(number))
    assert report.codes == codes
    assert report.ok == (number >= 10)


def test_tokens_are_counted_as_the_registry_s_model_counts():
    rows = many(3) + [tool_row(), with_message(1, name="Ana"), GOOD[6]]
    counts = doctor.check(rows, MODEL).counts
    assert counts["tokens"].tolist() == [tokens.count_example(row, MODEL) for row in rows]
    assert counts["messages"].tolist() == [3, 3, 3, 4, 3, 0]
    assert counts["answer_tokens"][0] == tokens.count("That makes 1.", MODEL)


def test_an_example_over_the_model_s_limit():
    limit = registry.get(MODEL).max_example_tokens
    report = doctor.check(many() + [chat("word " * limit)], MODEL)
    assert [(finding.code, finding.line) for finding in report.findings] == [("too-long", 61)]
    assert f"reads {limit:,}" in report.findings[0].message


def test_an_unknown_model_is_the_caller_s_mistake():
    with pytest.raises(WorkbookError, match="no-such-model"):
        doctor.check(many(), "no-such-model")


# Files


def file(folder: Path, content: bytes | str, name="data.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def where(report) -> list[tuple[str, int | None]]:
    return sorted((finding.code, finding.line) for finding in report.findings if finding.line)


def test_line_numbers_are_those_of_an_editor(tmp_path):
    good = lines(many())
    path = file(
        tmp_path,
        b"\xef\xbb\xbf"
        + good.encode()
        + b'\n{"messages": [}\r\n'
        + lines([{"messages": []}]).encode()
        + b"  \n\xff\xfe{}\n"
        + b'{"prompt": "a", "prompt": "b", "completion": "c"}',
    )
    assert where(doctor.check(path)) == [
        ("blank-line", 61),
        ("blank-line", 64),
        ("bom", 1),
        ("messages", 63),
        ("mixed-formats", 66),
        ("not-json", 62),
        ("not-utf8", 65),
        ("repeated-key", 66),
    ]


def test_a_good_file_brings_nothing_up(tmp_path):
    report = doctor.check(file(tmp_path, lines(many())))
    assert report.ok and report.findings == () and len(report.counts) == 60
    assert doctor.read(tmp_path / "data.jsonl") == many()


@pytest.mark.parametrize(
    "line",
    [
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1',
        "{'a': 1}",
        '{"a": 1,}',
        "plain text",
        '"\x01"',
        "\x00\x00",
        f'{{"a": {"9" * 5000}}}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=range(11),
)
def test_what_is_not_json_is_said_to_be(tmp_path, line):
    report = doctor.check(file(tmp_path, lines(many()) + line + "\n" + lines(many(1)[:1])))
    assert ("not-json", 61) in where(report)
    assert ("duplicate", 62) in where(report)  # reading went on behind it


def test_a_json_list_is_said_to_be_one(tmp_path):
    report = doctor.check(file(tmp_path, json.dumps([*many(), {"messages": []}], indent=1)))
    assert report.codes == {"json-list": 1, "messages": 1}
    assert where(report) == [("messages", 61)]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file(tmp_path, content):
    report = doctor.check(file(tmp_path, content))
    assert "empty-file" in report.codes and not report.ok


def test_the_name_matters_to_the_service(tmp_path):
    assert doctor.check(file(tmp_path, lines(many()), "data.json")).codes == {"file-name": 1}


def test_a_missing_file_is_a_plain_sentence(tmp_path):
    for call in (doctor.read, doctor.check):
        with pytest.raises(DatasetError, match="Check the name"):
            call(tmp_path / "none.jsonl")


def test_reading_a_bad_file_names_the_line(tmp_path):
    path = file(tmp_path, "\ufeff" + lines(many(2)) + "\n{oops}\n")
    with pytest.raises(DatasetError, match="data.jsonl, line 4: not JSON"):
        doctor.read(path)
    assert doctor.read(file(tmp_path, "\ufeff" + lines(many(2)) + "\n")) == many(2)


# Showing


def test_the_table_is_safe_and_complete():
    row = with_message(1, role="<script>alert(1)</script>")
    report = doctor.check([row])
    shown = report._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    for finding in report.findings:
        assert finding.code in shown and finding.code in repr(report)
    table = report.table()
    assert list(table.columns) == ["severity", "code", "line", "message", "excerpt", "why", "fix"]
    assert len(table) == len(report.findings) == 2


def test_many_findings_are_cut_in_the_notebook_only():
    report = doctor.check([{"messages": []}] * 200)
    assert len(report.table()) > 200
    assert report._repr_html_().count("<tr>") == 51
    assert "more: report.table()" in report._repr_html_()


def test_a_file_over_the_size_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "MAX_BYTES", 100)
    assert "too-large" in doctor.check(file(tmp_path, lines(many()))).codes


# Nothing crashes

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["user", "assistant", "system", "<|endoftext|>", "\ud800", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=3) | st.sampled_from([*rules.MESSAGE_KEYS, *rules.CHAT_KEYS]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(rules.MESSAGE_KEYS), VALUES))
CHATS = st.fixed_dictionaries(
    {"messages": VALUES | st.lists(MESSAGES | VALUES, max_size=4)}, optional={"tools": VALUES}
)
ROWS = VALUES | CHATS | st.fixed_dictionaries({}, optional={"prompt": VALUES, "completion": VALUES})
FAST = settings(max_examples=150)


@FAST
@given(st.lists(ROWS, max_size=4))
def test_any_value_ends_in_findings(rows):
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
def test_any_bytes_end_in_findings(tmp_path, content):
    report = doctor.check(file(tmp_path, content), MODEL)
    assert not report.ok and repr(report) and report._repr_html_().encode()


@settings(FAST, max_examples=500)
@given(ROWS)
def test_what_the_lab_refuses_was_found_before(tmp_path, row):
    line = json.dumps(row)
    try:
        lab_rows.parse(line.encode())
    except lab_rows.RowError:
        report = doctor.check(file(tmp_path, lines([chat()]) + line))
        assert any(finding.line == 2 and finding.severity == "error" for finding in report.findings)


@settings(FAST, max_examples=500)
@given(CHATS | st.sampled_from(GOOD) | st.sampled_from([row for _, row in BAD]))
def test_what_the_doctor_finds_no_error_in_the_lab_takes(row):
    report = doctor.check([row])
    found = {code for code in report.codes if codes.CODES[code].severity == "error"}
    # Pictures are for other services: the doctor warns that the lab takes none.
    if found <= {"too-few"} and "image" not in report.codes:
        lab_rows.parse(json.dumps(row).encode())


@FAST
@given(st.lists(ROWS.filter(lambda row: not isinstance(row, list)), max_size=3))
def test_what_was_written_is_read_again(home, rows):
    try:
        path = doctor.write(rows, "any.jsonl")
    except DatasetError:
        assert "NaN" in repr(rows).replace("nan", "NaN") or "inf" in repr(rows)
        return
    assert doctor.read(path) == rows


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
def test_python_values_that_json_has_not(value):
    assert not doctor.check([value, value]).ok


def test_a_million_spaces_and_a_deep_value():
    deep = current = []
    for _ in range(5000):
        current.append([])
        current = current[0]
    circle = {}
    circle["messages"] = [circle]
    rows = [chat(" " * 1_000_000 + "x"), chat(deep), {"messages": deep}, {"a": deep}]
    assert not doctor.check(rows, MODEL).ok
    assert not doctor.check([circle, circle]).ok


# Converting


def test_chat_and_back():
    row = chat()
    older = doctor.to_prompt_completion(row)
    assert older == {"prompt": "Count.\n\nHow many?", "completion": "Seven."}
    assert doctor.to_chat(older, system="Count.") == row
    plain = {"messages": row["messages"][1:]}
    assert doctor.to_chat(doctor.to_prompt_completion(plain)) == plain


@pytest.mark.parametrize("end", [" ->", "\n\n###\n\n", "\n", " =>", ""])
def test_seams_of_the_older_format_are_dropped(end):
    row = doctor.to_chat({"prompt": f"How many?{end}", "completion": " Seven.\n"})
    assert [message["content"] for message in row["messages"]] == ["How many?", "Seven."]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (GOOD[2], "who said what"),
        (tool_row(), "text in every message"),
        (chat(tools=[TOOL]), "Tools, weights and names"),
        (with_message(weight=1), "Tools, weights and names"),
        ({"prompt": "a"}, "text in every message"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "one question and one answer"),
    ],
)
def test_what_does_not_fit_the_older_format_is_refused(row, words):
    with pytest.raises(DatasetError, match=words):
        doctor.to_prompt_completion(row)


def test_half_an_example_is_no_chat():
    with pytest.raises(DatasetError, match="both text"):
        doctor.to_chat({"prompt": "a"})


# Splitting


def reviews_like(number=300) -> list[dict]:
    return [
        {"prompt": f"Text {n}", "completion": f"{n % 3} stars", "author": n // 4}
        for n in range(number)
    ]


def test_a_split_keeps_groups_whole_labels_even_and_sizes_right():
    rows = reviews_like()
    parts = doctor.split(rows, group=lambda row: row["author"])
    assert [len(part) for part in parts.values()] == pytest.approx([240, 30, 30], abs=4)
    authors = [{row["author"] for row in part} for part in parts.values()]
    assert sum(map(len, authors)) == len(set.union(*authors)) == 75
    for part in parts.values():
        shares = Counter(row["completion"] for row in part)
        assert max(shares.values()) - min(shares.values()) <= 4
    assert sorted(map(str, sum(parts.values(), []))) == sorted(map(str, rows))


def test_the_same_question_is_never_in_two_splits():
    rows = [
        {"prompt": f"Text  {n % 50}" if n % 2 else f"TEXT {n % 50}", "completion": f"{n}"}
        for n in range(200)
    ]
    parts = doctor.split(rows, {"train": 0.5, "test": 0.5})
    asked = [{checking.question_of(row) for row in part} for part in parts.values()]
    assert not asked[0] & asked[1]
    assert [len(part) for part in parts.values()] == pytest.approx([100, 100], abs=4)


def test_a_group_and_a_question_link_over_several_steps():
    rows = [
        {"prompt": "a", "completion": "1", "author": 1},
        {"prompt": "a", "completion": "1", "author": 2},
        {"prompt": "b", "completion": "1", "author": 2},
        *({"prompt": f"{n}", "completion": "1", "author": n} for n in range(3, 9)),
    ]
    parts = doctor.split(rows, {"train": 0.5, "test": 0.5}, group=lambda row: row["author"])
    homes = {name for name, part in parts.items() for row in part if row in rows[:3]}
    assert len(homes) == 1


def test_free_answers_are_split_by_size():
    parts = doctor.split(many(100))
    assert [len(part) for part in parts.values()] == [80, 10, 10]


def test_the_seed_decides():
    rows = reviews_like(60)
    assert doctor.split(rows) == doctor.split(rows)
    assert doctor.split(rows, seed=1) != doctor.split(rows, seed=2)


def test_no_split_stays_empty():
    parts = doctor.split(reviews_like(3), {"train": 0.98, "validation": 0.01, "test": 0.01})
    assert [len(part) for part in parts.values()] == [1, 1, 1]
    with pytest.raises(DatasetError, match="too few"):
        doctor.split(reviews_like(2))
    with pytest.raises(DatasetError, match="greater than 0"):
        doctor.split(reviews_like(9), {"train": 1, "test": 0})


# Writing


def test_no_file_is_ever_lost(home):
    first = doctor.write(many(1), "mine.jsonl")
    assert first == paths.work() / "mine.jsonl"
    assert doctor.write(many(1), "mine.jsonl") == first
    assert [path.name for path in paths.work().iterdir()] == ["mine.jsonl"]
    doctor.write(many(2), "mine.jsonl")
    doctor.write(many(3), "mine.jsonl")
    kept = {path.name: len(doctor.read(path)) for path in paths.work().iterdir()}
    assert kept == {"mine.1.jsonl": 1, "mine.2.jsonl": 2, "mine.jsonl": 3}


def test_text_is_written_as_it_is(home):
    path = doctor.write([chat("¿Cuántas?", "Siete 🙂"), chat("\ud83d")], "mine.jsonl")
    assert "¿Cuántas?" in path.read_text(encoding="utf-8") and "🙂" in path.read_text("utf-8")
    assert doctor.read(path)[1]["messages"][1]["content"] == "\ud83d"


@pytest.mark.parametrize("name", ["../mine.jsonl", "/tmp/mine.jsonl", "mine.txt", ".jsonl", ""])
def test_only_plain_names(home, name):
    with pytest.raises(DatasetError, match="plain file name"):
        doctor.write(many(1), name)


def test_a_row_that_json_cannot_hold(home):
    with pytest.raises(DatasetError, match="Row 2"):
        doctor.write([{}, {"a": {1, 2}}], "mine.jsonl")
    assert list(paths.work().iterdir()) == []


@FAST
@given(st.lists(ROWS, max_size=4))
def test_any_value_can_be_mended_converted_and_divided(home, rows):
    mended = doctor.check(rows).fix(*repair.FIXES)
    assert repr(mended) and mended._repr_html_() and mended.diff is not None
    for row in mended:
        for to in convert.FORMATS:
            try:
                convert.convert(row, to)
            except WorkbookError:
                pass
    examples = [row for row in mended if isinstance(row, dict)]
    try:
        doctor.split(examples, {"a": 1, "b": 1})
    except DatasetError as error:
        assert "too few" in str(error)
