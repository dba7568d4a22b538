"""From rows and a model to a bill: low, expected, high."""

import json
from datetime import date
from pathlib import Path

import pytest

from workbook import paths
from workbook.prices import costs, estimates, registry, tokens

MODEL = "gpt-4o-mini"


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


MARV = rows(paths.data("marv_train.jsonl"))
TEST = rows(paths.data("marv_test.jsonl"))


def test_rows_are_counted_and_billed():
    found = estimates.job(MARV, MODEL)
    assert found == estimates.job(iter(MARV), registry.get(MODEL))
    counts = [tokens.count_chat(row["messages"], MODEL) for row in MARV]
    assert found.billed == 3 * sum(counts)
    assert found.usd == pytest.approx(costs.training_cost(sum(counts), 3, MODEL))


def test_low_leaves_the_marks_out_and_high_adds_validation_each_epoch():
    found = estimates.job(MARV, MODEL, validation=TEST)
    marks = sum(3 + 3 * len(row["messages"]) for row in MARV)
    assert found.billed_low == found.billed - 3 * marks
    validation = sum(tokens.count_example(row, MODEL) for row in TEST)
    assert found.billed_high == found.billed + 3 * validation
    assert found.usd_low < found.usd < found.usd_high
    alone = estimates.job(MARV, MODEL)
    assert alone.usd == alone.usd_high  # nothing to add
    assert f"at most {costs.usd(found.usd_high)}" in str(found)


def test_high_assumes_that_nothing_is_cut_off():
    found = costs.estimate([50] * 9 + [5000], "gpt-3.5-turbo-0613", 1, date(2023, 9, 1))
    assert (found.billed, found.billed_high) == (450 + 4096, 5450)


def test_free_tokens_are_taken_off_once():
    day = date(2024, 9, 1)
    model = registry.get("gpt-4o")
    free = model.free_training_tokens(day)
    found = costs.estimate([4000] * 100, model, 3, day, free_tokens=free)
    assert (found.billed, found.usd) == (1_200_000, pytest.approx(5))
    assert estimates.job(MARV, model, as_of=day, free_tokens=free).usd == 0


def test_pairs_are_counted_too():
    pairs = [{"prompt": "Reseña: buena ->", "completion": " 5 estrellas"}] * 50
    found = estimates.job(pairs, "davinci-002")
    assert found.n_epochs == 3 and found.billed == found.billed_low
