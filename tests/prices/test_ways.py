"""A month of use: by a long prompt, at a rival's, or with a tuned model."""

import math
from datetime import date

import pytest

from workbook.prices import costs, registry, ways

DAY = date(2026, 11, 26)


def test_a_month_of_use_each_way():
    month = ways.use("gpt-4o-mini", 2000, 100, 50, 10_000, training_usd=0.5)
    plain = costs.request_cost("gpt-4o-mini", 2000, 50)
    cached = costs.request_cost("gpt-4o-mini", 2000, 50, 1792)
    tuned = costs.request_cost(registry.get("gpt-4o-mini").as_tuned(), 100, 50)
    assert month.ways == pytest.approx(
        {
            "long prompt": 10_000 * plain,
            "long prompt, cached": 10_000 * cached,
            "long prompt, in batches": 5_000 * plain,
            "tuned model": 10_000 * tuned,
            "tuned model, in batches": 5_000 * tuned,
        }
    )
    assert month.cheapest == "tuned model, in batches"
    assert month.prompt == "long prompt, cached"
    days = 0.5 / ((cached - tuned) * 10_000) * 365 / 12
    assert month.paid_back(date(2026, 1, 1)) == date(2026, 1, 1 + math.ceil(days))


def test_hosting_counts_only_for_the_tuned_model():
    free, hosted = (
        ways.use("gpt-4o-mini", 2000, 100, 50, 10_000, 0.5, hosting_per_hour=usd)
        for usd in (None, 1.70)
    )
    assert hosted.ways["tuned model"] - free.ways["tuned model"] == pytest.approx(1241)
    assert hosted.ways["long prompt"] == free.ways["long prompt"]
    assert hosted.paid_back(date(2026, 1, 1)) is None


def test_a_short_prompt_has_no_cached_way():
    assert "long prompt, cached" not in ways.use("gpt-4o-mini", 300, 100, 50, 10_000).ways


def test_a_newer_model_by_prompt_can_be_cheaper_than_the_tuned_one():
    """Notebook 03's own case: 1,347 tokens of prompt against 28, 17 of answer, 10,000 requests."""
    luna = registry.get("gpt-6-luna")
    month = ways.use("gpt-4o-mini", 1347, 28, 17, 10_000, as_of=DAY, rivals=[luna])
    assert costs.usd(month.ways["tuned model"]) == "$0.29"
    assert month.ways["tuned model"] == pytest.approx(0.288)
    assert month.ways["long prompt to gpt-6-luna, cached"] == pytest.approx(0.280)
    assert month.prompt == "long prompt to gpt-6-luna, cached"
    assert month.break_even.saving_per_request < 0  # tuning gpt-4o-mini never pays here
    usd, cheapest = ways.cheapest_by_prompt(registry.usable(DAY, "OpenAI"), 1347, 28, 17, DAY)
    assert (cheapest, usd) == (luna, pytest.approx(0.280 / 10_000))


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2024, 9, 1), "gpt-4o-mini"),
        (date(2025, 6, 1), "gpt-4.1-nano"),
        (DAY, "gpt-6-luna"),
        (date(2027, 2, 1), "gpt-6-luna"),
    ],
)
def test_the_cheapest_by_prompt_is_one_of_its_day(day, name):
    models = registry.usable(day, "OpenAI")
    assert ways.cheapest_by_prompt(models, 1347, 28, 17, day)[1].label == name
