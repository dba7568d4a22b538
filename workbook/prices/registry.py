"""The registry of models: prices, limits, encodings and dates, read from `data/models.json`.

Every figure there carries its source, the day it was checked and a confidence (A, B or C).
This module knows dates and figures. It counts no tokens and multiplies nothing.
"""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

from workbook import paths
from workbook.errors import WorkbookError

KINDS = ("training", "input", "cached_input", "output")
_PER_MILLION = {"1M tokens": 1, "1K tokens": 1000}
_WARN_DAYS = 90


class UnknownModel(WorkbookError):
    """The registry has no model of that name."""


class NoPrice(WorkbookError):
    """The registry has no such price, or none on that day."""


class ModelGone(WorkbookError):
    """The model can no longer be tuned, or no longer be used."""


@dataclass(frozen=True)
class Price:
    """One price as it was published, with the days it held: `start` <= day < `end`."""

    kinds: tuple[str, ...]
    usd: float
    unit: str  # "1M tokens", "1K tokens" or "hour"
    start: date
    end: date | None
    seen: bool  # True: `start` is the oldest copy we know; the price may be older
    source: str
    url: str
    checked: date
    confidence: str

    @property
    def usd_per_million(self) -> float:
        """USD per 1M tokens. Raises NoPrice when the price is for an hour."""
        if self.unit not in _PER_MILLION:
            raise NoPrice(f"This price is {self.usd:g} dollars per {self.unit}, not per token.")
        return round(self.usd * _PER_MILLION[self.unit], 9)

    def holds(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)


@dataclass(frozen=True)
class Model:
    """One model. `tuned` tells the tuned model (`ft:…`) from its base: their prices differ."""

    id: str
    base_id: str
    label: str
    vendor: str
    kind: str  # "chat" or "completion"
    tuned: bool
    encoding: str | None  # a name for workbook.prices.tokens; None: the vendor publishes none
    context_window: int | None  # tokens; None: not verified
    max_example_tokens: int | None  # a longer training example loses its end; None: not verified
    methods: tuple[str, ...]
    tunable_from: date
    tunable_until: date | None  # the first day without new jobs
    newcomers_until: date | None  # the first day on which only old customers may train
    newcomers_closed: bool
    shutdown: date | None
    hosting: Price | None
    prices: tuple[Price, ...]
    source_documents: tuple[str, ...]
    notes: str
    _row: dict[str, Any]

    @property
    def hosting_per_hour(self) -> float:
        """USD an hour for keeping the tuned model online; 0 where the vendor takes nothing."""
        return self.hosting.usd if self.hosting else 0.0

    @property
    def sources(self) -> list[str]:
        """The titles and addresses of every source behind this model's figures."""
        sources = _registry()["sources"]
        return [f"{sources[key]['title']} ({sources[key]['url']})" for key in _cited(self._row)]

    def as_tuned(self) -> "Model":
        """The same model after tuning: `price("input")` is then the tuned model's."""
        return replace(self, tuned=True)

    def price(self, kind: str, as_of: date | None = None) -> float:
        """USD per 1M tokens. `kind` is "training", "input", "cached_input" or "output".

        `as_of=None` gives the last price known, also of a model that is gone, so that a
        sum over old models never depends on today. A day gives the price of that day.
        Raises NoPrice when there is none, with the days on which there was one.
        """
        return self.price_row(kind, as_of).usd_per_million

    def price_row(self, kind: str, as_of: date | None = None) -> Price:
        """As `price`, with unit, validity and source."""
        if kind not in KINDS:
            raise NoPrice(f"There is no price called {kind!r}. Choose one of: {', '.join(KINDS)}.")
        key = f"tuned_{kind}" if self.tuned and kind != "training" else kind
        rows = sorted((p for p in self.prices if key in p.kinds), key=lambda p: p.start)
        if not rows:
            known = sorted({k for p in self.prices for k in p.kinds})
            raise NoPrice(
                f"The registry has no {key.replace('_', ' ')} price for {self.id}. "
                f"It has: {', '.join(k.replace('_', ' ') for k in known) or 'none at all'}. "
                f"{self.notes}".strip()
            )
        if as_of is None:
            return rows[-1]
        for row in rows:
            if row.holds(as_of):
                return row
        spans = ", ".join(f"{p.start} to {p.end or 'today'}" for p in rows)
        raise NoPrice(f"{self.id} had no {key.replace('_', ' ')} price on {as_of}; known: {spans}.")

    def free_training_tokens(self, as_of: date) -> int:
        """Training tokens given away each day, on that day (0: none)."""
        for row in self._row.get("promotions", []):
            if _day(row["from"]) <= as_of < _day(row["until"]):
                return row["free_training_tokens_per_day"]
        return 0

    def is_tunable(self, as_of: date, existing_customer: bool = False) -> bool:
        """Whether a new job is accepted on that day, by default from a new customer."""
        if as_of < self.tunable_from or (self.tunable_until and as_of >= self.tunable_until):
            return False
        if existing_customer:
            return True
        return not self.newcomers_closed and (
            self.newcomers_until is None or as_of < self.newcomers_until
        )

    def notices(self, as_of: date | None = None) -> list[str]:
        """What a student should know on that day (today by default), as plain sentences.

        Mentions each date within 90 days, or already past, of: training for new customers,
        training for all, and the shutdown of the model.
        """
        day = as_of or date.today()
        events = [
            (self.newcomers_until, "new customers can no longer tune it"),
            (self.tunable_until, "nobody can tune it any more"),
            (self.shutdown, "it is shut down, with the models tuned from it"),
        ]
        said = []
        for when, what in events:
            if when and when <= day:
                said.append(f"{self.label}: since {when} {what}.")
            elif when and when - day <= timedelta(days=_WARN_DAYS):
                said.append(f"{self.label}: from {when}, in {(when - day).days} days, {what}.")
        return said


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


@cache
def _registry() -> dict[str, Any]:
    return json.loads(paths.data("models.json").read_text(encoding="utf-8"))


def _cited(value: Any) -> list[str]:
    """Keys of all sources named below `value`, each once, in order."""
    found: dict[str, None] = {}
    if isinstance(value, dict):
        if "source" in value:
            found[value["source"]] = None
        for item in value.values():
            found.update(dict.fromkeys(_cited(item)))
    elif isinstance(value, list):
        for item in value:
            found.update(dict.fromkeys(_cited(item)))
    return list(found)


def _price(row: dict[str, Any]) -> Price:
    source = _registry()["sources"][row["source"]]
    return Price(
        kinds=tuple(row.get("kinds", ["hosting"])),
        usd=row["usd"] if "usd" in row else row["value"],
        unit=row["unit"],
        start=_day(row["from"]),
        end=_day(row["until"]),
        seen=row.get("seen", False),
        source=source["title"],
        url=source["url"],
        checked=_day(row["checked"]),
        confidence=row["confidence"],
    )


def _value(fact: dict[str, Any] | None) -> Any:
    return fact["value"] if fact else None


def _model(row: dict[str, Any]) -> Model:
    tuning = row["tuning"]
    newcomers = tuning["newcomers_until"]
    return Model(
        id=row["id"],
        base_id=row["id"],
        label=row["label"],
        vendor=row["vendor"],
        kind=row["kind"],
        tuned=False,
        encoding=_value(row["encoding"]),
        context_window=_value(row["context_window"]),
        max_example_tokens=_value(row["max_example_tokens"]),
        methods=tuple(tuning["methods"]),
        tunable_from=_day(tuning["from"]),
        tunable_until=_day(tuning["until"]),
        newcomers_until=None if newcomers == "closed" else _day(newcomers),
        newcomers_closed=newcomers == "closed",
        shutdown=_day(_value(row["shutdown"])),
        hosting=_price(row["hosting"]) if row["hosting"] else None,
        prices=tuple(_price(price) for price in row["prices"]),
        source_documents=tuple(row["source_documents"]),
        notes=row.get("note", ""),
        _row=row,
    )


@cache
def _by_name() -> dict[str, Model]:
    table = {}
    for row in _registry()["models"]:
        for name in [row["id"], *row["aliases"]]:
            table[name] = _model(row)
    return table


def base_of(model_id: str) -> tuple[str, bool]:
    """The base model's name inside a tuned model's name, and whether it was a tuned one.

    Knows `ft:BASE:org:suffix:id` (OpenAI and the lab, also with `:ckpt-step-N`),
    `BASE:ft-org-date` (OpenAI before 2023) and `BASE.ft-hex` (Azure).
    """
    name = model_id.strip()
    if name.startswith("ft:"):
        return name.split(":")[1], True
    legacy = re.fullmatch(r"([\w-]+):ft-.+", name)
    azure = re.fullmatch(r"(.+)\.ft-[0-9a-f]+(?:[-:].*)?", name)
    if legacy:
        return legacy[1], True
    if azure:
        return "azure/" + azure[1].removeprefix("azure/"), True
    return name, False


def get(model_id: str, as_of: date | None = None) -> Model:
    """The model of that id, alias or tuned name (`ft:…` gives the tuned model's prices).

    With `as_of`, a model that was shut down by that day raises ModelGone, with what is left.
    Raises UnknownModel, with the nearest names.
    """
    base, tuned = base_of(model_id)
    table = _by_name()
    if base not in table:
        near = difflib.get_close_matches(base, table, n=3, cutoff=0.5)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UnknownModel(
            f"No model {model_id!r} in data/models.json.{hint} models.names() lists all."
        )
    model = table[base]
    if tuned:
        model = replace(model, id=model_id, tuned=True)
    if as_of and model.shutdown and as_of >= model.shutdown:
        raise ModelGone(f"{model.label} was shut down on {model.shutdown}. {_alternatives(as_of)}")
    return model


def _alternatives(day: date) -> str:
    open_to_all = ", ".join(m.label for m in tunable(day))
    return f"What a newcomer can tune on {day}: {open_to_all}."


def choose(model_id: str, as_of: date | None = None, existing_customer: bool = False) -> Model:
    """The model, if it can be tuned on that day (today by default).

    Prints a warning for what ends within 90 days. Raises ModelGone, with the alternatives,
    when no job would be accepted.
    """
    day = as_of or date.today()
    model = get(model_id, as_of=day)
    if not model.is_tunable(day, existing_customer):
        why = " ".join(model.notices(day)) or f"{model.label}: existing customers only."
        if day < model.tunable_from:
            why = f"{model.label}: first known to be tunable on {model.tunable_from}."
        raise ModelGone(f"{why} {_alternatives(day)}")
    for notice in model.notices(day):
        print(f"Take care. {notice}")
    return model


def _rows() -> Iterable[Model]:
    return (_by_name()[row["id"]] for row in _registry()["models"])


def names() -> list[str]:
    """Every id of the registry, oldest family first, the lab last."""
    return [model.id for model in _rows()]


def all_models() -> list[Model]:
    """Every model of the registry, in the order of `names()`."""
    return list(_rows())


def legacy() -> list[Model]:
    """The models of OpenAI's first fine-tuning service: ada, babbage, curie, davinci."""
    return [m for m in _rows() if "000" in m.source_documents]


def from_source_documents(document: str | None = None) -> list[Model]:
    """Every model that the course's source documents name, or that one of them does ("003")."""
    return [
        m for m in _rows() if (document in m.source_documents if document else m.source_documents)
    ]


def hosted() -> list[Model]:
    """Every model of OpenAI's own that trains at a price per token, oldest first."""
    return [m for m in _rows() if m.vendor == "OpenAI" and m.price_row("training").unit != "hour"]


def tunable(as_of: date | None = None, existing_customer: bool = False) -> list[Model]:
    """The models for which a new job is accepted on that day (today by default)."""
    day = as_of or date.today()
    return [m for m in _rows() if m.is_tunable(day, existing_customer)]


def lab() -> Model:
    """The model that the course's lab tunes."""
    return next(m for m in _rows() if m.vendor == "the lab")


def wind_down() -> list[tuple[date, str]]:
    """The dates on which OpenAI closed, or will close, fine-tuning, oldest first.

    A date that no primary source of today confirms says so in its sentence.
    """
    return [
        (_day(row["date"]), row["text"] + ("" if row["confidence"] == "A" else " (reported)"))
        for row in _registry()["notices"]
    ]


def encoding_by_prefix(model_id: str) -> str | None:
    """The encoding of a model that has no row of its own, by the start of its name."""
    for prefix, encoding in _registry()["encodings_by_prefix"]["prefixes"]:
        if model_id.startswith(prefix):
            return encoding
    return None
