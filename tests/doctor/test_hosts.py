"""What a row must be for the host that will read it: files in the shape of reported trouble, and
rows of the same kinds. The lab's own reader of training files says the same as `host="lab"`."""

import base64
import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from training_rows import call, chat, clean, dpo, jsonl, pair, put, tool_row, turns, with_message

from workbook import doctor
from workbook.doctor import fast_pass, profiles
from workbook.doctor.codes import CODES
from workbook.lab.model import weights
from workbook.lab.training import training_file
from workbook.prices import registry
from workbook.rows.rules import RULES

CASES = Path(__file__).parent / "cases"
APART = {rule.code for rule in RULES.values() if rule.apart}  # the lab takes some of these
CHAT_MODEL = next(m.id for m in registry.all_models() if m.vendor == "OpenAI" and m.kind == "chat")
PAIR_MODEL = registry.legacy()[0].id
SMALL = {"few", "too-few"}

OPENAI: dict[str, dict[str, list[int]]] = {
    "15-messages-as-text": {"json-in-text": [1]},
    "30-tool-call-empty-content": {},
    "31-tool-call-null-or-no-content": {},
    "32-function-call-no-content": {},
    "33-arguments-as-object": {"tool-call": [12]},
    "34-tools-as-text": {"json-in-text": [12]},
    "35-user-between-call-and-answer": {"tool-order": [12]},
    "36b-parallel-out-of-order": {},
    "37-empty-tool-output": {},
    "38-call-then-assistant": {},
    "39-bad-names": {"name": [12, 12, 12]},
    "40-call-without-id": {"tool-call": [12], "tool-answer": [12]},
    "41-weights": {"weight": [12, 13, 14]},
    "42-system-assistant-only": {},
    "43-two-users-in-a-row": {},
    "44-roles": {"role": [12, 12, 13, 13, 14, 14, 15, 16, 16, 17, 17]},
    "45-contents": {"content": [12, 13, 14, 15, 17], "empty-content": [16]},
    "48-rft": {},
    "49-pairs-for-chat-model": {},
    "51-vision": {
        "part": [13, 16],
        "image-limit": [14],
        "image-format": [15],
        "image-address": [17, 18, 19],
    },
    "52-openai-vision-doc-shape": {},
    "53-parallel-as-text": {"parallel-calls": [12]},
    "55-tool-calls-null-everywhere": {},
    "56-function-answer-without-name": {"tool-answer": [12]},
    "57-ends-with-tool": {"last-turn": [12]},
    "85-azure-dpo-tool-output": {"dpo": [12]},
    "164-content-parts-text": {},
    "165-developer-role": {},
    "172-refusal-message": {},
    "174-dpo-system-only": {},
    "179-label-none": {},
    "180-jinja": {},
    "194-tools-without-parameters": {},
}
OTHERS: dict[tuple[str, str], dict[str, list[int]]] = {
    ("azure", "38-call-then-assistant"): {"host-turns": [12, 12]},
    ("azure", "85-azure-dpo-tool-output"): {},
    ("azure", "52-openai-vision-doc-shape"): {},
    ("lab", "52-openai-vision-doc-shape"): {"image-limit": [12]},
    ("together", "165-developer-role"): {"role": list(range(1, 13))},
    ("together", "52-openai-vision-doc-shape"): {"host-turns": [12], "image-format": [12]},
    ("nebius", "194-tools-without-parameters"): {"host-turns": [12]},
    ("nebius", "36b-parallel-out-of-order"): {},
}


def case(name: str) -> Path:
    return CASES / f"{name}.jsonl"


def errors(report: doctor.Report) -> dict[str, list[int]]:
    """The lines of each error, but for the number of examples."""
    lines: dict[str, list[int]] = {}
    for finding in report.findings:
        if finding.severity == "error" and finding.code not in SMALL:
            lines.setdefault(finding.code, []).append(finding.line)
    return lines


@pytest.mark.parametrize("name", OPENAI)
def test_a_file_from_the_wild_has_the_errors_that_it_has(name: str) -> None:
    assert errors(doctor.check(case(name))) == OPENAI[name]


@pytest.mark.parametrize(("host", "name"), OTHERS)
def test_hosts_differ_where_their_profiles_do(host: str, name: str) -> None:
    assert errors(doctor.check(case(name), host=host)) == OTHERS[host, name]


@pytest.mark.parametrize("name", OPENAI)
def test_the_lab_refuses_the_lines_that_the_doctor_refuses_for_it(name: str) -> None:
    report = doctor.check(case(name), host="lab")
    found = errors(report)
    lines = {line for code, at in found.items() if code not in APART for line in at}
    methods = {"dpo": "dpo", "rft": "reinforcement"}
    method = next((m for part, m in methods.items() if part in name), "supervised")
    refused = {f.line for f in training_file.check(case(name), shown=99, method=method).findings}
    if name == "15-messages-as-text":
        assert len(lines) == 1 and len(refused) == 12  # once for the file, and line by line
    else:
        assert lines <= refused <= {line for at in found.values() for line in at}


@pytest.mark.parametrize(
    "name",
    [
        "15-messages-as-text",
        "44-roles",
        "45-contents",
        "61b-sharegpt-system-tools",
        "64b-alpaca",
        "83-evals",
        "163-responses-rows",
    ],
)
def test_of_what_can_t_be_read_nothing_else_is_said(name: str) -> None:
    codes = doctor.check(case(name)).codes
    assert not {"near-duplicate", "key-case", "duplicate", "contradiction"} & codes.keys()


def test_rows_whose_speakers_are_not_known_are_like_nothing_else() -> None:
    rows = [turns(("visitor", f"Where is the {n}?"), ("guide", "There.")) for n in range(12)]
    answers = [turns(("user", "Where is it?"), ("asistant", f"Under {n}.")) for n in range(12)]
    for those in (rows, answers, [{"messages": json.dumps(row["messages"])} for row in rows]):
        assert "near-duplicate" not in doctor.check(those).codes


def test_equal_words_beside_other_images_are_no_repetition() -> None:
    rows = [
        chat(
            [
                {"type": "text", "text": "What animal is on this picture that I took?"},
                image(f"https://example.org/{n}.png"),
            ],
            "An otter, by the river, asleep.",
        )
        for n in range(12)
    ]
    report = doctor.check(rows[:6], against={"train": rows[6:]})
    assert not {"near-duplicate", "leakage", "near-leakage"} & report.codes.keys()
    assert "leakage" in doctor.check(rows[:6], against={"train": rows[5:]}).codes


@pytest.mark.parametrize("name", ["179-label-none", "180-jinja"])
def test_what_stands_in_most_rows_is_said_once(name: str) -> None:
    codes = doctor.check(case(name)).codes
    assert codes["placeholders"] == 1 and "placeholder" not in codes


def test_a_placeholder_that_was_forgotten_is_said_where_it_is() -> None:
    codes = doctor.check([*clean(), *(chat(f"{n}?", f"TODO {n}") for n in range(12))]).codes
    assert codes["placeholder"] == 12


@pytest.mark.parametrize("name", ["164-content-parts-text", "168"])
def test_text_in_parts_is_read_as_text(name: str) -> None:
    if name == "168":
        rows = [
            chat([{"type": "text", "text": f"{n}?"}], [{"type": "text", "text": f"It is {n}"}])
            for n in range(20)
        ]
        assert "answer-prefix" in doctor.check(rows).codes
    else:
        assert not {"answer-prefix", "user-prefix"} & doctor.check(case(name)).codes.keys()


# Models


@pytest.mark.parametrize("model", [CHAT_MODEL, "gpt-4.1-mini", "gpt-4o-2024-11-20"])
def test_chat_models_refuse_pairs_also_in_the_fast_pass(model: str) -> None:
    for result in (
        doctor.check(case("49-pairs-for-chat-model"), model),
        fast_pass.scan(case("49-pairs-for-chat-model"), model),
    ):
        [finding] = [f for f in result.findings if f.code == "model-format"]
        assert "chat model" in finding.message and "convert FILE --to chat" in finding.message


def test_completion_models_refuse_chat_rows_and_take_pairs() -> None:
    assert "model-format" in doctor.check(clean(), PAIR_MODEL).codes
    assert "model-format" in fast_pass.scan(case("42-system-assistant-only"), PAIR_MODEL).codes
    assert "model-format" not in doctor.check(case("49-pairs-for-chat-model"), PAIR_MODEL).codes


def test_the_lab_s_chat_model_takes_pairs() -> None:
    weights.ensure()  # the lab's vocabulary comes with them
    assert not errors(doctor.check(case("49-pairs-for-chat-model"), registry.lab().id))


@pytest.mark.parametrize(
    ("model", "host", "code"),
    [
        ("o4-mini-2025-04-16", None, None),
        ("gpt-4.1-mini", None, "model-method"),
        (None, "azure", None),
        (None, "lab", None),
        (None, "nebius", "model-format"),
    ],
)
def test_rows_for_reinforcement_are_called_so_and_need_a_host_that_has_it(
    model: str | None, host: str | None, code: str | None
) -> None:
    report = doctor.check(case("48-rft"), model, host=host)
    assert set(errors(report)) == ({code} if code else set())
    assert report.kind == "reinforcement"
    assert ("reinforcement" in report.codes) == (code != "model-format")


def test_a_chat_file_is_refused_by_a_host_that_only_reinforces() -> None:
    report = doctor.check(clean(120), host="bedrock-rft")
    assert [f.code for f in report.findings if f.severity == "error"] == ["model-format"]


def test_bedrock_asks_for_its_key_and_for_a_hundred_rows() -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"{n} and one?"}], "sum": n + 1}
        for n in range(40)
    ]
    report = doctor.check(rows, host="bedrock-rft")
    assert set(report.codes) >= {"reference", "too-few"}
    assert "Amazon Bedrock (reinforcement) asks for 100" in str(report)
    assert "reference" not in doctor.check(rows, host="azure").codes


def test_vertex_reads_its_own_rows_and_says_the_way() -> None:
    [finding] = [f for f in doctor.check(clean(), host="vertex").findings if f.severity == "error"]
    assert finding.code == "model-format" and "--to vertex" in finding.message


def test_azure_wants_the_mark_that_others_do_not(tmp_path: Path) -> None:
    marked = put(tmp_path, b"\xef\xbb\xbf" + jsonl(clean()).encode(), "marked.jsonl")
    plain = put(tmp_path, clean(), "plain.jsonl")
    assert [
        set(doctor.check(file, host="azure").codes) & {"bom", "no-bom"} for file in (marked, plain)
    ] == [set(), {"no-bom"}]
    assert [set(doctor.check(file).codes) & {"bom", "no-bom"} for file in (marked, plain)] == [
        {"bom"},
        set(),
    ]
    assert "bom" not in fast_pass.scan(marked, "gpt-4.1-mini", host="azure").codes


# Images


def image(url: str, **more: Any) -> dict:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def inline(content: bytes, kind: str = "png") -> dict:
    return image(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")


def png(color: int, size: int = 0) -> bytes:
    """A PNG of one dot and of this type of colours, as long as asked."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data))

    noise = random.Random(3).randbytes(size)
    header = struct.pack(">IIBBBBB", 1, 1, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", noise)


JPEG_CMYK = b"\xff\xd8\xff\xee\x00\x04ab\xff\xc0\x00\x14\x08\x00\x01\x00\x01\x04" + b"\x00" * 12
IMAGES: list[tuple[str, list[dict], set[str]]] = [
    ("openai", [inline(png(6))], set()),
    ("openai", [inline(png(2))], set()),
    ("openai", [inline(png(0))], {"image-format"}),
    ("openai", [inline(png(3))], {"image-format"}),
    ("openai", [inline(JPEG_CMYK, "jpeg")], {"image-format"}),
    ("openai", [inline(b"GIF89a" + b"\0" * 20, "png")], {"image-format"}),
    ("openai", [inline(b"RIFF\0\0\0\0WEBPVP8 ", "webp")], set()),
    ("openai", [image("https://example.org/cat.BMP?size=2")], {"image-format"}),
    ("openai", [image("https://example.org/show?id=7", detail="low")], set()),
    ("openai", [image("https://example.org/a.jpg", detail="LOW")], {"part"}),
    ("openai", [image("ftp://example.org/a.jpg")], {"image-address"}),
    ("openai", [image("data:image/png,abc")], {"image-address"}),
    ("openai", [inline(png(2))] * 10, set()),
    ("openai", [inline(png(2))] * 11, {"image-limit"}),
    ("azure", [inline(png(2))] * 64, set()),
    ("azure", [inline(png(2))] * 65, {"image-limit"}),
    ("vertex", [inline(png(2))] * 31, {"image-limit", "model-format"}),
    ("together", [image("https://example.org/a.png")], {"image-format"}),
    ("together", [inline(png(0))], set()),  # which modes it takes is not known
    ("nebius", [inline(png(2))] * 100, set()),  # nor how many this host takes
    ("lab", [inline(png(2))], {"image-limit"}),
    ("openai", [{"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}}], {"part"}),
    ("nebius", [{"type": "input_audio", "input_audio": {"data": "", "format": "mp3"}}], set()),
]


@pytest.mark.parametrize(("host", "parts", "codes"), IMAGES, ids=range(len(IMAGES)))
def test_images_fit_the_host(host: str, parts: list[dict], codes: set[str]) -> None:
    row = chat([{"type": "text", "text": "What is this?"}, *parts])
    assert set(errors(doctor.check([row], host=host))) == codes


def test_an_image_of_five_megabytes_in_the_row_is_legal_but_for_the_lab(tmp_path: Path) -> None:
    small, large = (inline(png(2, size)) for size in (5_000_000, 11_000_000))
    rows = [*clean(12), chat([{"type": "text", "text": "What is it?"}, small])]
    file = put(tmp_path, rows)
    assert errors(doctor.check(file)) == {}
    assert errors(doctor.check(file, host="lab")) == {"long-line": [13], "image-limit": [13]}
    assert [f.line for f in training_file.check(file).findings] == [13]
    assert doctor.check(file).fix().rows == rows  # and nothing is left out
    [finding] = [f for f in doctor.check([chat([large])]).findings if f.code == "image-limit"]
    assert "10.5 MB" in finding.message and "OpenAI takes 10 MB" in finding.message


def test_preferences_are_text_where_that_is_known() -> None:
    row = dpo([{"role": "user", "content": [inline(png(2))]}])
    assert set(errors(doctor.check([row]))) == {"image-limit"}
    assert not errors(doctor.check([row], host="azure"))


# Tools and turns

NAMES = ["add", "add_2", "add-2", "A" * 64, "add.two", "add two", "A" * 65, "ä", ""]
REFUSED = NAMES[4:]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_functions_are_plain_and_short(name: str) -> None:
    row = tool_row(call(name=name))
    row["tools"][0]["function"]["name"] = name
    for host in ("openai", "azure"):
        found = errors(doctor.check([row], host=host))
        assert set(found) == ({"name"} if name in REFUSED else set())
    assert not errors(doctor.check([row], host="lab"))
    assert not errors(doctor.check([row], host="nebius"))


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [
        ("Ana", True),
        ("ana_2", True),
        ("José", True),
        ("Ana Maria", False),
        ("a<b", False),
        ("a" * 64, True),
        ("a" * 65, False),
        (None, True),
    ],
)
def test_names_in_messages_have_no_blank(name: str, is_taken: bool) -> None:
    found = errors(doctor.check([with_message(1, name=name)]))
    assert found == ({} if is_taken else {"name": [1]})


def test_a_host_takes_so_many_tools() -> None:
    def tools(number: int) -> list[dict]:
        return [{"type": "function", "function": {"name": f"add_{n}"}} for n in range(number)]

    assert not errors(doctor.check([chat(tools=tools(128))]))
    [finding] = [
        f for f in doctor.check([chat(tools=tools(130))]).findings if f.code == "tool-limit"
    ]
    assert finding.message == "130 `tools`: OpenAI takes 128 at most"
    assert not errors(doctor.check([chat(tools=tools(130))], host="lab"))


ASK, ANSWER = {"role": "user", "content": "Add."}, {"role": "assistant", "content": "Two."}
CALLS = {"role": "assistant", "tool_calls": [call(), call(id="c2")]}
RESULTS = [{"role": "tool", "tool_call_id": id, "content": "2"} for id in ("c1", "c2")]
SYSTEM = {"role": "system", "content": "You add."}
TURNS: list[tuple[list[dict], dict[str, set[str]]]] = [
    ([ASK, CALLS, *RESULTS, ANSWER], {}),
    ([ASK, CALLS, *RESULTS[::-1], ANSWER], {}),
    ([ASK, CALLS], {"nebius": {"host-turns"}}),
    ([ASK, CALLS, RESULTS[0], ANSWER], {"azure": {"host-turns"}}),
    (
        [ASK, CALLS, RESULTS[0], SYSTEM, RESULTS[1], ANSWER],
        {host: {"tool-order"} for host in ("openai", "nebius", "together", "lab")}
        | {"azure": {"tool-order", "host-turns"}},
    ),
    ([ASK, ANSWER, ANSWER], {"azure": {"host-turns"}, "together": {"host-turns"}}),
    ([ASK, ASK, ANSWER], {"together": {"host-turns"}}),
    ([SYSTEM, ASK, ANSWER, ASK, ANSWER], {}),
    ([ANSWER, ASK, ANSWER], {"together": {"host-turns"}}),
]


@pytest.mark.parametrize(("messages", "codes"), TURNS, ids=range(len(TURNS)))
@pytest.mark.parametrize("host", ["openai", "azure", "nebius", "together", "lab"])
def test_hosts_are_strict_about_turns_each_in_its_way(
    host: str, messages: list[dict], codes: dict[str, set[str]]
) -> None:
    row = {"messages": messages}
    assert set(errors(doctor.check([row], host=host))) == codes.get(host, set())
    if host == "lab":
        refused = training_file.RowError if host in codes else ()
        try:
            training_file.parse(json.dumps(row).encode())
        except refused:
            return
        assert host not in codes


def test_the_fast_pass_holds_plain_rows_to_a_strict_host_too(tmp_path: Path) -> None:
    file = put(tmp_path, [*clean(12), {"messages": [ASK, ASK, ANSWER]}])
    assert fast_pass.scan(file, "gpt-4.1-mini", host="together").codes["host-turns"] == 1
    assert "host-turns" not in fast_pass.scan(file, "gpt-4.1-mini").codes


@pytest.mark.parametrize(
    ("outputs", "is_taken"),
    [
        ([ANSWER], True),
        ([CALLS, *RESULTS, ANSWER], True),
        ([RESULTS[0]], False),
        ([ASK, ANSWER], False),
        ([], False),
        ("Two.", False),
        ([ANSWER, "Two."], False),
    ],
)
def test_azure_takes_preferences_of_several_messages(outputs: Any, is_taken: bool) -> None:
    row = dpo() | {"preferred_output": outputs}
    assert ("dpo" not in errors(doctor.check([row], host="azure"))) == is_taken
    if is_taken and len(outputs) > 1:
        assert "dpo" in errors(doctor.check([row]))


@pytest.mark.parametrize("key", ["preferred_output", "non_preferred_output"])
def test_both_answers_of_a_preference_keep_to_the_host_s_turns(key: str) -> None:
    row = dpo() | {key: [CALLS, RESULTS[0], ANSWER]}
    assert errors(doctor.check([row], host="azure")) == {"host-turns": [1]}


@pytest.mark.parametrize(
    ("weights", "is_said"),
    [((1, 0), True), ((None, 0), True), ((0, 1), False), ((0, None), False), ((0, 0), False)],
)
def test_a_last_answer_that_is_not_learned_is_said(weights: tuple, is_said: bool) -> None:
    answers = [ANSWER if weight is None else ANSWER | {"weight": weight} for weight in weights]
    codes = doctor.check([{"messages": [ASK, answers[0], ASK, answers[1]]}]).codes
    assert ("last-weight" in codes) == is_said


def test_every_error_of_a_host_names_it() -> None:
    """Whose rule it is stands in the sentence, for each host and each of its codes."""
    rows = [{"messages": messages} for messages, _ in TURNS] + [
        chat(parts) for _, parts, _ in IMAGES
    ]
    rows += [tool_row(call(name=name)) for name in NAMES] + [pair(), dpo()]
    shared = {rule.code for rule in RULES.values()} - {"role", "part"}
    for host, profile in profiles.all_profiles().items():
        for finding in doctor.check(rows, host=host).findings:
            if CODES[finding.code].severity == "error" and finding.code not in {
                *shared,
                *SMALL,
                "mixed-formats",
                "part",
            }:
                assert profile.label in finding.message, finding
