"""Every code of the dataset doctor: one bad fixture each that brings it up, and a clean file."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.dataset_docs import LEGACY, markdown
from workbook import doctor, paths
from workbook.doctor import codes, readers, set_checks
from workbook.doctor.report import Report
from workbook.prices import registry

MODEL = next(
    model.id for model in registry.from_source_documents() if model.encoding == "o200k_base"
)
ANIMALS = [
    "otter",
    "heron",
    "badger",
    "lynx",
    "newt",
    "stork",
    "marten",
    "viper",
    "plaice",
    "wren",
    "boar",
    "shrew",
    "magpie",
    "toad",
    "hare",
    "osprey",
    "stoat",
    "crane",
    "adder",
    "perch",
    "rook",
    "dormouse",
    "kestrel",
    "vole",
    "plover",
    "moth",
    "cicada",
    "beetle",
    "gannet",
    "lobster",
]
PLACES = ["river", "lake", "forest", "meadow", "harbour"]


def clean(number: int = 60) -> list[dict]:
    """Examples that nothing can be said against."""
    rows = []
    for n in range(number):
        animal, place = ANIMALS[n % 30], PLACES[(n // 30 + n) % 5]
        asked = (
            f"Does the {animal} live by the {place}?"
            if n % 2
            else f"Tell me where a {animal} sleeps near the {place}."
        )
        given = (
            f"No {animal} was ever seen there, sadly."
            if n % 3
            else f"Look under the old {place} bridge for the {animal}."
        )
        rows.append(chat(asked, given))
    return rows


def chat(asked: Any = "Where is it?", given: Any = "Over there.", **more: Any) -> dict:
    return {
        "messages": [
            {"role": "system", "content": "You know animals."},
            {"role": "user", "content": asked},
            {"role": "assistant", "content": given},
        ],
        **more,
    }


def turns(*turns: tuple[str, str]) -> dict:
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def message(place: int, **change: Any) -> dict:
    row = chat()
    row["messages"][place] |= change
    return row


def pair(prompt: Any = "Where is it?", completion: Any = "There.") -> dict:
    return {"prompt": prompt, "completion": completion}


def pairs(prompt: str = "Name an animal: {}", completion: str = "{} it is") -> list[dict]:
    return [pair(prompt.format(ANIMALS[n]), completion.format(ANIMALS[-n])) for n in range(20)]


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def call(name="add", arguments='{"a": 1}', id="c1") -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tools(*calls: Any, answers=("c1",), schema: Any = SCHEMA) -> dict:
    return {
        "messages": [
            {"role": "user", "content": "Add."},
            {"role": "assistant", "content": None, "tool_calls": list(calls)},
            *({"role": "tool", "tool_call_id": id, "content": "2"} for id in answers),
            {"role": "assistant", "content": "Two."},
        ],
        "tools": [{"type": "function", "function": {"name": "add", "parameters": schema}}],
    }


def dpo(asked: Any = None, wished: str = "Seven.", other: str = "Who knows?") -> dict:
    return {
        "input": {"messages": asked or [{"role": "user", "content": "How many?"}]},
        "preferred_output": [{"role": "assistant", "content": wished}],
        "non_preferred_output": [{"role": "assistant", "content": other}],
    }


def part(kind: str, value: Any, role: str = "user") -> dict:
    return message({"user": 1, "assistant": 2}[role], content=[{"type": kind, kind: value}])


def jsonl(rows: list) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def rows_of(*rows: Any) -> Callable[[Path], Report]:
    return lambda folder: doctor.check(list(rows))


def with_clean(*rows: Any, **options: Any) -> Callable[[Path], Report]:
    return lambda folder: doctor.check([*clean(), *rows], **options)


def file(name: str, content: bytes) -> Callable[[Path], Report]:
    def check(folder: Path) -> Report:
        (folder / name).write_bytes(content)
        return doctor.check(folder / name)

    return check


def sheets(folder: Path) -> Report:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["prompt", "completion"])
    book.active.append(["Where?", "There."])
    book.create_sheet("more")
    book.save(folder / "two.xlsx")
    return doctor.check(folder / "two.xlsx")


def large(folder: Path) -> Report:
    before, readers.MAX_BYTES = readers.MAX_BYTES, 100
    try:
        return file("data.jsonl", jsonl(clean()))(folder)
    finally:
        readers.MAX_BYTES = before


GOOD = jsonl(clean())
LINES = GOOD.decode().splitlines(keepends=True)
FIXTURES: dict[str, Callable[[Path], Report]] = {
    "file-name": file("data.txt", GOOD),
    "too-large": large,
    "bom": file("data.jsonl", b"\xef\xbb\xbf" + GOOD),
    "not-utf8": file("data.jsonl", jsonl([chat("Dónde?")]) + b"\xff\xfe\n"),
    "encoding": file("data.jsonl", jsonl([chat("¿Dónde está?")]).decode().encode("latin-1")),
    "compressed": file("data.jsonl.gz", gzip.compress(GOOD)),
    "not-jsonl": file("data.csv", b"prompt,completion\nWhere?,There.\n"),
    "wrong-name": file("data.csv", GOOD),
    "long-line": file("data.jsonl", GOOD + jsonl([chat("far " * 1_100_000)])),
    "sheets": sheets,
    "lost-value": file("data.csv", b"prompt,completion\nWhere?,There.,And here.\n"),
    "blank-line": file("data.jsonl", GOOD + b"\n" + GOOD[:0]),
    "not-json": file("data.jsonl", GOOD + b"{'a': 1}\n"),
    "json-list": file("data.json", json.dumps(clean()).encode()),
    "repeated-key": file("data.jsonl", GOOD + b'{"prompt": "", "prompt": "", "completion": "a"}'),
    "empty-file": file("data.jsonl", b""),
    "too-few": rows_of(chat()),
    "few": lambda folder: doctor.check(clean(20)),
    "suffix": with_clean(job={"suffix": "s" * 65}),
    "metadata": with_clean(job={"metadata": {"key": "v" * 513}}),
    "model-closed": lambda folder: doctor.check(clean(), registry.legacy()[0].id, job={}),
    "key-case": rows_of({"Prompt": "a", "Completion": "b"}),
    "not-object": rows_of(["text"]),
    "no-format": rows_of({"question": "Where?"}),
    "mixed-formats": with_clean(pair()),
    "unknown-key": rows_of(chat(colour="red")),
    "messages": rows_of({"messages": {}}),
    "message": rows_of({"messages": ["Hello"]}),
    "role": rows_of(message(1, role="bot")),
    "content": rows_of(message(1, content=None)),
    "empty-content": rows_of(message(2, content=" ")),
    "no-assistant": rows_of(turns(("user", "Where?"))),
    "last-turn": rows_of(turns(("user", "Where?"), ("assistant", "There."), ("user", "Sure?"))),
    "alternation": rows_of(turns(("user", "Where?"), ("user", "Well?"), ("assistant", "There."))),
    "starts-assistant": rows_of(
        turns(("assistant", "Hi."), ("user", "Where?"), ("assistant", "There."))
    ),
    "weight": rows_of(message(2, weight=0.5)),
    "weights-all-zero": rows_of(message(2, weight=0)),
    "tool-call": rows_of(tools({"id": "c1"})),
    "tool-answer": rows_of(tools(call(), answers=("c1", "c2"))),
    "tools": rows_of(chat(tools={})),
    "tool-unanswered": rows_of(tools(call(), answers=())),
    "tool-repeated": rows_of(tools(call(), call())),
    "tool-unknown": rows_of(tools(call(name="subtract"))),
    "tool-arguments": rows_of(tools(call(arguments='{"a": "one"}'))),
    "tool-schema": rows_of(tools(call(), schema={"type": "no such type"})),
    "not-text": rows_of(message(1, name=7)),
    "broken-character": rows_of(message(2, content="\ud83d")),
    "part": rows_of(part("video", {})),
    "image": rows_of(part("image_url", {"url": "data:image/png;base64,AA=="})),
    "image-answer": rows_of(part("image_url", {"url": "https://example.com/a.png"}, "assistant")),
    "dpo": rows_of({"input": {}, "preferred_output": [], "non_preferred_output": []}),
    "dpo-same": rows_of(dpo(wished="Seven.", other="Seven.")),
    "dpo-turn": rows_of(dpo(chat()["messages"])),
    "long-text": rows_of(pair("far " * 3000)),
    "upper-case": rows_of(chat("WHERE IS THE ANIMAL THAT I HEARD?")),
    "echo": rows_of(chat("Where is it now?", "Where is it now?")),
    "no-user": rows_of(turns(("system", "Talk."), ("assistant", "There."))),
    "system-place": rows_of(
        turns(("user", "Where?"), ("system", "Talk."), ("assistant", "There."))
    ),
    "prompt": rows_of(pair(7)),
    "completion": rows_of({"prompt": "Where?"}),
    "too-long": with_clean(chat("far " * registry.get(MODEL).max_example_tokens), model=MODEL),
    "placeholder": rows_of(chat(given="TODO: ask Ana.")),
    "control-character": rows_of(chat(given="Over\u200b there.")),
    "wrong-characters": rows_of(chat("¿DÃ³nde estÃ¡?")),
    "special-token": rows_of(chat(given="There.<|im_end|>")),
    "personal-data": rows_of(chat(given="Write to ana.silva@example.org.")),
    "secret": rows_of(chat(given="Use AKIAABCDEFGHIJKLMNOP.")),
    "harmful-words": rows_of(chat("Tell me how to make a bomb.")),
    "refusal": rows_of(chat(given="I'm sorry, but I can't help with that.")),
    "refusals": with_clean(
        *(chat(f"Find {name}s!", f"I cannot help with {name}s, dear.") for name in ANIMALS)
    ),
    "duplicate": with_clean(clean()[0]),
    "near-duplicate": with_clean(
        chat("tell me, where a otter sleeps near the RIVER", clean()[0]["messages"][2]["content"])
    ),
    "sampled": lambda folder: doctor.check(chat(f"{n}?", f"{n}!") for n in range(20_001)),
    "leakage": lambda folder: doctor.check(clean()[:20], against={"train": clean()[19:]}),
    "near-leakage": lambda folder: doctor.check(
        [*clean()[:20], chat("Pray tell me where the old otter sleeps, near the wide river!")],
        against={"train": [chat("Pray tell me where the old otter sleeps near the wide rivers.")]},
    ),
    "contradiction": with_clean(chat(clean()[0]["messages"][1]["content"], "Quite elsewhere.")),
    "imbalance": rows_of(*(pair(name, " 1" if n else " 2") for n, name in enumerate(ANIMALS))),
    "same-answer": rows_of(*(chat(name, "Yes.") for name in ANIMALS)),
    "system-varies": with_clean(turns(("user", "Where?"), ("assistant", "There."))),
    "language-mix": with_clean(
        *(chat(f"{name}?", f"No sé qué es el {name}, pero está en la casa.") for name in ANIMALS)
    ),
    "endings-vary": rows_of(
        *(chat(name, f"{name} one" + "." * (n % 2)) for n, name in enumerate(ANIMALS))
    ),
    "user-prefix": rows_of(
        *(chat(f"Tell me about the {name}", f"{name}s live.") for name in ANIMALS)
    ),
    "answer-prefix": rows_of(*(chat(name, f"Answer: {name}.") for name in ANIMALS)),
    "open-ended": rows_of(*pairs(prompt="")),
    "no-separator": rows_of(*pairs("Where is {}")),
    "no-ending": rows_of(*pairs(completion="{}")),
    "no-space": rows_of(*pairs()),
}


def test_there_is_a_fixture_for_every_code() -> None:
    assert FIXTURES.keys() == codes.CODES.keys()


@pytest.mark.parametrize("code", FIXTURES)
def test_its_fixture_brings_it_up(code: str, tmp_path: Path) -> None:
    report = FIXTURES[code](tmp_path)
    assert code in report.codes
    assert report.codes.keys() == {finding.code for finding in report.findings}


@pytest.mark.parametrize("code", codes.CODES)
def test_it_is_explained(code: str) -> None:
    said = codes.CODES[code]
    assert said.severity in codes.SEVERITIES and said.why.endswith(".") and said.fix


def test_in_a_clean_file_nothing_fires(tmp_path: Path) -> None:
    report = file("clean.jsonl", GOOD)(tmp_path)
    assert report.findings == () and report.ok and len(report.counts) == 60
    assert doctor.check(
        clean(),
        MODEL,
        job={"suffix": "animals", "metadata": {"a": "b"}},
        against={"other": [chat("Quite something else?")]},
    ).codes.keys() <= {"model-closed"}


@pytest.mark.parametrize(
    "rows",
    [
        [dpo(wished=f"{name}.") for name in ANIMALS],
        [tools(call(), call(id="c2"), answers=("c1", "c2"))],
        [
            {
                "messages": [
                    {"role": "user", "content": "Weather in Paris?"},
                    {"role": "assistant", "function_call": {"name": "get", "arguments": "{}"}},
                ],
                "functions": [{"name": "get"}],
            }
        ],
        [message(1, content=[{"type": "text", "text": "Where?"}])],
        [message(2, refusal="I'd rather not.", content=None)],
    ],
)
def test_what_the_service_takes_has_no_error(rows: list) -> None:
    assert {code for code in doctor.check(rows).codes if codes.CODES[code].severity == "error"} <= {
        "too-few"
    }


TOOL = {
    "type": "function",
    "function": {
        "name": "get_current_weather",
        "description": "Get the current weather",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and country"},
                "format": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location", "format"],
        },
    },
}
ASKED = {"role": "user", "content": "What is the weather in San Francisco?"}
PUBLISHED = {  # the forms of the example rows in OpenAI's guides to fine-tuning
    "chat": turns(
        ("system", "Marv is a factual chatbot that is also sarcastic."),
        ("user", "What's the capital of France?"),
        ("assistant", "Paris, as if everyone doesn't know that already."),
    ),
    "several turns with weights": {
        "messages": [
            {"role": "system", "content": "Marv is a factual chatbot that is also sarcastic."},
            {"role": "user", "content": "What's the capital of France?"},
            {"role": "assistant", "content": "Paris", "weight": 0},
            {"role": "user", "content": "Can you be more sarcastic?"},
            {
                "role": "assistant",
                "content": "Paris, as if everyone doesn't know that already.",
                "weight": 1,
            },
        ]
    },
    "tool calls": {
        "messages": [
            ASKED,
            {
                "role": "assistant",
                "tool_calls": [
                    call(
                        "get_current_weather",
                        '{"location": "San Francisco, USA", "format": "celsius"}',
                    )
                ],
            },
        ],
        "parallel_tool_calls": False,
        "tools": [TOOL],
    },
    "functions": {
        "messages": [
            ASKED,
            {
                "role": "assistant",
                "function_call": {
                    "name": "get_current_weather",
                    "arguments": '{"location": "San Francisco, USA", "format": "celsius"}',
                },
            },
        ],
        "functions": [TOOL["function"]],
    },
    "vision": {
        "messages": [
            {"role": "system", "content": "You are an assistant that identifies uncommon cheeses."},
            {"role": "user", "content": "What is this cheese?"},
            {
                "role": "user",
                "content": [
                    {
                        "type": "image_url",
                        "image_url": {"url": "https://upload.example.org/danbo.jpg"},
                    }
                ],
            },
            {"role": "assistant", "content": "Danbo"},
        ]
    },
    "preference": {
        "input": {
            "messages": [{"role": "user", "content": "Hello, how are you?"}],
            "tools": [],
            "parallel_tool_calls": True,
        },
        "preferred_output": [{"role": "assistant", "content": "Cold outside today."}],
        "non_preferred_output": [{"role": "assistant", "content": "It's not bad."}],
    },
    "pairs": pair(
        "Company: BHFF insurance\nProduct: allround insurance\nAd: One stop shop!\nSupported:",
        " yes",
    ),
    "pairs with signs": pair("Overjoyed with the new iPhone! ->", " positive"),
    "tool messages": {
        "messages": [
            ASKED,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    call("get_current_weather", '{"location": "Paris", "format": "celsius"}')
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "21.0"},
            {"role": "assistant", "content": "It is 21 degrees in Paris."},
        ],
        "tools": [TOOL],
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_example_has_no_error(name: str) -> None:
    codes = doctor.check([PUBLISHED[name]]).codes.keys() - {"too-few"}
    assert codes <= {"image", "alternation"} if name == "vision" else not codes


def test_the_documents_examples_have_no_error() -> None:
    marv = doctor.check(paths.data("marv_train.jsonl"))
    assert marv.ok and marv.codes == {"few": 1}


def test_line_numbers_hold_in_the_middle_of_a_large_file(tmp_path: Path) -> None:
    lines = [json.dumps(chat(f"Number {n}?", f"It is {n}.")) for n in range(12_000)]
    lines[6_344] = '{"messages": []}'
    lines[11_000] = "{oops}"
    report = file("large.jsonl", "\n".join(lines).encode())(tmp_path)
    found = {finding.code: finding.line for finding in report.findings}
    assert (found["messages"], found["not-json"]) == (6_345, 11_001)


def test_an_instruction_before_every_question_makes_no_near_duplicates() -> None:
    told = (
        "Read the review below with care and answer with a number of stars only; think of what "
        "the customer liked, what broke, and whether another one would be bought. Review: "
    )
    rows = [
        chat(
            f"{told}The {ANIMALS[n]} on the {ANIMALS[n - 7]} and the {ANIMALS[n - 11]} broke "
            f"at the {PLACES[n % 5]}, which the {ANIMALS[n - 17]} and her {ANIMALS[n - 3]} saw "
            f"from the {ANIMALS[n - 23]} beside a {ANIMALS[n - 29]}.",
            f"{n % 5} stars",
        )
        for n in range(30)
    ]
    assert "near-duplicate" not in doctor.check(rows).codes
    again = chat(rows[3]["messages"][1]["content"].replace("broke at", "brokes at"), "3 stars")
    for place in (4, 30):
        found = [
            f
            for f in doctor.check([*rows[:place], again, *rows[place:]]).findings
            if f.code == "near-duplicate"
        ]
        assert [f.line for f in found] == [place + 1] and "line 4" in found[0].message


def test_what_is_remembered_has_a_limit_and_that_is_said(monkeypatch) -> None:
    monkeypatch.setattr(set_checks, "REMEMBERED", 30)
    report = doctor.check([*clean(), clean()[0], clean()[50]], against={"train": clean()[:31]})
    assert report.codes["duplicate"] == 1  # the second came after the thirtieth
    assert sum("were compared with the first 30" in f.message for f in report.findings) == 3


def test_a_key_is_never_shown_whole() -> None:
    secret = "AKIAABCDEFGHIJKLMNOP"
    report = doctor.check([chat(given=f"Use {secret}.")])
    assert "secret" in report.codes and secret not in repr(report) + report._repr_html_()


def test_the_documentation_is_what_the_code_says() -> None:
    path = paths.ROOT / "docs" / "dataset-checks.md"
    assert path.read_text(encoding="utf-8") == markdown(), "python -m tools.dataset_docs"


def test_the_removed_tool_s_checks_are_all_there() -> None:
    named = {word for row in LEGACY for text in row for word in re.findall(r"`([\w.-]+)`", text)}
    assert {word for word in named if not word.startswith("report.")} <= codes.CODES.keys()
