"""The fast pass over large files finds what the careful one finds, and counts the same tokens."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import dataset, models, paths, scan, tokens
from helpers.errors import WorkbookError

MODEL = next(model.id for model in models.seeds() if model.encoding == "o200k_base")
BAD = ["{oops", "[1]", '{"messages": []}', "", '{"messages": [{"role": "bot", "content": "a"}]}',
       '{"messages": [{"role": "user", "content": 7}, {"role": "assistant", "content": "a"}]}',
       '{"messages": [{"role": "user", "content": "a"}]}',
       '{"messages": [{"role": "user", "content": "\\ud83d"}, {"role": "assistant", '
       '"content": "a"}]}',
       '{"messages": [{"role": "assistant", "content": "a", "weight": 2}]}',
       '{"prompt": "a", "completion": "b"}', "\xff"]


def good(number: int) -> str:
    return json.dumps({"messages": [
        {"role": "system", "content": "You know animals."},
        {"role": "user",
         "content": f"Where is number {number}?" + " <|endoftext|>" * (number == 9)},
        {"role": "assistant", "content": f"Look at {number * 7}, señora. "
         + "Far " * (number % 9)}]}, ensure_ascii=False)


@pytest.mark.parametrize("processes", [1, 2])
def test_it_finds_the_errors_of_the_careful_check_on_the_same_lines(
        tmp_path: Path, processes: int) -> None:
    lines = [good(n) for n in range(400)]
    for place, text in enumerate(BAD):
        lines.insert(place * 30 + 3, text)
    path = tmp_path / "rows.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8").replace("\xff".encode(), b"\xff"))
    found = scan.scan(path, MODEL, processes)
    report = dataset.check(path, MODEL)
    errors = {(f.line, f.code) for f in report.findings
              if f.line and f.severity == "error" and f.code != "mixed-formats"}
    assert {(f.line, f.code) for f in found.findings
            if f.severity == "error"} == errors and len(errors) >= 9
    assert list(found.counts) == report.counts["tokens"].tolist()
    assert list(found.answers) == report.counts["answer_tokens"].tolist()
    assert found.tokens == sum(found.counts) and found.rows == len(report.counts)
    assert found.cost(MODEL).usd == report.cost().usd > 0


def test_many_texts_are_counted_like_one_each() -> None:
    texts = ["a", "", " b", "<|endoftext|>", "ñ  \n", "far " * 50]
    for some in (texts, texts[:3], []):
        assert tokens.vocabulary("o200k_base").sizes(some) == [
            tokens.count(text, MODEL) for text in some]


def test_an_empty_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    assert scan.scan(tmp_path / "empty.jsonl", MODEL).rows == 0
    with pytest.raises(WorkbookError, match="can't be read"):
        scan.scan(tmp_path / "none.jsonl", MODEL)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(good(n) for n in range(60_000)))
    # VmHWM, not ru_maxrss: that one is inherited from this process, which is large.
    script = ("import re, sys; from helpers import scan; scan.scan(sys.argv[1], sys.argv[2], 1); "
              "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])")
    done = subprocess.run([sys.executable, "-c", script, str(path), MODEL], cwd=paths.ROOT,
                          capture_output=True, text=True, check=True)
    assert int(done.stdout) / 1024 < 300  # MiB; the vocabulary alone takes most of it


@pytest.mark.full
def test_the_benchmark_runs() -> None:
    done = subprocess.run([sys.executable, "benchmarks/dataset_speed.py", "--rows", "3000",
                           "--full", "500"], cwd=paths.ROOT, capture_output=True, text=True,
                          check=True)
    assert "ratio" in done.stdout
