"""Rows and files of training data for the doctor's tests, good and bad."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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
SYSTEM = "You know animals."
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def chat(
    question: Any = "Where is it?",
    answer: Any = "Over there.",
    system: str | None = SYSTEM,
    **more: Any,
) -> dict:
    messages = [("system", system)] if system else []
    return turns(*messages, ("user", question), ("assistant", answer)) | more


def turns(*turns: tuple[str, Any]) -> dict:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def with_message(place: int = -1, **change: Any) -> dict:
    """`chat()`, one of whose three messages has other values."""
    row = chat()
    row["messages"][place] |= change
    return row


def without(place: int, key: str) -> dict:
    """`chat()`, one of whose three messages lacks a key."""
    row = chat()
    del row["messages"][place][key]
    return row


def with_part(kind: str, value: Any, role: str = "user") -> dict:
    return with_message({"user": 1, "assistant": 2}[role], content=[{"type": kind, kind: value}])


def pair(prompt: Any = "Where is it?", completion: Any = "There.") -> dict:
    return {"prompt": prompt, "completion": completion}


def dpo(prompt: Any = None, preferred: str = "Seven.", other: str = "Who knows?") -> dict:
    return {
        "input": {"messages": prompt or [{"role": "user", "content": "How many?"}]},
        "preferred_output": [{"role": "assistant", "content": preferred}],
        "non_preferred_output": [{"role": "assistant", "content": other}],
    }


def call(name: str = "add", arguments: str = '{"a": 1}', id: str = "c1") -> dict:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool_row(*calls: Any, answers: Iterable[str] = ("c1",), schema: Any = SCHEMA) -> dict:
    """A question, calls of a tool, its answers, and the assistant's."""
    return {
        "messages": [
            {"role": "user", "content": "Add."},
            {"role": "assistant", "content": None, "tool_calls": list(calls)},
            *({"role": "tool", "tool_call_id": id, "content": "2"} for id in answers),
            {"role": "assistant", "content": "Two."},
        ],
        "tools": [{"type": "function", "function": {"name": "add", "parameters": schema}}],
    }


def sums(number: int = 60) -> list[dict]:
    """Short examples that nothing can be said against, from fifty on."""
    return [
        chat(f"How many are {n} and one?", f"It is {n + 1}.", "Count.")
        if n % 2
        else chat(f"Add one to {n}, please.", f"That makes {n + 1}.", "Count.")
        for n in range(number)
    ]


def clean(number: int = 60) -> list[dict]:
    """Longer examples that nothing can be said against, from fifty on."""
    rows = []
    for n in range(number):
        animal, place = ANIMALS[n % 30], PLACES[(n // 30 + n) % 5]
        question = (
            f"Does the {animal} live by the {place}?"
            if n % 2
            else f"Tell me where a {animal} sleeps near the {place}."
        )
        answer = (
            f"No {animal} was ever seen there, sadly."
            if n % 3
            else f"Look under the old {place} bridge for the {animal}."
        )
        rows.append(chat(question, answer))
    return rows


def numbered(number: int = 30) -> list[dict]:
    """Examples whose questions all begin alike, and whose answers do."""
    return [chat(f"Where is number {n}?", f"Look at {n * 7}.") for n in range(number)]


def jsonl(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def put(
    folder: Path, content: bytes | str | list, name: str = "data.jsonl", encoding: str = "utf-8"
) -> Path:
    """A file of these bytes, this text, or these rows."""
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content)
    path = folder / name
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


GOOD = [
    tool_row(call()) | {"parallel_tool_calls": False},
    tool_row(call()),
    {
        "messages": [
            *chat("How many?")["messages"][:2],
            {"role": "assistant", "content": "Six?", "weight": 0},
            {"role": "user", "content": "Sure?"},
            {"role": "assistant", "content": "Seven.", "weight": 1},
        ]
    },
    with_message(1, name="Ana"),
    with_message(0, role="developer"),
    with_message(1, content=[{"type": "text", "text": "How many?"}]),
    pair("How many?", "Seven."),
    pair("", "Seven."),
    {
        "messages": [
            {"role": "user", "content": "Add."},
            {"role": "assistant", "function_call": {"name": "add", "arguments": "{}"}},
        ],
        "functions": [{"name": "add"}],
    },
]
"""Rows of every form that the formats allow."""
BAD = [
    ("not-object", [1, 2]),
    ("not-object", "text"),
    ("not-object", None),
    ("no-format", {"question": "How many?"}),
    ("no-format", {}),
    ("unknown-key", chat(answer_key=1)),
    ("unknown-key", with_message(colour="red")),
    ("unknown-key", pair("a", "b") | {"id": 3}),
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
    ("empty-content", pair("a", " ")),
    ("no-assistant", {"messages": chat()["messages"][:2]}),
    ("last-turn", {"messages": [*chat()["messages"], {"role": "user", "content": "Sure?"}]}),
    ("weight", with_message(weight=2)),
    ("weight", with_message(weight="1")),
    ("weight", with_message(weight=True)),
    ("weight", with_message(1, weight=0)),
    ("weights-all-zero", with_message(weight=0)),
    ("tool-call", tool_row(call() | {"function": {"name": "add"}})),
    ("tool-call", tool_row(call(arguments="{"))),
    ("tool-call", tool_row({"id": "c1"})),
    ("tool-call", with_message(1, tool_calls=[call()])),
    ("tool-answer", tool_row(call(), answers=("c2",))),
    ("tools", tool_row(call()) | {"tools": [{"name": "add"}]}),
    ("tools", chat(tools={})),
    ("tools", chat(functions=[{}])),
    ("tool-call", with_message(function_call={"name": "add", "arguments": {}})),
    ("not-text", with_message(refusal=["no"])),
    ("not-text", with_message(1, name=3)),
    ("broken-character", with_message(2, content="\ud83d")),
    ("broken-character", pair("\udc00", "b")),
    ("no-user", turns(("system", SYSTEM), ("assistant", "Over there."))),
    ("system-place", {"messages": [chat()["messages"][n] for n in (1, 0, 2)]}),
    ("prompt", {"completion": "b"}),
    ("prompt", pair(1, "b")),
    ("completion", {"prompt": "a"}),
    ("completion", pair("a", None)),
]
"""(the code that is brought up, a row) for every rule of a row's form."""
