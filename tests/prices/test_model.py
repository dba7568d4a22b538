"""One model: what it costs on which day, for whom it can be tuned, what is said before it ends."""

from datetime import date, timedelta

import pytest

from workbook.prices import registry
from workbook.prices.model import NoPriceError


@pytest.mark.parametrize(
    ("name", "use", "training", "tuned_use"),
    [  # USD per 1K tokens, as the first source document has them
        ("ada", 0.0004, 0.0004, 0.0016),
        ("babbage", 0.0005, 0.0006, 0.0024),
        ("curie", 0.0020, 0.0030, 0.0120),
        ("davinci", 0.0200, 0.0300, 0.1200),
    ],
)
def test_the_first_document_price_tables(name, use, training, tuned_use):
    day = date(2023, 3, 1)
    model = registry.get(name)
    assert model.price("input", day) == model.price("output", day) == pytest.approx(use * 1000)
    assert model.price("training", day) == pytest.approx(training * 1000)
    assert model.as_tuned().price("input", day) == pytest.approx(tuned_use * 1000)
    assert model.as_tuned().price("output", day) == 4 * model.price("training", day)


def test_the_news_article_prices_of_gpt_4o():
    day = date(2024, 10, 1)
    tuned = registry.get("ft:gpt-4o-2024-08-06:school::abc123")
    assert tuned.price("training", day) == 25
    assert (tuned.price("input", day), tuned.price("output", day)) == (3.75, 15)
    assert registry.get("gpt-4o").price("input", day) == 2.5  # the base is cheaper


def test_a_price_changes_with_the_day():
    davinci = registry.get("davinci")
    assert davinci.price("input", date(2022, 8, 31)) == 60
    assert davinci.price("input", date(2022, 9, 1)) == 20
    tuned = registry.get("gpt-3.5-turbo-0613").as_tuned()
    assert [tuned.price("input", date(2023, 11, d)) for d in (5, 6)] == [12, 3]


def test_without_a_day_the_last_price_is_given_for_ever():
    assert registry.get("davinci").price("input") == 20
    with pytest.raises(NoPriceError, match="2022-07-03 to 2022-09-01"):
        registry.get("davinci").price("input", date(2026, 1, 1))


def test_an_hourly_price_is_not_taken_for_a_token_price():
    with pytest.raises(NoPriceError, match="per hour"):
        registry.get("o4-mini").price("training")


def test_azure_sells_tuned_tokens_at_the_base_rate_and_hosting_by_the_hour():
    """OpenAI's raised prices of tuned tokens don't hold there; of training no price is known."""
    for name in ("gpt-4.1", "gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-nano"):
        azure, here = registry.get(f"azure/{name}"), registry.get(name)
        assert azure.hosting_per_hour == 1.70 and here.hosting_per_hour == 0
        for kind in ("input", "cached_input", "output"):
            assert azure.as_tuned().price(kind) == azure.price(kind) == here.price(kind)
        assert azure.as_tuned().price("input") < here.as_tuned().price("input")
        with pytest.raises(NoPriceError, match="not known"):
            azure.price("training")


def test_a_batch_is_not_half_price_for_every_model():
    tuned = registry.get("gpt-4o").as_tuned()
    prices = [tuned.price(f"batch_{kind}") for kind in ("input", "cached_input", "output")]
    assert prices == [2.225, 0.90, 12.50]
    old = registry.get("gpt-3.5-turbo-1106")
    assert old.price("batch_input") == old.price("input")
    with pytest.raises(NoPriceError, match="no tuned batch input price"):
        old.as_tuned().price("batch_input")


def test_models_tuned_from_a_base_can_outlive_it():
    base, tuned = "gpt-3.5-turbo-0613", "ft:gpt-3.5-turbo-0613:school::1"
    day = date(2025, 3, 1)
    with pytest.raises(registry.ModelGoneError, match="was shut down on 2024-09-13"):
        registry.get(base, as_of=day)
    assert registry.get(tuned, as_of=day).price("input", day) == 3
    with pytest.raises(registry.ModelGoneError, match=r"Models tuned from .* 2026-10-23"):
        registry.get(tuned, as_of=date(2026, 10, 23))
    azure = "gpt-4o-2024-08-06.ft-0a1b"
    assert registry.get(azure, as_of=date(2027, 9, 30)).tuned
    with pytest.raises(registry.ModelGoneError):
        registry.get(azure, as_of=date(2027, 10, 1))


def test_the_lab_is_free_on_any_day():
    lab = registry.lab()
    assert lab.price("training", date(2040, 1, 1)) == 0
    assert registry.get(f"ft:{lab.id}:me::1").price("output") == 0


def test_newcomers_and_old_customers_are_told_apart():
    day = date(2026, 11, 21)
    assert not registry.get("gpt-4o").is_tunable(day)
    assert registry.get("gpt-4o").is_tunable(day, existing_customer=True)
    assert not registry.get("azure/gpt-4o").is_tunable(day)
    with pytest.raises(registry.ModelGoneError, match="new customers"):
        registry.choose("gpt-4o", day)
    assert registry.lab() in registry.tunable(day)
    assert registry.tunable(date(2030, 1, 1))[-1] == registry.lab()


def test_the_free_million():
    gpt_4o = registry.get("gpt-4o")
    assert gpt_4o.free_training_tokens(date(2024, 9, 23)) == 1_000_000
    assert gpt_4o.free_training_tokens(date(2024, 10, 31)) == 1_000_000  # extended
    assert gpt_4o.free_training_tokens(date(2024, 11, 1)) == 0
    assert gpt_4o.free_training_tokens(date(2024, 8, 19)) == 0


def test_a_model_about_to_shut_down_warns_ninety_days_ahead():
    model = registry.get("gpt-4o")
    notices = " ".join(model.notices(model.shutdown - timedelta(days=90)))
    assert f"from {model.shutdown}, in 90 days, it is shut down" in notices
    assert str(model.shutdown) not in " ".join(model.notices(model.shutdown - timedelta(days=91)))
