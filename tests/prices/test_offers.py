"""The same project at every host: what is known is priced, what is not says so."""

from datetime import date

import pytest

from workbook.prices import costs, offers, registry

ROW = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]}
DAY = date(2026, 11, 1)


def test_every_offer_can_be_trained_on_that_day_and_the_cheapest_stands_first() -> None:
    found = offers.offers([ROW] * 20, 300, 60, 4, n_epochs=3, as_of=DAY)
    assert len(found) > 5 and all(each.model.is_tunable(DAY, True) for each in found)
    known = [each.training for each in found if each.training is not None]
    assert known == sorted(known) and found[0].training == known[0]
    assert registry.lab() not in [each.model for each in found]


def test_a_thousand_requests_are_a_thousand_times_one() -> None:
    for each in offers.offers([ROW] * 20, 300, 60, 4, as_of=DAY):
        if each.by_prompt is not None and each.tuned is not None:
            one = costs.request_cost(each.model, 300, 4)
            assert each.by_prompt == pytest.approx(1000 * one)
            assert each.tuned == pytest.approx(
                1000 * costs.request_cost(each.model.as_tuned(), 60, 4)
            )


def test_what_is_not_known_is_not_taken_for_nothing() -> None:
    rows = [each.as_row() for each in offers.offers([ROW] * 20, 300, 60, 4, as_of=DAY)]
    unknown = [row for row in rows if row["training"] == "not known"]
    assert unknown and all(row["training"] != "nothing" for row in rows)
    hourly = [row for row in rows if "Azure" in row["where"]]
    assert hourly and all(row["hosting a month"].startswith("$") for row in hourly)


def test_of_each_vendor_the_cheapest_is_taken() -> None:
    every = offers.offers([ROW] * 20, 300, 60, 4, as_of=DAY)
    few = offers.one_of_each_vendor(every)
    vendors = [each.model.vendor for each in few]
    assert len(set(vendors)) == len(vendors) == len({each.model.vendor for each in every})
    assert few[0] is every[0]
