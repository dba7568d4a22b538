"""The cost explorer on the kernel's side: moving a slider changes number, text and figure."""

import pytest

pytest.importorskip("ipywidgets")

from helpers import widgets
from workbook import figures
from workbook.prices import costs, registry


@pytest.fixture
def explorer(monkeypatch):
    monkeypatch.setattr(figures, "png", lambda fig: b"")  # drawing takes most of the time
    monkeypatch.setattr(widgets, "_settings", {})
    return widgets.cost_explorer(first=registry.get("gpt-4.1-mini"))


def test_it_starts_with_the_sums_of_its_numbers(explorer):
    usd = costs.usd(costs.training_cost(300 * 55, 3, "gpt-4.1-mini"))
    assert f"49,500 billed tokens × $5.00 a million = <b>{usd}</b>" in explorer.text


def test_moving_a_slider_changes_number_text_and_figure(monkeypatch):
    monkeypatch.setattr(widgets, "_settings", {})
    explorer = widgets.cost_explorer(first=registry.get("gpt-4.1-mini"))
    text, figure = explorer.text, explorer.figure
    explorer.sliders["requests"].value = 1_000_000
    assert explorer.boxes["requests"].value == 1_000_000
    assert explorer.values["requests"] == 1_000_000
    assert explorer.text != text and "1,000,000" in explorer.figure_alt
    assert explorer.figure != figure and explorer.figure_alt in explorer.figure


def test_typing_a_number_moves_the_slider_and_keeps_the_exact_number(explorer):
    explorer.boxes["examples"].value = 1234
    assert explorer.values["examples"] == explorer.boxes["examples"].value == 1234
    assert explorer.sliders["examples"].value == pytest.approx(1234, rel=0.05)
    assert "1,234 examples" in explorer.text


def test_every_dial_leads_and_follows(explorer):
    for name, slider in explorer.sliders.items():
        dial, before = widgets._DIALS[name], explorer.text
        slider.value = dial.high
        assert explorer.boxes[name].value == pytest.approx(dial.high), name
        assert explorer.text != before, name


def test_every_dial_shows_its_unit(explorer):
    for box in explorer.boxes.values():
        assert box.description


def test_another_model_changes_the_price(explorer):
    explorer.model.value = "davinci"
    assert "$30.00 a million" in explorer.text


def test_hosting_changes_the_verdict(explorer):
    assert "after" in explorer.text
    explorer.boxes["hosting"].value = 1.7
    assert "not at this volume" in explorer.text and "$1,241.00" in explorer.text


def test_a_dearer_tuned_request_never_pays(explorer):
    explorer.boxes["short"].value = explorer.values["long"]
    assert "never" in explorer.text


def test_running_the_cell_again_keeps_what_was_set(explorer):
    explorer.boxes["requests"].value = 77_000
    explorer.model.value = "gpt-4o"
    again = widgets.cost_explorer(first=registry.get("gpt-4.1-mini"))
    assert again.boxes["requests"].value == 77_000
    assert again.model.value == "gpt-4o" and "77,000" in again.figure_alt
    start = {"requests": 5, "long": 700}
    assert widgets.cost_explorer(start=start).boxes["requests"].value == 77_000
    fresh = widgets.cost_explorer(start=start, key="fresh")
    assert fresh.boxes["requests"].value == 10  # as low as the dial goes
    assert fresh.boxes["long"].value == 700
    other = widgets.cost_explorer(first=registry.get("gpt-4.1-mini"), key="another")
    assert other.boxes["requests"].value == widgets._DIALS["requests"].start


def test_the_figure_has_a_text_for_those_who_cannot_see_it(explorer):
    assert 'alt="Bill of the month' in explorer.figure


def test_every_model_can_be_picked(explorer):
    for label in explorer.model.options:
        explorer.model.value = label
        assert "billed tokens" in explorer.text


def test_it_is_shown_live_and_as_a_still_picture(explorer, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    explorer._ipython_display_()
    [data] = shown
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == explorer.widget.model_id
    assert data["text/html"] == explorer.still and 'alt="Bill of the month' in explorer.still
    assert "<b>Training</b>" in explorer.still and data["text/plain"] == explorer.figure_alt
