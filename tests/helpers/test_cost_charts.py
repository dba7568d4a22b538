"""Figures of costs: labelled axes, a bar for the days of a price, gaps where there was none."""

from datetime import date

import pytest

from helpers import cost_charts
from workbook import figures
from workbook.errors import WorkbookError
from workbook.prices import costs, registry

TODAY = date(2026, 11, 21)


def all_figures():
    yield cost_charts.price_history(registry.hosted(), 100_000, 3, TODAY)
    yield cost_charts.monthly_curves({"prompt": lambda r: r / 1e3}, [(1e4, "here")])


@pytest.mark.parametrize("fig", list(all_figures()), ids=range(2))
def test_axes_are_labelled_and_the_figure_can_be_drawn(fig):
    axes = fig.axes[0]
    assert axes.get_xlabel() and axes.get_ylabel()
    assert figures.png(fig, dpi=40).startswith(b"\x89PNG")


def test_a_bar_covers_the_days_on_which_the_job_could_be_bought():
    def job(model, day):
        if not model.is_tunable(day):
            raise WorkbookError("not then")
        return costs.training_cost(1000, 1, model, day)

    model = registry.get("babbage-002")
    [bar] = cost_charts._bars(model, job, date(2022, 7, 1), date(2027, 3, 1))
    assert (bar.first, bar.last) == (date(2023, 8, 22), date(2024, 10, 28))
    assert bar.usd == pytest.approx(0.0004)


def test_a_price_cut_begins_another_bar():
    def use(model, day):
        return costs.request_cost(model.as_tuned(), 1000, 0, as_of=day)

    model = registry.get("gpt-3.5-turbo-0613")
    bars = cost_charts._bars(model, use, date(2022, 7, 1), TODAY)
    assert [(bar.first, round(bar.usd, 6)) for bar in bars] == [
        (date(2023, 8, 22), 0.012),
        (date(2023, 11, 6), 0.003),
    ]
