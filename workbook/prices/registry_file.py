"""`data/models.json` read: models with their prices and dates, hosts, notices, rules of counting.

Every figure there carries its source, the day it was checked and a confidence (A, B or C). Knows
how the file is written; finds nothing and multiplies nothing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any

from workbook import paths
from workbook.prices.model import Model, Price, Promotion
from workbook.prices.token_rules import FunctionRules, ImageRules, TokenRules

# The rules of counting for a vocabulary, where a model names none of its own.
_RULES_OF = {"o200k_base": "openai-o200k", "cl100k_base": "openai-cl100k", "smollm2": "lab"}
_STAND_IN = "stand-in"


@dataclass(frozen=True)
class Host:
    """Somebody who trains models for others, and how that is paid."""

    id: str
    label: str
    client: str  # how it is reached
    methods: tuple[str, ...]
    training_price: str  # in words: "per token", "per hour", …
    use_price: str
    models: tuple[str, ...]  # those of which something is known
    note: str
    start: date | None
    end: date | None
    source: str
    url: str
    checked: date
    confidence: str


@cache
def content() -> dict[str, Any]:
    """The file as it stands."""
    return json.loads(paths.data("models.json").read_text(encoding="utf-8"))


@cache
def models() -> dict[str, Model]:
    """Every model by its id and by its other names."""
    by_name = {}
    for row in content()["models"]:
        model = _model(row)
        for name in [model.id, *row["aliases"]]:
            by_name[name] = model
    return by_name


@cache
def hosts() -> tuple[Host, ...]:
    """Every host, in the order of the file."""
    return tuple(_host(row) for row in content()["hosts"])


def rules_of(encoding: str | None, name: str | None = None) -> TokenRules:
    """The rules of counting of that name, else those usual for an encoding.

    encoding: None where the vocabulary is not public: another stands in, with bounds.
    """
    row = dict(content()["token_rules"][name or _name_of(encoding)])
    numbers = {
        key: value
        for key, value in row.items()
        if key not in ("source", "checked", "confidence", "note", "functions")
    }
    functions = FunctionRules(**row.get("functions", {}))
    rules = TokenRules(functions=functions, **numbers)
    return replace(rules, encoding=encoding) if encoding else rules


def _name_of(encoding: str | None) -> str:
    return _RULES_OF.get(encoding, "openai-cl100k") if encoding else _STAND_IN


def _host(row: dict[str, Any]) -> Host:
    source = content()["sources"][row["source"]]
    return Host(
        id=row["id"],
        label=row["label"],
        client=row["client"],
        methods=tuple(row["methods"]),
        training_price=row["training_price"],
        use_price=row["use_price"],
        models=tuple(row["models"]),
        note=row.get("note", ""),
        start=_day(row["from"]),
        end=_day(row["until"]),
        source=source["title"],
        url=source["url"],
        checked=date.fromisoformat(row["checked"]),
        confidence=row["confidence"],
    )


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
        max_output_tokens=_value(row["max_output_tokens"]),
        max_example_tokens=_value(row["max_example_tokens"]),
        token_rules=_rules(row),
        methods=tuple(tuning["methods"]),
        tunable_from=date.fromisoformat(tuning["from"]),
        tunable_until=_day(tuning["until"]),
        newcomers_until=None if newcomers == "closed" else _day(newcomers),
        newcomers_closed=newcomers == "closed",
        shutdown=_day(_value(row["shutdown"])),
        tuned_shutdown=_day(_value(row.get("tuned_shutdown", row["shutdown"]))),
        hosting=_price(row["hosting"]) if row["hosting"] else None,
        prices=tuple(_price(price) for price in row["prices"]),
        promotions=tuple(_promotion(each) for each in row.get("promotions", [])),
        source_documents=tuple(row["source_documents"]),
        notes=row.get("note", ""),
        sources=tuple(_title_and_address(source) for source in dict.fromkeys(_sources(row))),
    )


def _rules(row: dict[str, Any]) -> TokenRules:
    rules = rules_of(_value(row["encoding"]), row.get("token_rules"))
    images = content()["image_rules"].get(row.get("images"))
    if images is None:
        return rules
    numbers = {
        key: images[key] for key in ("kind", "base", "tile", "patch", "most") if key in images
    }
    return replace(rules, images=ImageRules(**numbers))


def _price(row: dict[str, Any]) -> Price:
    source = content()["sources"][row["source"]]
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
    row = content()["sources"][source]
    return f"{row['title']} ({row['url']})"


def _value(fact: dict[str, Any] | None) -> Any:
    return fact["value"] if fact else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
