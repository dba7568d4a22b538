"""The registry of models: prices, limits, encodings and dates, read from `data/models.json`.

Every figure there carries its source, the day it was checked and a confidence (A, B or C). Finds
models by name and by what can be done with them. Counts no tokens and multiplies nothing.
"""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

from workbook import paths
from workbook.errors import WorkbookError
from workbook.prices.model import Model, Price, Promotion


class UnknownModelError(WorkbookError):
    """The registry has no model of that name."""


class ModelGoneError(WorkbookError):
    """The model can no longer be tuned, or no longer be used."""


# Reading


@cache
def _registry() -> dict[str, Any]:
    return json.loads(paths.data("models.json").read_text(encoding="utf-8"))


@cache
def _by_name() -> dict[str, Model]:
    models = {}
    for row in _registry()["models"]:
        model = _model(row)
        for name in [model.id, *row["aliases"]]:
            models[name] = model
    return models


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
        tunable_from=date.fromisoformat(tuning["from"]),
        tunable_until=_day(tuning["until"]),
        newcomers_until=None if newcomers == "closed" else _day(newcomers),
        newcomers_closed=newcomers == "closed",
        shutdown=_day(_value(row["shutdown"])),
        hosting=_price(row["hosting"]) if row["hosting"] else None,
        prices=tuple(_price(price) for price in row["prices"]),
        promotions=tuple(_promotion(each) for each in row.get("promotions", [])),
        source_documents=tuple(row["source_documents"]),
        notes=row.get("note", ""),
        sources=tuple(_title_and_address(source) for source in dict.fromkeys(_sources(row))),
    )


def _price(row: dict[str, Any]) -> Price:
    source = _registry()["sources"][row["source"]]
    return Price(
        kinds=tuple(row.get("kinds", ["hosting"])),
        usd=row["usd"] if "usd" in row else row["value"],
        unit=row["unit"],
        start=date.fromisoformat(row["from"]),
        end=_day(row["until"]),
        seen=row.get("seen", False),
        source=source["title"],
        url=source["url"],
        checked=date.fromisoformat(row["checked"]),
        confidence=row["confidence"],
    )


def _promotion(row: dict[str, Any]) -> Promotion:
    return Promotion(
        tokens_per_day=row["free_training_tokens_per_day"],
        start=date.fromisoformat(row["from"]),
        end=date.fromisoformat(row["until"]),
    )


def _sources(value: Any) -> Iterator[str]:
    """Keys of the sources named below `value`, in order; a key may come again."""
    if isinstance(value, dict):
        if "source" in value:
            yield value["source"]
        for item in value.values():
            yield from _sources(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sources(item)


def _title_and_address(source: str) -> str:
    row = _registry()["sources"][source]
    return f"{row['title']} ({row['url']})"


def _value(fact: dict[str, Any] | None) -> Any:
    return fact["value"] if fact else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


# One model


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

    as_of: a model that was shut down by that day raises ModelGoneError, with what is left
    Raises UnknownModelError, with the nearest names.
    """
    base, tuned = base_of(model_id)
    models = _by_name()
    if base not in models:
        near = difflib.get_close_matches(base, models, n=3, cutoff=0.5)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UnknownModelError(
            f"No model {model_id!r} in data/models.json.{hint} registry.names() lists all."
        )
    model = models[base]
    if tuned:
        model = replace(model, id=model_id, tuned=True)
    if as_of and model.shutdown and as_of >= model.shutdown:
        raise ModelGoneError(
            f"{model.label} was shut down on {model.shutdown}. {_alternatives(as_of)}"
        )
    return model


def resolve(model: str | Model) -> Model:
    """The model itself, or the one that `get` gives for its name."""
    return model if isinstance(model, Model) else get(model)


def _alternatives(day: date) -> str:
    open_to_all = ", ".join(m.label for m in tunable(day))
    return f"What a newcomer can tune on {day}: {open_to_all}."


def choose(model_id: str, as_of: date | None = None, existing_customer: bool = False) -> Model:
    """The model, if it can be tuned on that day (today by default).

    Prints a warning for what ends within 90 days. Raises ModelGoneError, with the alternatives,
    when no job would be accepted.
    """
    day = as_of or date.today()
    model = get(model_id, as_of=day)
    if not model.is_tunable(day, existing_customer):
        why = " ".join(model.notices(day)) or f"{model.label}: existing customers only."
        if day < model.tunable_from:
            why = f"{model.label}: first known to be tunable on {model.tunable_from}."
        raise ModelGoneError(f"{why} {_alternatives(day)}")
    for notice in model.notices(day):
        print(f"Take care. {notice}")
    return model


def lab() -> Model:
    """The model that the course's lab tunes."""
    return next(m for m in all_models() if m.vendor == "the lab")


def encoding_by_prefix(model_id: str) -> str | None:
    """The encoding of a model that has no row of its own, by the start of its name."""
    for prefix, encoding in _registry()["encodings_by_prefix"]["prefixes"]:
        if model_id.startswith(prefix):
            return encoding
    return None


# Many models


def all_models() -> list[Model]:
    """Every model of the registry, oldest family first, the lab last."""
    return [_by_name()[row["id"]] for row in _registry()["models"]]


def names() -> list[str]:
    """Every id of the registry, in the order of `all_models()`."""
    return [model.id for model in all_models()]


def legacy() -> list[Model]:
    """The models of OpenAI's first fine-tuning service: ada, babbage, curie, davinci."""
    return from_source_documents("000")


def from_source_documents(document: str | None = None) -> list[Model]:
    """Every model that the course's source documents name, or that one of them does ("003")."""
    return [
        m
        for m in all_models()
        if (document in m.source_documents if document else m.source_documents)
    ]


def hosted() -> list[Model]:
    """Every model of OpenAI's own that trains at a price per token, oldest first."""
    ours = [m for m in all_models() if m.vendor == "OpenAI"]
    return [m for m in ours if m.price_row("training").unit != "hour"]


def tunable(as_of: date | None = None, existing_customer: bool = False) -> list[Model]:
    """The models for which a new job is accepted on that day (today by default)."""
    day = as_of or date.today()
    return [m for m in all_models() if m.is_tunable(day, existing_customer)]


# The end of fine-tuning at OpenAI


def wind_down() -> list[tuple[date, str]]:
    """The dates on which OpenAI closed, or will close, fine-tuning, oldest first.

    A date that no primary source of today confirms says so in its sentence.
    """
    return [
        (
            date.fromisoformat(row["date"]),
            row["text"] + ("" if row["confidence"] == "A" else " (reported)"),
        )
        for row in _registry()["notices"]
    ]
