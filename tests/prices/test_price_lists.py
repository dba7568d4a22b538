"""Our prices of use against those that others keep (genai-prices)."""

import json
import sys
from datetime import date

import pytest

from workbook import cli, paths
from workbook.cli import exits
from workbook.prices import price_lists, registry
from workbook.prices.model import Price

TODAY = date.today()


class Lists:
    """A list of prices as genai-prices gives it, with one price for every model."""

    providers = ()

    def __init__(self, **prices: float) -> None:
        self._prices = type("Prices", (), prices)()

    def find_provider_model(self, name: str, *_: object) -> tuple:
        if name.startswith("ft:"):
            raise LookupError(name)
        return None, self

    def get_prices(self, _: object) -> object:
        return self._prices


def test_a_price_that_differs_is_listed_and_proposed_and_nothing_else():
    luna = registry.get("gpt-6-luna")
    same = Lists(input_mtok=0.1, cache_read_mtok=0.01, output_mtok=0.5)
    assert price_lists.differences([luna], TODAY, same) == []
    found = price_lists.differences([luna], TODAY, Lists(input_mtok=0.2, output_mtok=0.5))
    assert [(each.kind, each.ours, each.theirs) for each in found] == [
        ("input", 0.1, 0.2),
        ("cached_input", 0.01, None),
    ]
    assert [each.is_contradiction for each in found] == [True, False]
    rows = price_lists.proposal(found, TODAY)["prices"]["gpt-6-luna"]
    assert [(row["kinds"], row["usd"], row["from"]) for row in rows] == [
        (["input"], 0.2, str(TODAY))
    ]


def test_a_model_that_has_ended_is_not_compared():
    davinci = registry.get("davinci")
    assert price_lists.differences([davinci], TODAY, Lists(input_mtok=1)) == []


@pytest.mark.parametrize("online", [True, False])
def test_the_command_writes_a_proposal_and_no_data(home, monkeypatch, capsys, online):
    lists = Lists(input_mtok=9.0)
    offline = price_lists.WorkbookError("ConnectError: no network")

    def newest() -> Lists:
        if not online:
            raise offline
        return lists

    monkeypatch.setattr(price_lists, "newest", newest)
    monkeypatch.setattr(price_lists, "snapshot", lambda: lists)
    before = paths.data("models.json").read_bytes()
    for number in (1, 2):
        assert cli.main(["prices", "gpt-6-luna", "--update"]) == exits.DONE
        out = capsys.readouterr().out
        assert "gpt-6-luna: input 0.1 here, 9 in genai-prices" in out
        assert ("could not be fetched" in out) is not online
        assert len(list(home.glob("price-proposal-*.json"))) == number  # the first one is kept
    proposal = json.loads(next(home.glob("price-proposal-*.json")).read_text(encoding="utf-8"))
    assert proposal["prices"]["gpt-6-luna"][0]["usd"] == 9
    assert paths.data("models.json").read_bytes() == before


def test_without_the_package_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    assert cli.main(["prices", "--update"]) == exits.ERROR
    assert "pip install genai-prices" in capsys.readouterr().err


@pytest.mark.full
def test_no_price_of_use_contradicts_the_list_that_others_keep(package):
    """Lists what differs: mend data/models.json (end the old row, add a new one) or say why."""
    package("genai_prices")
    found = price_lists.differences(registry.all_models(), TODAY)
    assert [str(each) for each in found if each.is_contradiction] == []
    # What the list lacks: cached prices of tuned models. Whatever else it lacks is news.
    missing = {each.kind for each in found if each.theirs is None}
    assert missing <= {"tuned_cached_input"}


@pytest.mark.full
def test_the_comparison_finds_a_wrong_price(package):
    package("genai_prices")
    luna = registry.get("gpt-6-luna")
    wrong = [
        Price(p.kinds, 7.0, p.unit, p.start, p.end, p.seen, p.source, p.url, p.checked, "A")
        if "output" in p.kinds
        else p
        for p in luna.prices
    ]
    changed = type(luna)(**{**vars(luna), "prices": tuple(wrong)})
    found = price_lists.differences([changed], TODAY)
    assert [(each.kind, each.ours, each.theirs) for each in found] == [("output", 7.0, 0.5)]
