"""The user's own prices: added, overriding, and refused with a place and a reason."""

import json
from datetime import date

import pytest

from workbook import paths
from workbook.prices import costs, estimates, registry
from workbook.prices.own_models import OwnModelsError

ROWS = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "No"}]}]


def write(text: str | dict) -> None:
    text = text if isinstance(text, str) else json.dumps(text)
    (paths.home() / "models.json").write_text(text, encoding="utf-8")


def test_my_host_costs_what_i_say(home):
    write(
        {
            "models": {
                "my-llama": {"input": 0.20, "output": 0.60, "training": 1, "hosting_per_hour": 2}
            }
        }
    )
    model = registry.get("my-llama")
    assert costs.request_cost(model, 1_000_000, 1_000_000) == pytest.approx(0.80)
    assert costs.request_cost("ft:my-llama:me::1", 1_000_000, 0) == pytest.approx(0.20)
    assert model.hosting_per_hour == 2
    bill = estimates.job(ROWS * 10, "my-llama", 1)
    assert bill.usd == pytest.approx(bill.billed / 1e6)
    assert any("no public vocabulary" in notice for notice in bill.notices())
    assert model in registry.all_models() and "my-llama" in registry.names()


def test_a_host_has_prices_for_all_its_models(home):
    write({"hosts": {"llm.example.org": {"input": 0.20, "output": 0.60, "tuned_input": 0.3}}})
    model = registry.at_host("llm.example.org", "anything-8b")
    assert (model.price("output"), model.as_tuned().price("input")) == (0.60, 0.3)
    with pytest.raises(registry.UnknownModelError):
        registry.at_host("elsewhere.example.org", "anything-8b")
    assert registry.at_host("elsewhere.example.org", "gpt-4o").price("input") == 2.5


def test_one_figure_is_overridden_and_the_rest_stays(home):
    before = registry.get("azure/gpt-4o-mini")
    write({"models": {"azure/gpt-4o-mini": {"training": 2.5}}})
    for name in ("azure/gpt-4o-mini", "azure/gpt-4o-mini-2024-07-18"):
        after = registry.get(name)
        assert (after.id, after.price("training")) == (before.id, 2.5)
        assert after.price("output") == before.price("output")
        assert after.tunable_until == before.tunable_until
    assert len(registry.all_models()) == len(registry.names())


def test_a_model_can_be_like_another(home):
    write({"models": {"mine": {"like": "gpt-4o-mini", "training": 1}}})
    mine, like = registry.get("mine"), registry.get("gpt-4o-mini")
    assert (mine.encoding, mine.max_output_tokens) == (like.encoding, like.max_output_tokens)
    assert mine.price("output") == like.price("output") and mine.price("training") == 1
    assert mine.end is None


def test_a_change_of_the_file_is_seen_at_once(home):
    for usd in (1, 2.5):
        write({"models": {"mine": {"input": usd}}} | {"hosts": {"a" * int(usd * 10): {}}})
        assert registry.get("mine").price("input", date(2030, 1, 1)) == usd
    (paths.home() / "models.json").unlink()
    with pytest.raises(registry.UnknownModelError):
        registry.get("mine")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"models": {\n"mine": {"input": }}}', "line 2: not valid JSON"),
        ("[1]", "must be an object"),
        ({"model": {}}, 'there is no "model". Did you mean "models"?'),
        ({"models": {"mine": {"inputs": 1}}}, '"mine": there is no "inputs". Did you mean "input"'),
        ({"models": {"mine": {"input": "0.2"}}}, '"input" is "0.2": a number of dollars'),
        ({"models": {"mine": {"input": -1}}}, "0 or more"),
        ({"models": {"mine": {"input": True}}}, "a number of dollars"),
        ({"models": {"mine": 0.2}}, '"mine" must be an object'),
        ({"models": []}, '"models" must be an object'),
        ({"models": {"mine": {"context_window": 1.5}}}, "a number of tokens"),
        ({"models": {"mine": {"encoding": "o300k"}}}, "choose one of"),
        ({"models": {"mine": {"like": "gpt-4o-mimi"}}}, "Did you mean 'gpt-4o-mini'"),
        ({"models": {"mine": {"label": 5}}}, "a text is wanted"),
        ('{"models": {"a": {"input": NaN}}}', "not valid JSON"),
    ],
)
def test_a_wrong_file_names_its_place_and_what_is_wanted(home, content, words):
    write(content)
    with pytest.raises(OwnModelsError) as caught:
        registry.get("gpt-4o")
    assert words in str(caught.value)
    assert "models.json" in str(caught.value)
