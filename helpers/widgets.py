"""Things to play with: a cost explorer made of sliders, number boxes, a text and a figure.

Knows ipywidgets (7.7 and 8), and that a cell may be run again: what was set stays set as long as
the kernel lives. It stores no state in the notebook, but a still picture for where nothing runs.
Calculates nothing itself.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets

from helpers import cost_charts
from workbook import figures
from workbook.prices import costs, registry
from workbook.prices.model import Model


@dataclass
class _Settings:
    """What a student has set: the label of the model, and the number of each dial."""

    model: str
    values: dict[str, float]


_settings: dict[str, _Settings] = {}  # by the explorer's key; they last as long as the kernel


@dataclass(frozen=True)
class _Dial:
    """One quantity: a slider on a log (or even) scale and a number box, with its unit."""

    text: str
    low: float
    high: float
    start: float
    log: bool = True
    whole: bool = True


_DIALS = {
    "examples": _Dial("Training examples", 10, 100_000, 300),
    "tokens": _Dial("Tokens an example", 5, 10_000, 55),
    "epochs": _Dial("Epochs", 1, 25, 3, log=False),
    "long": _Dial("Long prompt, tokens", 10, 20_000, 1_300),
    "short": _Dial("Prompt once tuned, tokens", 5, 20_000, 30),
    "answer": _Dial("Answer, tokens", 1, 2_000, 20),
    "requests": _Dial("Requests a month", 10, 100_000_000, 10_000),
    "hosting": _Dial("Hosting, USD an hour", 0, 5, 0, log=False, whole=False),
}


def cost_explorer(
    choices: list[Model] | None = None,
    first: Model | None = None,
    start: dict[str, float] | None = None,
    key: str = "costs",
) -> "CostExplorer":
    """Sliders for a job and its use; below them the sums and the curves they lead to.

    The last known price of each model is used, also of those that are gone. Put it last in a cell
    to show it. Run the cell again, and what you set is still there.

    choices: the models to pick from, by default all of OpenAI's, and who else sells by the token
    first: the one shown at first
    start: first numbers of examples, tokens, epochs, long, short, answer, requests, hosting
    key: under which the settings are remembered
    """
    choices = choices or [*registry.hosted(), *registry.sold_by_the_token(registry.today())]
    return CostExplorer(choices, first, start or {}, key)


class CostExplorer:
    """The explorer behind `cost_explorer`: `values`, `text` and `figure_alt` can be read."""

    def __init__(
        self, choices: list[Model], first: Model | None, start: dict[str, float], key: str
    ) -> None:
        self._models = {model.label: model for model in choices}
        label = first.label if first else next(iter(self._models))
        self._settings = _settings.setdefault(key, _Settings(label, {}))
        if self._settings.model not in self._models:
            self._settings.model = label
        self.values = self._settings.values
        self.model = ipywidgets.Dropdown(
            options=list(self._models),
            value=self._settings.model,
            description="Model",
            style=_WIDE,
        )
        self.model.observe(self._on_model, names="value")
        self.boxes: dict[str, ipywidgets.Widget] = {}
        self.sliders: dict[str, ipywidgets.Widget] = {}
        rows = [self.model]
        for name, dial in _DIALS.items():
            number = min(dial.high, max(dial.low, start.get(name, dial.start)))
            self.values.setdefault(name, number)
            rows.append(self._row(name, dial))
        self._text = ipywidgets.HTML()
        self._figure = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([*rows, self._text, self._figure])
        self.figure_alt = ""
        self._show()

    @property
    def text(self) -> str:
        """The sums shown, as HTML."""
        return self._text.value

    @property
    def figure(self) -> str:
        """The curves shown, as HTML."""
        return self._figure.value

    @property
    def still(self) -> str:
        """The sums and curves as HTML that needs no kernel: what GitHub and nbconvert show."""
        # The class: dollar signs would be read as formulas.
        return f'<div class="tex2jax_ignore mathjax_ignore">{self.text}{self.figure}</div>'

    def _ipython_display_(self) -> None:
        from IPython.display import display

        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        bundle = {"application/vnd.jupyter.widget-view+json": view, "text/plain": self.figure_alt}
        if "google.colab" not in sys.modules:  # always live there; one form is enough
            bundle["text/html"] = self.still
        display(bundle, raw=True)

    def _row(self, name: str, dial: _Dial) -> ipywidgets.Widget:
        """A number box that carries the name and unit, and a slider that follows it and leads."""
        slider, to_slider, from_slider = _slider(dial, self.values[name])
        kind = ipywidgets.BoundedIntText if dial.whole else ipywidgets.BoundedFloatText
        box = kind(
            value=self.values[name],
            min=dial.low,
            max=dial.high,
            step=1 if dial.whole else 0.1,
            description=dial.text,
            style=_WIDE,
            layout=ipywidgets.Layout(width="330px"),
        )
        is_moving = False  # a slider's rounded place must not overwrite the exact number typed

        def on_box(change: dict[str, Any]) -> None:
            nonlocal is_moving
            if not is_moving:
                is_moving = True
                slider.value = to_slider(change["new"])
                is_moving = False
            self.values[name] = change["new"]
            self._show()

        def on_slider(change: dict[str, Any]) -> None:
            nonlocal is_moving
            if not is_moving:
                is_moving = True
                box.value = from_slider(change["new"])
                is_moving = False

        box.observe(on_box, names="value")
        slider.observe(on_slider, names="value")
        self.boxes[name], self.sliders[name] = box, slider
        return ipywidgets.HBox([box, slider], layout=ipywidgets.Layout(flex_flow="row wrap"))

    def _on_model(self, change: dict[str, Any]) -> None:
        self._settings.model = change["new"]
        self._show()

    def _show(self) -> None:
        """Work out the sums for what is set now, and redraw."""
        model, v = self._models[self._settings.model], self.values
        bill = _bill(model, v)
        self._text.value = _sums(model, v, bill)
        ways = {
            "long prompt": lambda r: costs.monthly_cost(bill.prompt, r),
            "tuned model": lambda r: costs.monthly_cost(bill.tuned, r, v["hosting"]),
        }
        marks = [(v["requests"], "your volume")]
        if v["hosting"]:
            marks.append((bill.break_even.requests_per_month, "hosting is paid from here"))
        figure = cost_charts.monthly_curves(ways, marks, (10, 1e8), f"{model.label}, USD a month")
        self.figure_alt = (
            f"Bill of the month against requests a month for {model.label}: at "
            f"{v['requests']:,} requests, {costs.usd(ways['long prompt'](v['requests']))} with the "
            f"long prompt and {costs.usd(ways['tuned model'](v['requests']))} with the tuned model."
        )
        self._figure.value = figures.as_html(figure, self.figure_alt)


_WIDE = {"description_width": "190px"}


def _slider(
    dial: _Dial, value: float
) -> tuple[ipywidgets.Widget, Callable[[float], float], Callable[[float], float]]:
    """The slider of a dial, with the ways from the number to its place and back."""
    wide = ipywidgets.Layout(width="260px")
    if not dial.log:
        kind = ipywidgets.IntSlider if dial.whole else ipywidgets.FloatSlider
        slider = kind(
            value=value,
            min=dial.low,
            max=dial.high,
            step=1 if dial.whole else 0.1,
            readout=False,
            continuous_update=False,
            layout=wide,
        )
        return slider, lambda number: number, lambda place: place
    slider = ipywidgets.FloatLogSlider(
        value=value,
        base=10,
        min=math.log10(dial.low),
        max=math.log10(dial.high),
        step=0.02,
        readout=False,
        continuous_update=False,
        layout=wide,
    )

    def whole(place: float) -> int:
        digits = max(0, math.floor(math.log10(place)) - 1)  # two digits: 1,300, not 1,318
        return int(min(dial.high, max(dial.low, round(place / 10**digits) * 10**digits)))

    return slider, float, whole


@dataclass(frozen=True)
class _Bill:
    """What the numbers of the dials come to. Money in USD."""

    tokens: float  # billed for training
    training: float
    prompt: float  # one request with the long prompt
    tuned: float  # one request to the tuned model
    break_even: costs.BreakEven


def _bill(model: Model, v: dict[str, float]) -> _Bill:
    tokens = v["tokens"] * v["examples"]
    training = costs.training_cost(int(tokens), int(v["epochs"]), model)
    prompt = costs.request_cost(model, int(v["long"]), int(v["answer"]))
    tuned = costs.request_cost(model.as_tuned(), int(v["short"]), int(v["answer"]))
    break_even = costs.break_even(prompt, tuned, training, v["hosting"])
    return _Bill(tokens * v["epochs"], training, prompt, tuned, break_even)


def _sums(model: Model, v: dict[str, float], bill: _Bill) -> str:
    """The explorer's text: each sum in full, one line each."""
    usd = costs.usd
    hosting = f", of which hosting {usd(bill.break_even.hosting_per_month)}" if v["hosting"] else ""
    lines = [
        f"<b>Training</b>: {v['examples']:,} examples × {v['tokens']:,} tokens × {v['epochs']} "
        f"epochs = {bill.tokens:,} billed tokens × {usd(model.price('training'))} a million = "
        f"<b>{usd(bill.training)}</b>",
        f"<b>One request</b>: {usd(bill.prompt)} with the long prompt, {usd(bill.tuned)} with the "
        "tuned model",
        f"<b>One month</b>: {usd(costs.monthly_cost(bill.prompt, v['requests']))} with the long "
        f"prompt, {usd(costs.monthly_cost(bill.tuned, v['requests'], v['hosting']))} with the "
        f"tuned model{hosting}",
        f"<b>Break-even</b>: {_verdict(bill.break_even, v['requests'])}",
        *(f"<b>Take care</b>: {notice}" for notice in model.notices(registry.today())),
    ]
    return f'<div role="status" style="line-height:1.6">{"<br>".join(lines)}</div>'


def _verdict(break_even: costs.BreakEven, requests: float) -> str:
    months = break_even.months(requests)
    if break_even.saving_per_request <= 0:
        return "never: a request to the tuned model costs more than the long prompt."
    if math.isinf(months):
        volume = f"{break_even.requests_per_month:,.0f}"
        return f"not at this volume: hosting alone needs {volume} requests a month."
    if months * requests < 1:
        return "at once."
    days = months * 365 / 12
    span = f"{months:,.1f} months" if months >= 2 else f"{days:,.1f} days"
    span = span if days >= 1 else "less than a day"
    return f"after {math.ceil(months * requests):,} requests, that is {span}."
