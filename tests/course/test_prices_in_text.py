"""Every price that stands in a text is one of the data, or follows from them."""

import re

import pytest

from helpers import reviews
from tools import notebooks
from workbook import doctor, paths
from workbook.prices import costs, estimates, registry

MINI = "gpt-4o-mini"


def cents(usd: float) -> float:
    return 100 * usd


def test_the_costs_of_the_readmes_map_are_those_of_the_cells_that_ask_for_a_yes():
    """The calls that each notebook confirms, at the prices of the model the README names."""
    rows = re.findall(r"^\| \[(\d\d) .*\| ([^|]+) \|$", notebooks.README.read_text("utf-8"), re.M)
    shown = dict(rows)
    chats = [reviews.to_chat(row) for _, row in reviews.splits()["train"].head(300).iterrows()]
    stars = estimates.job(chats, MINI).usd
    marv = doctor.read(paths.data("marv_train.jsonl"))
    tuned = f"ft:{MINI}:course:reviews:1"

    def asked(n: int, prompt: int, answer: int, model: str = MINI) -> float:
        return n * costs.request_cost(model, prompt, answer)

    expected = {
        "01": asked(700, 200, 20),
        "04": 0.01 + estimates.job(marv, MINI).usd + stars + estimates.job(marv, MINI, 10).usd,
        "05": asked(1600, 200, 24)
        + 2 * stars
        + asked(1300, 60, 4, tuned)
        + asked(80, 30, 60, tuned),
    }
    for number, usd in expected.items():
        told = float(re.search(r"about (\d+) cents", shown[number])[1])
        assert told == pytest.approx(cents(usd), rel=0.15), number
    assert shown["03"] == shown["02"] == "nothing"


def test_the_text_of_a_figure_tells_the_prices_that_it_draws():
    """Notebook 03: the same job over the years, told to those who can't see the bars."""
    text = notebooks.select(["03"])[0].read_text(encoding="utf-8")
    told = re.search(r"Cost of one training job from 2022.*?January 2027", text, re.S)[0]
    said = dict(re.findall(r"([a-z]+(?:-[\w.]+)*) \$(\d+\.\d\d)", told))
    for name, usd in said.items():
        model = registry.get(name)
        assert f"{costs.training_cost(100_000, 3, model):.2f}" == usd, name
    assert {"davinci", "ada", "gpt-3.5-turbo", "gpt-4o-mini", "gpt-4.1-nano"} <= set(said)


def test_the_hosting_of_exercise_03_3_is_azures():
    text = notebooks.select(["03"])[0].read_text(encoding="utf-8")
    [usd] = re.findall(r"Hosting is \W+(\d+\.\d\d) an hour", text)
    assert float(usd) == registry.get("azure/gpt-4o").hosting_per_hour
