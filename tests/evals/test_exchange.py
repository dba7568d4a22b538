"""Examples for other programs, and their results read back; the programs run in the full tier."""

import json
from pathlib import Path

import pytest

from workbook.evals import exchange
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example

EXAMPLES = [
    Example("a", [{"role": "user", "content": "{{ not a template }}"}], "1"),
    Example("b", [{"role": "system", "content": "x"}, {"role": "user", "content": "ñ"}], 2),
]


def test_every_example_arrives_whole_in_both_forms(tmp_path: Path) -> None:
    exchange.to_inspect(EXAMPLES, tmp_path, "exact")
    rows = [json.loads(line) for line in (tmp_path / "dataset.jsonl").read_text().splitlines()]
    assert [(row["id"], row["input"], row["target"]) for row in rows] == [
        (each.id, each.messages, str(each.label)) for each in EXAMPLES
    ]
    compile((tmp_path / "task.py").read_text(), "task.py", "exec")
    config = json.loads(
        exchange.to_promptfoo(EXAMPLES, tmp_path, "contains", "m", "http://x/v1").read_text()
    )
    assert [test["vars"]["messages"] for test in config["tests"]] == [
        each.messages for each in EXAMPLES
    ]
    assert config["tests"][1]["assert"] == [{"type": "icontains", "value": "2"}]


def test_nothing_is_overwritten_and_unknown_graders_are_refused(tmp_path: Path) -> None:
    exchange.to_inspect(EXAMPLES, tmp_path, "exact")
    with pytest.raises(EvaluationError, match="there already"):
        exchange.to_inspect(EXAMPLES, tmp_path, "exact")
    with pytest.raises(EvaluationError, match="exact and contains"):
        exchange.to_promptfoo(EXAMPLES, tmp_path, "regex", "m", "http://x/v1")  # type: ignore[arg-type]


def test_results_come_back_by_id_and_other_files_are_told(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    samples = [{"id": 1, "scores": {"exact": {"value": "C"}}}]
    log.write_text(json.dumps({"status": "success", "samples": samples}))
    assert exchange.from_inspect(log) == {"1": 1.0}
    log.write_text(json.dumps({"status": "error"}))
    with pytest.raises(EvaluationError, match="'error'"):
        exchange.from_inspect(log)
    with pytest.raises(EvaluationError, match="no results of promptfoo"):
        exchange.from_promptfoo(log)
    log.write_text("nonsense")
    with pytest.raises(EvaluationError, match="can't be read"):
        exchange.from_promptfoo(log)
