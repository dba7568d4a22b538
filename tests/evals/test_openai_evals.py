"""An eval of OpenAI's service: its items become examples, its graders grade them here."""

import json
from pathlib import Path

import pytest

from workbook.evals import openai_evals
from workbook.evals.errors import EvaluationError

DEFINITION = {
    "id": "eval_1",
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
    "testing_criteria": [
        {
            "id": "grader_1",
            "type": "string_check",
            "name": "same",
            "input": "{{sample.output_text}}",
            "reference": "{{item.answer}}",
            "operation": "eq",
        },
        {
            "type": "text_similarity",
            "name": "near",
            "input": "{{ sample.output_text }}",
            "reference": "{{ item.answer }}",
            "evaluation_metric": "rouge_l",
            "pass_threshold": 0.5,
        },
    ],
}
TEMPLATE = [{"role": "user", "content": "Rate: {{item.text}}"}]
ROWS = [{"item": {"text": "good", "answer": "5 stars"}}, {"item": {"text": "bad", "answer": "1"}}]


def test_items_become_examples_and_criteria_become_graders(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    examples, graders = openai_evals.load(DEFINITION, path, TEMPLATE)
    assert [each.messages[0]["content"] for each in examples] == ["Rate: good", "Rate: bad"]
    assert list(graders) == ["same", "near"]
    assert graders["same"]("5 stars", examples[0]) == 1
    assert graders["same"]("5 stars", examples[1]) == 0
    assert 0.5 < graders["near"]("5 big stars", examples[0]) < 1


@pytest.mark.parametrize(
    ("definition", "rows", "words"),
    [
        ({}, ROWS, "testing_criteria"),
        ({"testing_criteria": [{"type": "nonsense"}]}, ROWS, "no grader of type 'nonsense'"),
        (DEFINITION, [{"text": "good"}], "Row 1 has no `item`"),
        (DEFINITION, [{"item": {"answer": "1"}}], "Row 1 does not fit"),
    ],
)
def test_what_does_not_fit_is_named(definition: dict, rows: list, words: str) -> None:
    with pytest.raises(EvaluationError, match=words):
        openai_evals.load(definition, rows, TEMPLATE)
