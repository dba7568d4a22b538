"""The arithmetic of cost: every figure of the source documents, and the rules behind a bill."""

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.errors import WorkbookError
from workbook.prices import costs, registry
from workbook.prices.model import NoPriceError


def test_the_learning_log_figure_of_two_dollars_forty():
    def job(model, day=None):
        return pytest.approx(costs.training_cost(100_000, 3, model, day))

    assert job("gpt-3.5-turbo-0613", date(2023, 8, 22)) == 2.40
    assert job("gpt-3.5-turbo-0125", date(2024, 3, 24)) == 2.40
    assert job("gpt-4o-mini") == 0.90
    assert job("gpt-4.1") == 7.50


def test_using_a_tuned_model_cost_four_times_its_training():
    for model in registry.legacy():
        use = costs.request_cost(model.as_tuned(), 1000, 0)
        assert use == pytest.approx(4 * costs.training_cost(1000, 1, model))


def test_the_news_article_figures_for_a_million_tokens():
    assert costs.training_cost(1_000_000, 1, "gpt-4o") == 25
    tuned = registry.get("gpt-4o").as_tuned()
    assert costs.request_cost(tuned, 1_000_000, 0) == 3.75
    assert costs.request_cost(tuned, 0, 1_000_000) == 15


def test_the_free_million():
    day = date(2024, 9, 1)
    free = registry.get("gpt-4o").free_training_tokens(day)
    assert costs.training_cost(300_000, 3, "gpt-4o", day, free_tokens=free) == 0
    assert costs.training_cost(400_000, 3, "gpt-4o", day, free_tokens=free) == pytest.approx(5)


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [
        (1, 25),
        (4, 25),
        (5, 20),
        (10, 10),
        (33, 3),
        (34, 3),
        (50, 3),
        (8333, 3),
        (8334, 2),
        (12500, 2),
        (12501, 1),
        (25000, 1),
        (100_000, 1),
    ],
)
def test_the_epoch_rule(examples, epochs):
    assert costs.default_epochs(examples) == epochs


def test_no_examples_no_epochs():
    with pytest.raises(WorkbookError, match="none"):
        costs.default_epochs(0)


@given(st.integers(1, 10**7))
def test_epochs_stay_within_bounds(examples):
    assert 1 <= costs.default_epochs(examples) <= 25


def test_billed_tokens_are_cut_at_the_limit():
    assert costs.billed_tokens([100, 5000], 2) == 10_200
    assert costs.billed_tokens([100, 5000], 2, limit=4096) == 2 * (100 + 4096)
    with pytest.raises(WorkbookError, match="n_epochs is 0"):
        costs.billed_tokens([1], 0)


def test_an_estimate_from_a_file():
    bill = costs.estimate([50] * 9 + [5000], "gpt-3.5-turbo-0613", as_of=date(2023, 9, 1))
    assert (bill.examples, bill.n_epochs, bill.cut) == (10, 10, 1)
    assert bill.billed == 10 * (9 * 50 + 4096)
    assert bill.usd == pytest.approx(bill.billed * 8 / 1e6)
    assert costs.estimate([50] * 10, registry.lab()).usd == 0


def test_cached_and_batched_requests():
    model = registry.get("gpt-4.1")
    plain = costs.request_cost(model, 2000, 10)
    assert plain == pytest.approx((2000 * 2 + 10 * 8) / 1e6)
    assert costs.request_cost(model, 2000, 10, cached_tokens=1900) == pytest.approx(
        (208 * 2 + 1792 * 0.5 + 10 * 8) / 1e6
    )
    assert costs.request_cost(model, 2000, 10, batch=True) == pytest.approx(plain / 2)
    old = registry.get("gpt-3.5-turbo")  # sold no cached input
    assert costs.request_cost(old, 2000, 0, cached_tokens=1900) == costs.request_cost(old, 2000, 0)
    with pytest.raises(WorkbookError, match="only a part"):
        costs.request_cost(model, 10, 0, cached_tokens=11)


@pytest.mark.parametrize(
    ("prompt", "shared", "cached"),
    [
        (300, 280, 0),
        (1023, 1023, 0),
        (1024, 1024, 1024),
        (5000, 1000, 0),
        (1347, 1319, 1280),
        (1151, 1151, 1024),
        (1152, 1152, 1152),
    ],
)
def test_a_cached_price_begins_at_1024_tokens_and_counts_in_steps_of_128(prompt, shared, cached):
    assert costs.cacheable(prompt, shared) == cached
    usd = ((prompt - cached) * 0.15 + cached * 0.075) / 1e6
    assert costs.request_cost("gpt-4o-mini", prompt, 0, shared) == pytest.approx(usd)


@pytest.mark.parametrize("model", registry.hosted(), ids=lambda model: model.id)
def test_nobody_is_sold_training_after_its_last_day(model):
    last = model.tunable_until
    assert costs.training_cost(100_000, 3, model, last - timedelta(days=1)) > 0
    with pytest.raises(NoPriceError, match=f"since {last} nobody can tune it"):
        costs.training_cost(100_000, 3, model, last)


def test_break_even_without_hosting():
    break_even = costs.break_even(0.003, 0.001, training_usd=10)
    assert break_even.requests == pytest.approx(5000)
    assert break_even.requests_per_month == 0
    assert break_even.months(1000) == pytest.approx(5)


def test_break_even_with_hosting():
    break_even = costs.break_even(0.003, 0.001, training_usd=10, hosting_per_hour=1.70)
    assert break_even.hosting_per_month == pytest.approx(1241)
    assert break_even.requests_per_month == pytest.approx(1241 / 0.002)
    assert math.isinf(break_even.months(break_even.requests_per_month))
    months = break_even.months(1_000_000)
    spent_prompt = costs.monthly_cost(0.003, 1_000_000) * months
    spent_tuned = 10 + costs.monthly_cost(0.001, 1_000_000, 1.70) * months
    assert spent_prompt == pytest.approx(spent_tuned)
    assert break_even.hosting_share(1_000_000, 0.001) == pytest.approx(1241 / 2241)


def test_a_dearer_tuned_request_never_pays():
    break_even = costs.break_even(0.001, 0.003, training_usd=1, hosting_per_hour=1)
    assert math.isinf(break_even.requests) and math.isinf(break_even.requests_per_month)
    assert math.isinf(break_even.months(10**9))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (2.4, "$2.40"),
        (1234.5, "$1,234.50"),
        (0, "$0.00"),
        (0.02, "$0.02"),
        (0.0038, "$0.0038"),
        (0.000412, "$0.00041"),
        (0.9, "$0.90"),
        (-3, "-$3.00"),
        (math.inf, "never"),
    ],
)
def test_money_reads_well(amount, text):
    assert costs.usd(amount) == text


@pytest.mark.parametrize("id_", ["davinci", "gpt-4o", "gpt-4o-mini"])
def test_hosting_is_irrelevant_from_a_volume_that_can_be_told(id_):
    """The source document: at medium to high volumes hosting is practically irrelevant."""
    request = costs.request_cost(registry.get(id_).as_tuned(), 30, 20)
    break_even = costs.break_even(1, request, 0, 1.70)
    volume = 9 * break_even.hosting_per_month / request  # hosting is then a tenth of the bill
    assert break_even.hosting_share(volume, request) == pytest.approx(0.1)
    assert (
        break_even.hosting_share(2 * volume, request)
        < 0.1
        < break_even.hosting_share(volume / 2, request)
    )
    expected = {"davinci": 1_861_500, "gpt-4o": 27_076_364, "gpt-4o-mini": 338_454_545}
    assert volume == pytest.approx(expected[id_], abs=1)
