"""Notebook 03 is right on any day: its code runs here as on 2025-06-01, today and 2027-02-01."""

import contextlib
import inspect
import io
import re
from datetime import date
from typing import Any

import nbformat
import pytest

from helpers import claims, exercises, price_claims, widgets
from tests.solutions import nb03
from tools import notebooks
from workbook import figures
from workbook.lab.model import weights
from workbook.prices import costs, registry

# Cells that need the lab, or write to the student's journal; notebook tests run them.
ELSEWHERE = ("Budget", "journal")
[NOTEBOOK] = notebooks.select(["03"])


def run(day: date, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], str]:
    """(the names that the notebook's code leaves, all that it prints) on a day."""
    monkeypatch.setenv("WORKBOOK_TODAY", str(day))
    monkeypatch.setattr(figures, "show", lambda fig, alt: print(alt))
    monkeypatch.setattr(figures, "png", lambda fig: b"")
    monkeypatch.setattr(widgets, "_settings", {})
    names: dict[str, Any] = {}
    out = io.StringIO()
    code = [c.source for c in nbformat.read(NOTEBOOK, 4).cells if c.cell_type == "code"][2:]
    with contextlib.redirect_stdout(out):
        for source in code:
            if not any(word in source for word in ELSEWHERE):
                exec(compile(source, source.splitlines()[0], "exec"), names)
    return names, out.getvalue()


@pytest.fixture(scope="module", params=["2025-06-01", "today", "2027-02-01"])
def ran(request: pytest.FixtureRequest) -> Any:
    day = registry.checked() if request.param == "today" else date.fromisoformat(request.param)
    weights.ensure()  # the lab's vocabulary comes with them
    with pytest.MonkeyPatch.context() as patch:
        yield (day, *run(day, patch))


def test_no_model_is_priced_after_its_end(ran) -> None:
    day, names, out = ran
    for model in (*names["open_models"], names["cheapest"], names["rival"]):
        assert model.end is None or day < model.end, model.id
    for model in names["open_models"]:
        assert model.is_tunable(day, existing_customer=True), model.id
    assert f"What a newcomer can tune: {', '.join(m.label for m in registry.tunable(day))}" in out


def test_its_sentences_follow_the_day(ran) -> None:
    day, names, out = ran
    cheapest, rival, use = names["cheapest"].label, names["rival"].label, names["use"]
    paid_back = use.paid_back(day)
    expected = {
        2025: ("gpt-4.1-nano", "gpt-4.1-nano", "less", "long prompt, cached", "an earlier day"),
        2026: ("gpt-4o-mini", "gpt-6-luna", "more", "long prompt to gpt-6-luna, cached", "0 days"),
        2027: (
            "Qwen3 8B on Tinker",
            "gpt-6-luna",
            "less",
            "long prompt to gpt-6-luna, cached",
            "gpt-4o-mini: since 2027-01-14 it is shut down",
        ),
    }[day.year]
    word = "less" if f"costs less than {rival}" in out else "more"
    assert (cheapest, rival, word, use.prompt) == expected[:4]
    assert expected[4] in out
    assert (paid_back is None) == (word == "more")
    assert ("never paid back." in out) == (paid_back is None)


def test_hosting_and_tokens_are_of_one_day_and_one_host(ran) -> None:
    day, names, _ = ran
    assert names["azure_day"] == max(day, date(2026, 3, 1))  # no earlier price of hosting is known
    for model in names["azure"]:
        plain, tuned = (m.price("input", names["azure_day"]) for m in (model, model.as_tuned()))
        assert plain == tuned
    # 1,241 dollars a month, earned by what a request saves
    saving = (1347 - 28) * 2.5 / 1e6
    volume = costs.break_even(1347 * 2.5e-6 + 17e-5, 28 * 2.5e-6 + 17e-5, 0, 1.70)
    assert volume.requests_per_month == pytest.approx(1241 / saving) == pytest.approx(376_346, 1e-5)


def test_the_answers_of_its_exercises_are_right_on_that_day(ran, capsys) -> None:
    _, names, _ = ran
    azure = names["azure_4o"]
    prompt = costs.monthly_cost(costs.request_cost(azure, 2000, 50), 200_000)
    request = costs.request_cost(azure.as_tuned(), 100, 50)
    tuned = costs.monthly_cost(request, 200_000, azure.hosting_per_hour)
    assert (prompt, tuned) == pytest.approx((1100, 1391))
    for number, answers in nb03.SOLUTIONS.items():
        for answer in answers:
            is_factory = callable(answer) and not inspect.signature(answer).parameters
            exercises.check(number, answer() if is_factory else answer)
            assert "Right" in capsys.readouterr().out


def test_the_verdicts_on_its_claims_follow_the_day(ran) -> None:
    day, _, out = ran
    shown = dict(re.findall(r"^(\d+)\. .*\n   ([a-z ]+): ", out, re.MULTILINE))
    conditions = "holds" if day.year != 2026 else "holds with conditions"
    assert shown == {
        **dict.fromkeys(("1", "2", "3", "39"), "was true"),
        "7": conditions,
        "25": "refuted",
        "31": "holds" if day.year == 2025 else "was true",
        "38": "was true" if day.year == 2027 else "holds",
    }


def test_a_price_that_differs_from_the_document_refutes_its_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = registry.checked()
    true = price_claims.evidence(day)
    price = registry.Model.price

    def dearer(self: registry.Model, kind: str, as_of: date | None = None) -> float:
        return price(self, kind, as_of) * (1.5 if kind == "training" else 1)

    monkeypatch.setattr(registry.Model, "price", dearer)
    broken = price_claims.evidence(day)
    for number in (2, 3, 38):
        claim = claims.load()[number]
        assert claim.verdict(true[number]) != "refuted"
        assert claim.verdict(broken[number]) == "refuted"
