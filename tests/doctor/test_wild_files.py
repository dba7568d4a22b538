"""Files in the shape of publicly reported trouble, and others of the same kinds: what they are is
said, what can be read is read whole, and the way on is named."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from training_rows import call, chat, clean, jsonl, pair, put, tool_row, turns

from workbook import cli, doctor, paths
from workbook.doctor.codes import CODES

CASES = Path(__file__).parent / "cases"
# file: (codes of errors, exit status of prepare, examples that it writes)
FILES: dict[str, tuple[str, int, int]] = {
    "01-pretty-concatenated.jsonl": ("json-spread", 0, 12),
    "02-json-list.json": ("json-list", 0, 12),
    "03-list-trailing-comma.json": ("json-list", 0, 12),
    "04-python-repr.jsonl": ("python", 0, 12),
    "05-unquoted.jsonl": ("not-json", 2, 0),
    "06-bom-in-the-middle.jsonl": ("bom-inside", 0, 12),
    "07-utf16-powershell.jsonl": ("encoding", 0, 13),
    "08-one-cp1252-line.jsonl": ("encoding", 0, 13),
    "09-cp1252.csv": ("encoding not-jsonl", 0, 12),
    "10-cr-only.jsonl": ("line-ends", 0, 12),
    "100-headings-with-spaces.csv": ("not-jsonl", 0, 12),
    "101-no-header.csv": ("empty-file heading not-jsonl unknown-form", 1, 0),
    "102-one-message-a-row.csv": ("empty-file not-jsonl unknown-form", 1, 0),
    "104-pipe.csv": ("not-jsonl", 0, 12),
    "11-nan.jsonl": ("not-json", 2, 0),
    "12-lone-surrogate.jsonl": ("broken-character", 1, 0),
    "13-surrogate-pair.jsonl": ("", 0, 12),
    "14-duplicate-keys.jsonl": ("", 1, 12),
    "140-pairs-with-system.jsonl": ("form", 0, 12),
    "142-messages-with-system-key.jsonl": ("form", 0, 12),
    "150-text-label.csv": ("empty-file not-jsonl unknown-form", 1, 0),
    "151-user-prompt-response.csv": ("form not-jsonl", 0, 12),
    "153-vertex-camel-types.jsonl": ("", 0, 12),
    "154-tool-rows-for-vertex.jsonl": ("last-turn too-few", 1, 0),
    "155-whatsapp-chat.zip": ("compressed not-jsonl too-few", 1, 1),
    "16-row-as-text.jsonl": ("json-in-text", 0, 12),
    "160-utf8-with-one-cp1252-line.jsonl": ("not-utf8", 2, 0),
    "161-big-integer.jsonl": ("", 0, 12),
    "163-responses-rows.jsonl": ("form", 0, 12),
    "171-trl-preference-conversational.jsonl": ("form", 0, 12),
    "177-json-answers.jsonl": ("", 0, 12),
    "178-code-answers.jsonl": ("", 0, 12),
    "18-comma-at-line-ends.jsonl": ("comma", 0, 12),
    "20-huge-numbers.jsonl": ("not-json", 2, 0),
    "21-squad-wrapped.json": ("json-list", 1, 12),
    "22-pandas-columns.json": ("json-list", 0, 12),
    "23-u2028-in-object.json": ("json-list too-few", 1, 1),
    "24-zipped.zip": ("compressed", 0, 12),
    "26-escaped-chinese.jsonl": ("", 0, 12),
    "28-crlf-blank-lines.jsonl": ("", 0, 12),
    "29-comments.jsonl": ("not-json", 2, 0),
    "34c-arrow-null-filled.parquet": ("not-jsonl", 0, 12),
    "46-anthropic.jsonl": ("form", 0, 13),
    "47-mistral-prompt-id.jsonl": ("unknown-key", 1, 12),
    "50-reasoning-content.jsonl": ("unknown-key", 1, 12),
    "57-ends-with-tool.jsonl": ("last-turn", 1, 0),
    "60-sharegpt.jsonl": ("form", 0, 12),
    "60b-sharegpt.json": ("form json-list", 0, 12),
    "61-sharegpt-system-tools.json": ("form json-list unknown-key", 1, 12),
    "61b-sharegpt-system-tools.jsonl": ("form unknown-key", 1, 12),
    "62-sharegpt-function-call.json": ("form json-list", 0, 12),
    "63-sharegpt-odd-roles.json": ("form json-list", 0, 12),
    "64-alpaca.json": ("form json-list", 0, 12),
    "64b-alpaca.jsonl": ("form", 0, 12),
    "64d-alpaca-null-input.json": ("form json-list", 0, 12),
    "65-alpaca.csv": ("not-jsonl", 0, 12),
    "67-question-context-answer.csv": ("form not-jsonl unknown-key", 1, 12),
    "68-text-only.jsonl": ("empty-file unknown-form", 1, 0),
    "69-trl-conversational-pairs.jsonl": ("form", 0, 12),
    "70-trl-preference.jsonl": ("form", 0, 12),
    "71-trl-implicit-prompt.jsonl": ("form", 0, 12),
    "72-ultrafeedback.jsonl": ("form unknown-key", 1, 12),
    "73-multi-turn-chosen.jsonl": ("form", 0, 12),
    "74-orca-pairs.jsonl": ("form", 0, 12),
    "76-preference.csv": ("form not-jsonl", 0, 12),
    "77-kto.jsonl": ("judged", 1, 6),
    "79-vertex.jsonl": ("", 0, 13),
    "79b-vertex-snake.jsonl": ("", 0, 12),
    "80-palm.jsonl": ("form", 0, 12),
    "80b-gemini-1.0.jsonl": ("role", 1, 0),
    "81-ai-studio.csv": ("not-jsonl", 0, 12),
    "82-bedrock.jsonl": ("", 0, 12),
    "83-evals.jsonl": ("form", 0, 12),
    "86-llamafactory-ranking.json": ("form json-list", 0, 12),
    "90-semicolons.csv": ("not-jsonl", 0, 12),
    "90b-sep-line.csv": ("not-jsonl", 0, 12),
    "92-unquoted-commas.csv": ("cells not-jsonl too-few", 2, 0),
    "93-raw-quotes.tsv": ("not-jsonl", 0, 14),
    "94-excel-values.xlsx": ("formula not-jsonl", 2, 0),
    "94b-excel-merged.xlsx": ("empty-content form not-jsonl unknown-key", 1, 0),
    "96-system-user-assistant.csv": ("form not-jsonl", 0, 12),
    "98-multi-line-cells.csv": ("empty-content not-jsonl", 1, 0),
}


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def written() -> list:
    return [row for path in sorted(paths.work().glob("*.jsonl")) for row in doctor.read(path)]


@pytest.mark.filterwarnings("ignore::workbook.doctor.losses.DataLossWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_file_from_the_wild(home, capsys, name: str) -> None:
    codes, status, examples = FILES[name]
    report = doctor.check(CASES / name)
    assert {code for code in report.codes if CODES[code].severity == "error"} == set(codes.split())
    assert run("prepare", CASES / name, "--yes") == status
    assert len(written()) == examples
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    if status == 1 and examples and name != "155-whatsapp-chat.zip":
        assert "lost:" in out or "left out:" in out or "too-few" in out
    for path in paths.work().glob("*.jsonl"):
        errors = {c for c in doctor.check(path).codes if CODES[c].severity == "error"}
        assert errors <= {"too-few"}


def last(name: str) -> dict:
    """The last row of a case, as it is read."""
    return doctor.read(CASES / name)[-1]


def test_what_stood_in_the_files_is_there() -> None:
    alpaca = last("65-alpaca.csv")["messages"][0]["content"]
    assert alpaca == "Answer the visitor's question.\n\nDo you lend chess sets?"
    sharegpt = last("61b-sharegpt-system-tools.jsonl")
    assert sharegpt["messages"][0] == {"role": "system", "content": "You are librarian number 11."}
    assert sharegpt["tools"][0]["function"]["name"] == "reserve"
    assert sharegpt == last("61-sharegpt-system-tools.json") and sharegpt["id"] == "id11"
    calls = last("62-sharegpt-function-call.json")["messages"]
    assert calls[2] == {"role": "tool", "tool_call_id": "call_1", "content": '{"ok": true}'}
    multi = last("73-multi-turn-chosen.jsonl")
    assert [message["role"] for message in multi["input"]["messages"]] == [
        *("user", "assistant", "user")
    ]
    vertex = doctor.read(CASES / "153-vertex-camel-types.jsonl")
    schemas = [row["tools"][0]["function"]["parameters"] for row in vertex if "tools" in row]
    assert schemas[0]["type"] == "object" and schemas[0]["properties"]["title"]["type"] == "string"
    anthropic = last("46-anthropic.jsonl")["messages"]
    assert anthropic[2]["tool_calls"][0]["function"]["arguments"] == '{"title": "Maps"}'
    [row] = doctor.read(CASES / "23-u2028-in-object.json")
    assert row["messages"][0]["content"] == "line one\u2028line two\x85three"
    quoted = doctor.read(CASES / "93-raw-quotes.tsv")
    assert {row["completion"] for row in quoted} >= {
        '"Nobody" said the clerk.',
        '"He never finished',
    }
    repr_row = last("04-python-repr.jsonl")
    assert repr_row["messages"][1]["content"] == "Two of them, at the counter."


def test_cells_of_excel_are_read_as_they_are_seen() -> None:
    report = doctor.check(CASES / "94-excel-values.xlsx")
    assert [f.line for f in report.findings if f.code == "formula"] == [13, 14]
    rows = {row["prompt"]: row["completion"] for row in report.fix("formula").rows}
    assert rows["When is the feast?"] == "2026-03-05" and rows["What share?"] == "25%"
    assert rows["Phone code?"] == "007" and rows["Price?"] == "$1,234.50"
    assert rows["Exact time?"] == "2026-03-05 14:30:00" and rows["How many rooms?"] == "42"


HINTS = [
    ({"text": "[INST] Why? [/INST] So."}, "marks of a template"),
    ({"text": "The sea was calm."}, "--columns completion=text"),
    ({"text": "The sea was calm.", "label": "calm"}, "--columns prompt=text,completion=label"),
    ({"role": "user", "content": "Why?", "thread": 3}, "one message a row"),
    ({"custom_id": "a", "url": "/v1/x", "body": {"messages": []}}, "requests of a batch"),
    (
        {
            "prompt": "a",
            "chosen": turns(("user", "a"), ("assistant", "b"))["messages"],
            "rejected": turns(("user", "z"), ("assistant", "c"))["messages"],
        },
        "differ before their last message",
    ),
]


@pytest.mark.parametrize(("row", "words"), HINTS)
def test_a_row_that_is_known_and_can_t_be_learned_is_named_once(row: dict, words: str) -> None:
    report = doctor.check([row] * 3)
    [finding] = [finding for finding in report.findings if finding.code == "unknown-form"]
    assert words in finding.message and finding.line == 1 and "3 rows" in finding.message
    assert not report.codes.keys() & {"no-format", "key-case", "unknown-key"}


def test_columns_get_their_names_from_the_person(home, tmp_path, capsys) -> None:
    rows = "".join(f"In {n} words?;ref {n};{n} words.\n" for n in range(12))
    path = put(tmp_path, "Anfrage;Quelle;Text 2\n" + rows, "a.csv")
    assert "--columns prompt=" in repr(doctor.check(path))
    assert run("prepare", path, "--columns", "prompt=anfrage,completion=Text 2") == 1
    assert "lost: `Quelle` (12 ×, first on line 2)" in capsys.readouterr().out
    columns = {"prompt": "Anfrage", "completion": "Text 2", "system": "Quelle"}
    [first, *_] = doctor.read(path, columns=columns)
    assert first == chat("In 0 words?", "0 words.", "ref 0")
    bare = put(tmp_path, rows, "b.csv")
    assert "heading" in doctor.check(bare).codes
    read = doctor.read(bare, columns={"prompt": "1", "completion": "3"})
    assert read[0] == pair("In 0 words?", "0 words.") | {"2": "ref 0"} and len(read) == 12
    objects = put(tmp_path, [{"q": "Why?", "a": "So."}] * 3)
    assert doctor.read(objects, columns={"prompt": "q", "completion": "a"})[0] == pair(
        "Why?", "So."
    )
    memory = doctor.check(
        [{"q": "Why?", "a": "So."}] * 3, columns={"prompt": "q", "completion": "a"}
    )
    assert memory.fix().rows[0] == pair("Why?", "So.")
    with pytest.raises(doctor.DatasetError, match="has no column `answer`"):
        doctor.read(objects, columns={"prompt": "q", "completion": "answer"})
    assert run("check", objects, "--columns", "prompt") == 2


def zipped(folder: Path, files: dict[str, str], name: str = "a.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, content in files.items():
            archive.writestr(inner, content)
    return folder / name


def test_an_archive_with_one_file_of_data_is_read_and_another_is_named(tmp_path) -> None:
    content = jsonl(clean())
    junk = {"__MACOSX/._a.jsonl": "x", "photo.jpg": "x", "README.txt": "read me", ".DS_Store": ""}
    assert doctor.read(zipped(tmp_path, {"d/a.jsonl": content, **junk})) == clean()
    table = "prompt,completion\nWhy?,So.\n"
    assert doctor.read(zipped(tmp_path, {"a.csv": table})) == [pair("Why?", "So.")]
    report = doctor.check(zipped(tmp_path, {"a.jsonl": content, "b.csv": table}))
    assert "2 files that could be meant: a.jsonl, b.csv" in repr(report) and not report.ok
    assert "without a file of data" in repr(doctor.check(zipped(tmp_path, {"a.png": ""})))
    damaged = put(tmp_path, zipped(tmp_path, {"a.jsonl": content}).read_bytes()[:200], "b.zip")
    assert "damaged ZIP" in repr(doctor.check(damaged))
    with pytest.raises(doctor.DatasetError, match="could be meant"):
        doctor.read(zipped(tmp_path, {"a.jsonl": content, "b.jsonl": content}))


ROWS = [chat(f"Where is {n}?", f"At {n}, \u2028 there.", None) for n in range(5)]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("\n\n".join(json.dumps(row, indent=4) for row in ROWS), "json-spread"),
        (",\n".join(json.dumps(row, indent="\t") for row in ROWS), "json-spread"),
        ("".join(map(json.dumps, ROWS)), "json-spread"),
        (jsonl(ROWS[:2]) + json.dumps(ROWS[2], indent=1) + "\n" + jsonl(ROWS[3:]), "json-spread"),
        (jsonl(ROWS).replace("\n", "\r"), "line-ends"),
        ("".join(f"\ufeff{json.dumps(row)}\n" for row in ROWS), "bom-inside"),
        ("".join(f"{json.dumps(row)} , \n" for row in ROWS), "comma"),
        ("".join(f"{row},\n" for row in ROWS), "python"),
        ("".join(json.dumps(row)[:-1] + ", }\n" for row in ROWS), "comma"),
        ("".join(json.dumps(json.dumps(row)) + "\n" for row in ROWS), "json-in-text"),
        (json.dumps({"meta": {"n": 5}, "rows": ROWS, "end": True}, indent=1), "json-list"),
        (
            json.dumps({"columns": ["messages"], "data": [[row["messages"]] for row in ROWS]}),
            "json-list",
        ),
        (json.dumps({str(n): row for n, row in enumerate(ROWS)}), "json-list"),
    ],
    ids=range(13),
)
@pytest.mark.filterwarnings("ignore::workbook.doctor.losses.DataLossWarning")
def test_json_that_a_careless_program_wrote_is_read_whole(
    tmp_path, content: str, code: str
) -> None:
    path = put(tmp_path, content)
    assert doctor.read(path) == ROWS
    assert doctor.check(path).codes[code] == 1


def test_a_broken_object_among_spread_ones_costs_only_itself(tmp_path) -> None:
    texts = [json.dumps(row, indent=1) for row in ROWS]
    texts[1] = texts[1].replace('"user"', '"user')
    report = doctor.check(put(tmp_path, "\n".join(texts)))
    [finding] = [finding for finding in report.findings if finding.code == "not-json"]
    assert finding.line == 13 and len(report.counts) == 4


def test_a_set_or_a_key_that_stands_twice_in_python_is_left_alone(tmp_path) -> None:
    lines = ["{'messages': {1, 2}}", "{'prompt': 'a', 'prompt': 'b'}", "{'a': __import__('os')}"]
    path = put(tmp_path, "\n".join([*lines, "{'a': 1e400}", "{" * 5000]))
    assert doctor.check(path).codes["not-json"] == 5


def test_tables_with_crooked_quotes_lose_no_row(tmp_path) -> None:
    rows = [f'Is it "{n}"?,"It is {n}, yes."' for n in range(6)]
    rows[2] = 'And then?,"He never finished'
    rows[4] = '"a" b,"c"'
    path = put(tmp_path, "prompt,completion\n" + "\n".join(rows) + "\n", "a.csv")
    report = doctor.check(path)
    assert [f.line for f in report.findings if f.code == "quote"] == [4, 6]
    assert list(report.counts["line"]) == [2, 3, 5, 7]
    assert report.fix("quote").rows[0] == pair('Is it "0"?', "It is 0, yes.")


def test_a_table_below_a_title_and_with_a_doubled_heading(home, tmp_path, capsys) -> None:
    rows = "".join(f"{n}?,yes {n},no {n}\n" for n in range(12))
    path = put(tmp_path, "Our questions,,\n\nQuestion,Answer,answer\n" + rows, "a.csv")
    assert run("prepare", path) == 1
    out = capsys.readouterr().out
    assert "lost: row 1, above the headings: Our questions" in out
    assert "lost: `answer (2)` (12 ×, first on line 4)" in out
    assert written()[0]["messages"][1]["content"].startswith("yes ")


def test_answers_that_are_json_stay_texts(tmp_path) -> None:
    import polars

    answers = ['{"sure": true, "at": [9]}', "[1, 2]", "null", "0.50"]
    rows = [pair(f"{n}?", answer) for n, answer in enumerate(answers)]
    polars.DataFrame(rows).write_csv(tmp_path / "a.csv")
    polars.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    assert doctor.read(tmp_path / "a.csv") == doctor.read(tmp_path / "a.parquet") == rows
    chosen = {"prompt": "1?", "chosen": answers[0], "rejected": answers[1]}
    read = doctor.convert(chosen, "dpo")
    assert read["preferred_output"] == [{"role": "assistant", "content": answers[0]}]


@pytest.mark.parametrize(
    "template",
    ['{{"answer": "{}", "n": 1}}', "```python\n{}\n```", "<answer>{}</answer>", "“{}” it is"],
)
def test_what_only_the_rest_closes_is_no_prefix_to_take_away(template: str) -> None:
    rows = [chat(f"{n}?", template.format(f"w{n}")) for n in range(20)]
    report = doctor.check(rows)
    assert "answer-prefix" not in report.codes
    assert report.fix("answer-prefix").rows == rows


def test_azure_gets_preferences_as_they_are_behind_a_byte_order_mark(home, tmp_path) -> None:
    assert run("convert", CASES / "85-azure-dpo-tool-output.jsonl", "--to", "azure") == 0
    [path] = paths.work().glob("*.jsonl")
    assert path.read_bytes().startswith(b'\xef\xbb\xbf{"input"')
    assert len(doctor.read(path)) == 12 and doctor.check(path, host="azure").ok


@pytest.mark.parametrize("to", ["vertex", "bedrock"])
def test_what_is_written_for_a_host_comes_back_as_it_was(home, tmp_path, to: str) -> None:
    rows = doctor.read(CASES / "46-anthropic.jsonl")
    path = put(tmp_path, rows)
    assert run("convert", path, "--to", to) == 0
    [there] = paths.work().glob("*.jsonl")
    assert doctor.check(there).ok
    back = doctor.read(there)
    # An assistant's words may be a list of one text.
    same = json.dumps(back) == json.dumps(rows)
    plain = [row for row in rows if isinstance(row["messages"][-1]["content"], str)]
    assert same or all(row["messages"][-1] in (b["messages"][-1] for b in back) for row in plain)
    assert run("check", there, *(["--for", "vertex"] if to == "vertex" else [])) == 0
    assert run("convert", there, "--to", to) == 0


def test_a_tab_separated_table_in_memory_of_this_test_is_text(tmp_path) -> None:
    content = io.StringIO('prompt\tcompletion\nWhy?\tHe said "so" twice\nWho?\t"Ann"\n')
    rows = doctor.read(put(tmp_path, content.read(), "a.tsv"))
    assert rows == [pair("Why?", 'He said "so" twice'), pair("Who?", "Ann")]


ONE = chat("Why?", "So.", None)
SAME = [
    {
        "contents": [
            {"role": "USER", "parts": {"text": "Why?"}},
            {"role": "MODEL", "parts": {"text": "So."}},
        ]
    },
    {"messages": {"role": ["user", "assistant"], "content": ["Why?", "So."]}},
    {"conversations": {"from": ["human", "gpt"], "value": ["Why?", "So."]}},
    {"messages": str(ONE["messages"])},
    {"row_idx": None, "row": ONE},
    {"item": {"question": "Why?", "answer": "So.", "system": ""}},
]


@pytest.mark.parametrize("row", SAME, ids=range(len(SAME)))
def test_other_ways_of_writing_one_row(row: dict) -> None:
    assert doctor.convert(row, "chat") == ONE


def test_a_table_of_markdown_and_cells_that_pandas_wrote(tmp_path) -> None:
    table = "| Question | Answer |\n|:---|---:|\n| Why? | So. |\n"
    assert doctor.read(put(tmp_path, table, "a.csv")) == [pair("Why?", "So.")]
    cell = str(ONE["messages"]).replace('"', '""')
    assert doctor.read(put(tmp_path, f'messages\n"{cell}"\n', "b.csv")) == [ONE]


@pytest.mark.parametrize("mark", [0, -1, "0", "False", "bad", "undesirable"])
def test_marks_of_bad_answers_in_other_words(mark) -> None:
    with pytest.raises(doctor.ConversionError, match="marked as bad"):
        doctor.convert(pair() | {"label": mark}, "chat")


def test_a_call_without_its_type_gets_it() -> None:
    row = tool_row({"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}})
    assert doctor.check([row]).fix().rows == [tool_row(call())]


def test_prepare_and_convert_say_what_reading_decided(home, tmp_path, capsys) -> None:
    line = "02/03/2026, 09:{:02} - {}: {}\n"
    talk = "".join(line.format(n, "Ana" if n % 2 else "Bo", f"word {n}") for n in range(20))
    path = put(tmp_path, talk + line.format(30, "Ana", "<Media omitted>"), "a.txt")
    for command in (["prepare"], ["convert", "--to", "chat"]):
        run(command[0], path, *command[1:])
        assert "read: left out: 1 media" in capsys.readouterr().out
