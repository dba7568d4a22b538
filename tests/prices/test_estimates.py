"""From rows and a model to a bill: low, expected, high."""

import json
from datetime import date
from pathlib import Path

import pytest

from workbook import doctor, paths
from workbook.doctor import fast_pass
from workbook.lab.model import weights
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.training.training_file import conversations
from workbook.prices import costs, estimates, registry, sizes, tokens
from workbook.prices.model import NoPriceError

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


FUNCTIONS = [
    {
        "type": "function",
        "function": {
            "name": f"find_order_{number}",
            "description": "Find an order of a customer by its number, its day or the product.",
            "parameters": {
                "type": "object",
                "properties": {
                    "number": {"type": "string", "description": "The number, with its letters."},
                    "state": {"type": "string", "enum": ["open", "sent", "returned", "lost"]},
                    "limit": {"type": "integer", "description": "How many orders to give."},
                },
                "required": ["number"],
            },
        },
    }
    for number in range(8)
]


def with_functions(number: int) -> list[dict]:
    """Marv's rows, each with functions that could be called, and every fourth with a call."""
    rows = [{**row, "tools": FUNCTIONS[:number]} for row in MARV[:20]]
    call = {"id": "c1", "type": "function"}
    call["function"] = {"name": "find_order_1", "arguments": '{"number": "A-17", "limit": 3}'}
    for row in rows[::4]:
        row["messages"] = [*row["messages"][:-1], {"role": "assistant", "tool_calls": [call]}]
    return rows


def preferences(number: int = 20) -> list[dict]:
    """Rows for DPO: Marv's answer, and a plain one."""
    return [
        {
            "input": {"messages": row["messages"][:-1]},
            "preferred_output": [row["messages"][-1]],
            "non_preferred_output": [{"role": "assistant", "content": "I don't know."}],
        }
        for row in MARV[:number]
    ]


def test_functions_are_on_the_bill():
    bare, eight = (estimates.job(with_functions(number), MODEL, 1) for number in (0, 8))
    text = tokens.count(json.dumps(FUNCTIONS), MODEL)
    assert 20 * text * 0.4 < eight.billed - bare.billed < 20 * text
    assert eight.billed_high - bare.billed_high >= 20 * text * 0.99
    assert eight.usd_high > eight.usd > 2 * bare.usd


ROWS = {
    "chats": MARV,
    "functions": with_functions(8),
    "preferences": preferences(),
    "pairs": [{"prompt": "Reseña: buena ->", "completion": " 5 estrellas"}] * 30,
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("model", ["gpt-4.1-mini", "davinci-002", "gemini-3.1-flash-lite"])
def test_the_doctor_and_an_estimate_agree_on_every_method(kind, model, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS[kind]), encoding="utf-8")
    bill = estimates.job(ROWS[kind], model, validation=ROWS[kind][:5])
    assert bill.usd > 0
    result = doctor.check(file, model)
    assert result.cost(validation=doctor.check(ROWS[kind][:5], model)) == bill
    alone = estimates.job(ROWS[kind], model)
    assert result.cost() == fast_pass.scan(file, model).cost(model) == alone


def test_a_model_that_is_trained_by_the_hour_says_so():
    with pytest.raises(NoPriceError, match=r"\$100\.00 an hour.*no file can tell"):
        estimates.job(MARV, "o4-mini")


def test_a_dead_models_bill_comes_with_a_word():
    words = estimates.job(MARV, "gpt-3.5-turbo").notices(date(2026, 11, 26))
    assert any("since 2026-10-23 nobody can tune it" in word for word in words)
    assert estimates.job(MARV, registry.lab().id).notices() == []
    about = estimates.job(MARV, "gemini-3.5-flash").notices(date(2026, 11, 26))
    assert any("no public vocabulary" in word for word in about)


@pytest.fixture(scope="module")
def lab_tokenizer() -> Tokenizer:
    return Tokenizer(weights.ensure())


@pytest.mark.parametrize("kind", ROWS)
def test_the_estimate_of_the_labs_jobs_holds_the_labs_own_count(kind, lab_tokenizer):
    """`trained_tokens` of the lab is epochs × what its tokenizer makes of each row."""
    own = [
        sum(len(lab_tokenizer.row_example(chat)[0]) for chat in conversations(row))
        for row in ROWS[kind]
    ]
    bill = estimates.job(ROWS[kind], registry.lab().id, 1)
    assert bill.billed_low <= sum(own) <= bill.billed_high
    assert bill.billed == pytest.approx(sum(own), rel=0.01)
    count = sizes.for_model(registry.lab().id).row
    for row, number in zip(ROWS[kind], own, strict=True):
        size = count(row)
        assert size.at_least <= number <= size.at_most
        assert abs(size.expected - number) <= 2 + 0.02 * number


def test_rows_for_a_method_that_the_model_is_not_trained_by_get_a_word(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in preferences()), encoding="utf-8")
    for bill in (
        estimates.job(preferences(), "gpt-4o-mini"),
        doctor.check(file, "gpt-4o-mini").cost(),
    ):
        assert any("not known to be trained by dpo" in word for word in bill.notices())
    able = estimates.job(preferences(), "gpt-4.1-mini")
    assert not any("not known to be trained by" in word for word in able.notices())
    assert not any("trained by" in w for w in estimates.job(MARV, "gpt-4o-mini").notices())
