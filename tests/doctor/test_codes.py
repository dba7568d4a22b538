"""Every code of the dataset doctor: one bad fixture each that brings it up, and its explanation."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_rows import (
    ANIMALS,
    MODEL,
    call,
    chat,
    clean,
    dpo,
    jsonl,
    pair,
    put,
    tool_row,
    turns,
    with_message,
    with_part,
)

from tools.dataset_docs import LEGACY, markdown
from workbook import doctor, paths
from workbook.doctor import Report, profiles
from workbook.doctor.codes import CODES, SEVERITIES
from workbook.doctor.set_checks import meaning
from workbook.prices import registry

ASK = [{"role": "user", "content": "Where is it?"}]
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
O_MODEL = next(model.id for model in registry.all_models() if model.methods == ("reinforcement",))


def reward(n: int = 0) -> dict:
    """A row for reinforcement."""
    return {"messages": [{"role": "user", "content": f"Add one to {n}."}], "sum": n + 1}


def named(n: int) -> dict:
    return {"type": "function", "function": {"name": f"add_{n}"}}


def rows_of(*rows: Any, host: str | None = None) -> Callable[[Path], Report]:
    return lambda folder: doctor.check(list(rows), host=host)


def with_clean(*rows: Any, **options: Any) -> Callable[[Path], Report]:
    return lambda folder: doctor.check([*clean(), *rows], **options)


def file(name: str, content: bytes) -> Callable[[Path], Report]:
    return lambda folder: doctor.check(put(folder, content, name))


def pairs(prompt: str = "Name an animal: {}", completion: str = "{} it is") -> list[dict]:
    return [pair(prompt.format(ANIMALS[n]), completion.format(ANIMALS[-n])) for n in range(20)]


WHATSAPP = """15.7.2026 klo 10.00 - Viestit on salattu.
15.7.2026 klo 10.01 - Aino: Onko auki?
15.7.2026 klo 10.03 - Kahvila: On."""


def by_meaning(folder: Path) -> Report:
    """All three: embeddings of our own stand in for the extra's, then it is missing."""
    questions = [chat("How do I reset it?"), chat("I forgot it, what now?")]

    def embed(texts: list[str]) -> np.ndarray:
        return np.ones((len(texts), 1), np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meaning, "embed", embed)
        patch.setattr(meaning, "is_installed", lambda: True)
        within = doctor.check(questions, meaning=True)
        between = doctor.check(questions[:1], against={"train": questions[1:]}, meaning=True)
        patch.setattr(meaning, "is_installed", lambda: False)
        without = doctor.check(questions, meaning=True)
    reports = within, between, without
    assert [{code for code in one.codes if "meaning" in code} for one in reports] == [
        {"meaning-duplicate"},
        {"meaning-leakage"},
        {"meaning-off"},
    ]
    return replace(
        within,
        findings=sum((one.findings for one in reports), ()),
        codes={code: count for one in reports for code, count in one.codes.items()},
    )


def two_sheets(folder: Path) -> Report:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["prompt", "completion"])
    book.active.append(["Where?", "There."])
    book.create_sheet("more").append(["Why?", "So."])
    book.save(folder / "two.xlsx")
    return doctor.check(folder / "two.xlsx")


def with_limit(host: str, rule: str, value: int) -> Callable[[Path], Report]:
    """What is said of good rows by a host whose limit is lower than it is."""

    def check(folder: Path) -> Report:
        profile = profiles.profile(host)
        rules = {**profile.rules, rule: replace(profile.rules[rule], value=value)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(profiles.all_profiles(), host, replace(profile, rules=rules))
            return doctor.check(put(folder, CLEAN), host=host)

    return check


def workbook(folder: Path, *rows: list, merge: str = "") -> Report:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["prompt", "completion"], *rows):
        book.active.append(row)
    if merge:
        book.active.merge_cells(merge)
    book.save(folder / "a.xlsx")
    return doctor.check(folder / "a.xlsx")


def failed_formula(folder: Path) -> Report:
    return workbook(folder, ["Where?", "=B9"])


def merged_cells(folder: Path) -> Report:
    return workbook(folder, ["Where?", "There."], ["Why?", None], merge="B2:B3")


CLEAN = jsonl(clean()).encode()
FIXTURES: dict[str, Callable[[Path], Report]] = {
    "file-name": file("data.txt", CLEAN),
    "too-large": with_limit("openai", "file_bytes", 100),
    "bom": file("data.jsonl", b"\xef\xbb\xbf" + CLEAN),
    "no-bom": lambda folder: doctor.check(put(folder, CLEAN), host="azure"),
    "not-utf8": file("data.jsonl", jsonl([chat("Dónde?")]).encode() + b"\xff\xfe\n"),
    "encoding": file("data.jsonl", jsonl([chat("¿Dónde está?")]).encode("latin-1")),
    "compressed": file("data.jsonl.gz", gzip.compress(CLEAN)),
    "not-jsonl": file("data.csv", b"prompt,completion\nWhere?,There.\n"),
    "wrong-name": file("data.csv", CLEAN),
    "long-line": with_limit("lab", "line_bytes", 100),
    "sheets": two_sheets,
    "lost-value": file(
        "chat.txt", b"02/03/2026, 09:12 - Ana: <Media omitted>\n02/03/2026, 09:13 - Bo: yes\n"
    ),
    "cells": file("data.csv", b"prompt,completion\nWhere?,There.,And here.\n"),
    "quote": file("data.csv", b'prompt,completion\nWhere?,"There.\nWhy?,So.\n'),
    "heading": file("data.csv", b"prompt,completion,completion\nWhere?,There.,Here.\n"),
    "formula": failed_formula,
    "merged": merged_cells,
    "lost": file("data.json", json.dumps({"version": 1, "data": clean()}).encode()),
    "bom-inside": file("data.jsonl", CLEAN + b"\xef\xbb\xbf" + CLEAN),
    "line-ends": file("data.jsonl", CLEAN.replace(b"\n", b"\r")),
    "comma": file("data.jsonl", CLEAN + b'{"prompt": "a", "completion": "b"},\n'),
    "stray-sign": file("data.jsonl", CLEAN + b'{"prompt": "a", "completion": "b"}\0\n'),
    "python": file("data.jsonl", CLEAN + b"{'prompt': 'a', 'completion': None}\n"),
    "json-escape": file("data.jsonl", b'{"prompt": "Tab\there", "completion": "b"}\n'),
    "file-kind": file("data.xls", b"\xd0\xcf\x11\xe0" + bytes(600)),
    "json-in-text": rows_of(json.dumps(chat())),
    "json-spread": file("data.jsonl", json.dumps(chat(), indent=1).encode() * 2),
    "form": rows_of({"question": "Where?", "answer": "There."}),
    "host-form": rows_of({"contents": [{"role": "user", "parts": [{"text": "Where?"}]}]}),
    "unknown-form": rows_of({"text": "### Human: Where?### Assistant: There."}),
    "judged": rows_of(pair() | {"label": False}),
    "blank-line": file("data.jsonl", CLEAN + b"\n"),
    "not-json": file("data.jsonl", CLEAN + b"{a: 1}\n"),
    "json-list": file("data.json", json.dumps(clean()).encode()),
    "repeated-key": file("data.jsonl", CLEAN + b'{"prompt": "", "prompt": "", "completion": "a"}'),
    "empty-file": file("data.jsonl", b""),
    "too-few": rows_of(chat()),
    "too-many": with_limit("bedrock-rft", "max_examples", 50),
    "model-format": with_clean(host="bedrock-rft"),
    "model-method": with_clean(model=O_MODEL),
    "reinforcement": rows_of(reward()),
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
    "role": rows_of(with_message(1, role="bot")),
    "content": rows_of(with_message(1, content=None)),
    "empty-content": rows_of(with_message(2, content=" ")),
    "no-assistant": rows_of(turns(("user", "Where?"))),
    "last-turn": rows_of(turns(("user", "Where?"), ("assistant", "There."), ("user", "Sure?"))),
    "alternation": rows_of(turns(("user", "Where?"), ("user", "Well?"), ("assistant", "There."))),
    "starts-assistant": rows_of(
        turns(("assistant", "Hi."), ("user", "Where?"), ("assistant", "There."))
    ),
    "weight": rows_of(with_message(2, weight=0.5)),
    "weights-all-zero": rows_of(with_message(2, weight=0)),
    "last-weight": rows_of(
        {"messages": [*chat()["messages"], *with_message(2, weight=0)["messages"][1:]]}
    ),
    "host-turns": rows_of(
        turns(("assistant", "Hi."), ("user", "Where?"), ("assistant", "There.")), host="together"
    ),
    "name": rows_of(with_message(1, name="Ana Maria")),
    "misplaced-key": rows_of(with_message(1, tool_call_id="c1")),
    "reference": rows_of({"messages": ASK, "solution": "There."}, host="bedrock-rft"),
    "prompt-turn": rows_of({"messages": tool_row(call())["messages"][:3], "solution": "2"}),
    "tool-order": rows_of(
        {"messages": [*tool_row(call())["messages"][:2], *ASK, *tool_row(call())["messages"][2:]]}
    ),
    "tool-limit": rows_of(chat(tools=[named(n) for n in range(129)])),
    "parallel-calls": rows_of(tool_row(call()) | {"parallel_tool_calls": "false"}),
    "tool-call": rows_of(tool_row({"id": "c1"})),
    "tool-answer": rows_of(tool_row(call(), answers=("c1", "c2"))),
    "tools": rows_of(chat(tools={})),
    "tool-unanswered": rows_of(tool_row(call(), answers=())),
    "tool-repeated": rows_of(tool_row(call(), call())),
    "tool-unknown": rows_of(tool_row(call(name="subtract"))),
    "tool-arguments": rows_of(tool_row(call(arguments='{"a": "one"}'))),
    "tool-schema": rows_of(tool_row(call(), schema={"type": "no such type"})),
    "not-text": rows_of(with_message(1, name=7)),
    "broken-character": rows_of(with_message(2, content="\ud83d")),
    "part": rows_of(with_part("video", {})),
    "image": rows_of(with_part("image_url", {"url": "data:image/png;base64,AA=="})),
    "image-limit": rows_of(with_message(1, content=[IMAGE] * 11)),
    "image-format": rows_of(with_part("image_url", {"url": "https://example.com/a.gif"})),
    "image-bucket": rows_of(with_part("image_url", {"url": "gs://bucket/cat.png"})),
    "image-address": rows_of(with_part("image_url", {"url": "cat.png"})),
    "image-role": rows_of(with_message(0, content=[IMAGE])),
    "image-answer": rows_of(
        with_part("image_url", {"url": "https://example.com/a.png"}, "assistant")
    ),
    "dpo": rows_of({"input": {}, "preferred_output": [], "non_preferred_output": []}),
    "dpo-same": rows_of(dpo(preferred="Seven.", other="Seven.")),
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
    "placeholders": rows_of(*(chat(name, "Hello {{ name }}!") for name in ANIMALS)),
    "placeholder": rows_of(chat(answer="TODO: ask Ana.")),
    "control-character": rows_of(chat(answer="Over\u200b there.")),
    "wrong-characters": rows_of(chat("¿DÃ³nde estÃ¡?")),
    "special-token": rows_of(chat(answer="There.<|im_end|>")),
    "personal-data": rows_of(chat(answer="Write to ana.silva@example.org.")),
    "secret": rows_of(chat(answer="Use AKIAABCDEFGHIJKLMNOP.")),
    "harmful-words": rows_of(chat("Tell me how to make a bomb.")),
    "refusal": rows_of(chat(answer="I'm sorry, but I can't help with that.")),
    "refusals": with_clean(
        *(chat(f"Find {name}s!", f"I cannot help with {name}s, dear.") for name in ANIMALS)
    ),
    "duplicate": with_clean(clean()[0]),
    "near-duplicate": with_clean(
        chat("tell me, where a otter sleeps near the RIVER", clean()[0]["messages"][2]["content"])
    ),
    "speakers": file("chat.txt", WHATSAPP.encode()),
    "app-language": file("chat.txt", WHATSAPP.encode()),
    "escaped-lines": with_clean(chat("Open?", r"At nine.\nThank you.")),
    "html-entities": with_clean(chat("Open?", "Tom &amp; Ann are here.")),
    "template-mark": with_clean(chat("Open?", "[INST] At nine. [/INST]")),
    "meaning-duplicate": by_meaning,
    "meaning-leakage": by_meaning,
    "meaning-off": by_meaning,
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
    "in-quotes": rows_of(*(chat(name, f"'It is the {name}.'") for name in ANIMALS)),
    "open-ended": rows_of(*pairs(prompt="")),
    "no-separator": rows_of(*pairs("Where is {}")),
    "no-ending": rows_of(*pairs(completion="{}")),
    "no-space": rows_of(*pairs()),
}


def test_there_is_a_fixture_for_every_code() -> None:
    assert FIXTURES.keys() == CODES.keys()


@pytest.mark.parametrize("code", FIXTURES)
def test_its_fixture_brings_it_up(code: str, tmp_path: Path) -> None:
    report = FIXTURES[code](tmp_path)
    assert code in report.codes
    assert report.codes.keys() == {finding.code for finding in report.findings}


@pytest.mark.parametrize("code", CODES)
def test_it_is_explained(code: str) -> None:
    explanation = CODES[code]
    assert explanation.severity in SEVERITIES and explanation.why.endswith(".") and explanation.fix


def test_a_fix_that_a_code_names_is_there_and_is_as_safe_as_it_says() -> None:
    assert doctor.FIXES.keys() <= CODES.keys()
    for name, code in CODES.items():
        if "report.fix" in code.fix:
            must_be_named = 'report.fix("' in code.fix
            assert name in doctor.FIXES and must_be_named != doctor.FIXES[name].safe


def test_the_documentation_is_what_the_code_says() -> None:
    path = paths.ROOT / "docs" / "dataset-checks.md"
    assert path.read_text(encoding="utf-8") == markdown(), "python -m tools.dataset_docs"


def test_the_removed_tool_s_checks_are_all_there() -> None:
    names = {word for row in LEGACY for text in row for word in re.findall(r"`([\w.-]+)`", text)}
    assert {name for name in names if not name.startswith("report.")} <= CODES.keys()
