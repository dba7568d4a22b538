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
    bill = estimates.job(MARV, MODEL)
    assert bill == estimates.job(iter(MARV), registry.get(MODEL))
    counts = [tokens.count_chat(row["messages"], MODEL) for row in MARV]
    assert bill.billed == 3 * sum(counts)
    assert bill.usd == pytest.approx(costs.training_cost(sum(counts), 3, MODEL))


def test_low_leaves_the_marks_out_and_high_adds_validation_each_epoch():
    bill = estimates.job(MARV, MODEL, validation=TEST)
    marks = sum(3 + 3 * len(row["messages"]) for row in MARV)
    assert bill.billed_low == bill.billed - 3 * marks
    validation = sum(tokens.count_example(row, MODEL) for row in TEST)
    assert bill.billed_high == bill.billed + 3 * validation
    assert bill.usd_low < bill.usd < bill.usd_high
    alone = estimates.job(MARV, MODEL)
    assert alone.usd == alone.usd_high  # nothing to add
    assert f"at most {costs.usd(bill.usd_high)}" in str(bill)


def test_high_assumes_that_nothing_is_cut_off():
    bill = costs.estimate([50] * 9 + [5000], "gpt-3.5-turbo-0613", 1, date(2023, 9, 1))
    assert (bill.billed, bill.billed_high) == (450 + 4096, 5450)


def test_free_tokens_are_taken_off_once():
    day = date(2024, 9, 1)
    model = registry.get("gpt-4o")
    free = model.free_training_tokens(day)
    bill = costs.estimate([4000] * 100, model, 3, day, free_tokens=free)
    assert (bill.billed, bill.usd) == (1_200_000, pytest.approx(5))
    assert estimates.job(MARV, model, as_of=day, free_tokens=free).usd == 0


def test_pairs_are_counted_too():
    pairs = [{"prompt": "Reseña: buena ->", "completion": " 5 estrellas"}] * 50
    bill = estimates.job(pairs, "davinci-002")
    assert bill.n_epochs == 3 and bill.billed == bill.billed_low
