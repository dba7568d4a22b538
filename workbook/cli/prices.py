"""`workbook prices` and `workbook estimate`: what a model costs, and what a job on a file will."""

import contextlib
import json
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import click

from workbook import doctor
from workbook.cli import exits, options
from workbook.prices import costs, estimates, registry
from workbook.prices.model import KINDS, Model, NoPriceError, Price

DAY = click.DateTime(["%Y-%m-%d"])


class ModelName(click.ParamType):
    """A model of the registry; the shell completes it."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        names = (name for name in registry.names() if name.startswith(incomplete))
        return [click.shell_completion.CompletionItem(name) for name in names]


@click.command()
@click.argument("model", required=False, type=ModelName())
@click.option("--on", "day", type=DAY, metavar="DATE", help="Prices of that day; default: today.")
@options.FORMAT
def prices(model: str | None, day: datetime | None, form: str) -> int:
    """What a model costs, and until when it can be tuned.

    Without MODEL: every model that can be tuned on that day, and what training costs. Prices are
    USD for 1 million tokens, each with its source and the day on which it was checked.
    """
    on = day.date() if day else date.today()
    models = [registry.get(model)] if model else registry.tunable(on, existing_customer=True)
    rows = [_row(each, on) for each in models]
    if form == "json":
        print(json.dumps(rows, ensure_ascii=False, indent=1, default=str))
    elif model:
        _print_model(models[0], rows[0], on)
    else:
        print(
            f"Models that can be tuned on {on} (most by existing customers only), "
            "USD for 1 million tokens"
        )
        for each, row in zip(models, rows, strict=True):
            cost = _cost(row["prices"].get("training"))
            print(f"  {each.id:<34} {each.vendor:<12} training {cost}  {_until(each)}")
    return exits.DONE


def _row(model: Model, on: date) -> dict[str, Any]:
    """A model with its prices of a day, as plain values."""
    tuned = model.as_tuned()
    priced = [(kind, model, kind) for kind in KINDS]
    priced += [(f"tuned_{kind}", tuned, kind) for kind in KINDS if kind != "training"]
    prices = {}
    for name, each, kind in priced:
        with contextlib.suppress(NoPriceError):
            prices[name] = _price(each.price_row(kind, on))
    return {
        "model": model.id,
        "label": model.label,
        "vendor": model.vendor,
        "on": on,
        "tunable": model.is_tunable(on),
        "tunable_by_existing_customers": model.is_tunable(on, existing_customer=True),
        "tunable_until": model.tunable_until,
        "shutdown": model.shutdown,
        "hosting_usd_per_hour": model.hosting_per_hour,
        "prices": prices,
        "notices": model.notices(on),
    }


def _price(price: Price) -> dict[str, Any]:
    """A price with its source; tokens are priced by the million, hours by the hour."""
    is_hourly = price.unit == "hour"
    return {
        "usd": price.usd if is_hourly else price.usd_per_million,
        "unit": price.unit if is_hourly else "1M tokens",
        "source": price.source,
        "url": price.url,
        "checked": price.checked,
        "confidence": price.confidence,
    }


def _cost(price: dict[str, Any] | None) -> str:
    """A price of `_price` in a column; it says so where it is not for 1 million tokens."""
    if price is None:
        return "no price"
    unit = "" if price["unit"] == "1M tokens" else f" an {price['unit']}"
    return f"{costs.usd(price['usd']):>8}{unit}"


def _print_model(model: Model, row: dict[str, Any], on: date) -> None:
    print(f"{model.label} ({model.vendor}), {on}")
    if not row["prices"]:
        print("  No price is known for that day.")
    for name, price in row["prices"].items():
        kind = name.replace("_", " ")
        print(
            f"  {kind:<20} {_cost(price)}   {price['source']}, checked "
            f"{price['checked']} (confidence {price['confidence']})"
        )
    if model.hosting_per_hour:
        print(f"  {'hosting, an hour':<20} {costs.usd(model.hosting_per_hour):>8}")
    print(f"  {_until(model)}")
    for notice in row["notices"]:
        print(f"  Take care. {notice}")


def _until(model: Model) -> str:
    return f"jobs until {model.tunable_until}" if model.tunable_until else "no end is known"


@click.command()
@options.FILE
@click.option("--model", required=True, type=ModelName(), help="What is to be tuned.")
@click.option("--validation", metavar="FILE", help="Counted in the highest figure.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Default: as OpenAI chooses.")
@click.option(
    "--on", "day", type=DAY, metavar="DATE", help="Prices of that day; default: the last."
)
@options.FORMAT
@options.reading
def estimate(
    file: str,
    model: str,
    validation: str | None,
    epochs: int | None,
    day: datetime | None,
    form: str,
    reading: dict[str, Any],
) -> int:
    """What training on FILE will cost: at least, expected, at most."""
    rows = doctor.read(file, **reading)
    held_out = doctor.read(validation) if validation else []
    bill = estimates.job(rows, model, epochs, held_out, day.date() if day else None)
    if form == "json":
        print(json.dumps(asdict(bill) | {"model": bill.model.id}, default=str))
        return exits.DONE
    print(bill)
    if bill.cut:
        limit = bill.model.max_example_tokens
        print(f"{bill.cut:,} examples are longer than {limit:,} tokens: their end is cut off.")
    return exits.DONE


COMMANDS = {"prices": prices, "estimate": estimate}
