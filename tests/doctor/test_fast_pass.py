"""The fast pass over large files finds what the careful one finds, and counts the same tokens."""

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from training_rows import MODEL

from workbook import doctor, paths
from workbook.doctor import fast_pass
from workbook.errors import WorkbookError
from workbook.rows import rules

OF_THE_SET = {"mixed-formats"}
"""Errors that only the whole list of checks looks for."""
BAD = [
    "{oops",
    "[1]",
    '{"messages": []}',
    "",
    '{"messages": [{"role": "bot", "content": "a"}]}',
    '{"messages": [{"role": "user", "content": 7}, {"role": "assistant", "content": "a"}]}',
    '{"messages": [{"role": "user", "content": "a"}]}',
    '{"messages": [{"role": "user", "content": "\\ud83d"}, {"role": "assistant", "content": "a"}]}',
    '{"messages": [{"role": "assistant", "content": "a", "weight": 2}]}',
    '{"prompt": "a", "completion": "b"}',
    "\xff",
    *(
        json.dumps(row)
        for row in (
            {"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "a"}]},
            {"messages": [{"role": "user", "content": " "}, {"role": "assistant", "content": "a"}]},
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "a"},
                ],
                "x": 1,
            },
            {
                "messages": [
                    {"role": "user", "content": "a", "x": 1},
                    {"role": "assistant", "content": "a"},
                ]
            },
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "tool", "content": "a"},
                    {"role": "assistant", "content": "a"},
                ]
            },
            {"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "a"}]},
            {"messages": [{"role": "assistant", "content": "a"}]},
        )
    ),
]


def good(number: int) -> str:
    return json.dumps(
        {
            "messages": [
                {"role": "system", "content": "You know animals."},
                {
                    "role": "user",
                    "content": f"Where is number {number}?" + " <|endoftext|>" * (number == 9),
                },
                {
                    "role": "assistant",
                    "content": f"Look at {number * 7}, señora. " + "Far " * (number % 9),
                },
            ]
        },
        ensure_ascii=False,
    )


@pytest.mark.parametrize("processes", [1, 2])
def test_it_finds_the_errors_of_the_careful_check_on_the_same_lines(
    tmp_path: Path, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_pass, "_PART", 20_000)
    lines = [good(n) for n in range(400)]
    for place, text in enumerate(BAD):
        lines.insert(place * 20 + 3, text)
    path = tmp_path / "rows.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8").replace("\xff".encode(), b"\xff"))
    result = fast_pass.scan(path, MODEL, processes)
    report = doctor.check(path, MODEL)
    assert_same(result, report)
    assert len({f.code for f in result.findings}) >= 9
    assert result.cost(MODEL).usd == report.cost().usd > 0


VALUES = st.sampled_from(
    [
        None,
        7,
        True,
        "",
        "  ",
        "Hola",
        "ñ <|endoftext|>",
        "a" * 30,
        [],
        {},
        ["x"],
        [{"type": "text", "text": "t"}],
        {"a": "\ud83d"},
    ]
)
ROLE = st.sampled_from([*rules.ROLES, "bot", None])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": ROLE,
            "content": VALUES | st.text(max_size=30),
            "name": VALUES,
            "weight": VALUES,
            "tool_calls": VALUES,
            "x": VALUES,
        },
    )
    | VALUES,
    max_size=4,
)
CONTENT = st.sampled_from(["", " \n", "Hola", "ñ <|endoftext|>"]) | st.text(min_size=1)
# Nearly right: one thing or nothing is wrong with most of these.
TURNS = st.tuples(
    st.lists(st.builds(dict, role=ROLE, content=CONTENT), max_size=3),
    st.builds(dict, role=st.just("user"), content=CONTENT),
    st.builds(dict, role=ROLE, content=CONTENT),
).map(lambda turns: [*turns[0], *turns[1:]])
EXTRA = st.fixed_dictionaries({}, optional=dict.fromkeys(("tools", "prompt", "x"), VALUES))
ROWS = st.builds(
    lambda turns, extra: {"messages": turns} | extra, TURNS | MESSAGES | VALUES, st.just({}) | EXTRA
) | st.fixed_dictionaries(
    {},
    optional={
        "prompt": VALUES,
        "completion": VALUES,
        "input": VALUES,
        "preferred_output": MESSAGES,
    },
)
LINES = st.lists(
    (ROWS | VALUES).map(lambda row: json.dumps(row).encode())
    | st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")),
    max_size=9,
)


@settings(max_examples=100)
@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\n\xef\xbb\xbf"]))
def test_any_lines_are_seen_as_the_careful_check_sees_them(lines: list[bytes], seam: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_pass, "_PART", 200)
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(seam.join([b"", *lines]).removeprefix(b"\n"))
        assert_same(fast_pass.scan(path, MODEL, 1), doctor.check(path, MODEL))


def assert_same(result: fast_pass.Scan, report: doctor.Report) -> None:
    def basics(findings: Iterable[doctor.Finding]) -> list[tuple]:
        return sorted(
            (f.line or 0, f.code, f.message, f.excerpt)
            for f in findings
            if f.code == "no-user" or (f.severity == "error" and f.code not in OF_THE_SET)
        )

    assert basics(result.findings) == basics(report.findings)
    assert list(result.counts) == report.counts["tokens"].tolist()
    assert list(result.answers) == report.counts["answer_tokens"].tolist()


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("a.jsonl.gz", gzip.compress),
        ("a.jsonl.zst", zstandard.compress),
        ("a.jsonl", lambda content: content.decode().encode("utf-16")),
        ("a.jsonl", lambda content: b"\xef\xbb\xbf" + content),
        ("cut.jsonl.gz", lambda content: gzip.compress(content)[:-20]),
        ("a.json", lambda content: b"[" + content.strip().replace(b"\n", b",") + b"]"),
    ],
)
def test_other_files_are_scanned_as_one_stream(
    tmp_path: Path, name: str, encode: Callable[[bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(encode("".join(good(n) + "\n" for n in range(300)).encode()))
    result, report = fast_pass.scan(tmp_path / name, MODEL), doctor.check(tmp_path / name, MODEL)
    assert_same(result, report)
    assert result.rows == 300 or name == "cut.jsonl.gz"


def test_parts_end_between_lines_however_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [good(n) for n in range(50)]
    rows[10] += " " * (rules.MAX_LINE - len(rows[10].encode()))
    rows[20] = good(20).replace("Look", "Look " * 1_000_000)  # more than the lab reads
    rows[30] = good(30).replace("Look", "Look" + " " * 150_000)  # more than tiktoken takes
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    monkeypatch.setattr(fast_pass, "_PART", 700)
    result = fast_pass.scan(path, MODEL, 1, host="lab")
    assert [f.line for f in result.findings if f.code == "long-line"] == [11, 21]
    assert_same(result, doctor.check(path, MODEL, host="lab"))


def test_an_empty_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    assert fast_pass.scan(tmp_path / "empty.jsonl", MODEL).rows == 0
    with pytest.raises(WorkbookError, match="can't be read"):
        fast_pass.scan(tmp_path / "none.jsonl", MODEL)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(good(n) for n in range(60_000)))
    # VmHWM, not ru_maxrss: that one is inherited from this process, which is large.
    script = (
        "import re, sys; from workbook.doctor import fast_pass; "
        "fast_pass.scan(sys.argv[1], sys.argv[2], 1); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), MODEL],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) / 1024 < 300  # MiB; the vocabulary alone takes most of it


@pytest.mark.full
def test_the_benchmark_runs() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "benchmarks/dataset_speed.py",
            "--rows",
            "3000",
            "--long",
            "100",
            "--rounds",
            "1",
            "--full",
            "200",
        ],
        cwd=paths.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ratio" in done.stdout
