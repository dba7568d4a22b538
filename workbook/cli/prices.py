"""`workbook prices` and `workbook estimate`: what a model costs, and what a job on a file will."""

import contextlib
import itertools
import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from workbook import doctor, files, paths
from workbook.cli import exits, options
from workbook.errors import WorkbookError
from workbook.prices import costs, estimates, price_lists, registry
from workbook.prices.model import BATCH_KINDS, KINDS, Model, NoPriceError, Price

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
@click.option(
    "--on", "day", type=DAY, metavar="DATE", help="Of that day; default: WORKBOOK_TODAY, or today."
)
@click.option(
    "--update",
    is_flag=True,
    help="Compare with the list of genai-prices, and write what it has otherwise to a file.",
)
@options.FORMAT
def prices(model: str | None, day: datetime | None, update: bool, form: str) -> int:
    """What a model costs, and until when it can be tuned.

    Without MODEL: every model that can be tuned on that day, what training costs, and who else
    trains models. Prices are USD for 1 million tokens, each with its source and the day on which it
    was checked. Your own prices go into models.json in the course's folder (WORKBOOK_HOME).
    """
    on = day.date() if day else registry.today()
    if update:
        return _update([registry.get(model)] if model else registry.all_models(), on, form)
    models = [registry.get(model)] if model else registry.tunable(on, existing_customer=True)
    rows = [_row(each, on) for each in models]
    if form == "json":
        print(json.dumps(rows, ensure_ascii=False, indent=1, default=str))
    elif model:
        _print_model(models[0], rows[0], on)
    else:
        print(f"Models that can be tuned on {on}, USD for 1 million tokens")
        for each, row in zip(models, rows, strict=True):
            cost = _cost(row["prices"].get("training"))
            closed = "" if each.is_tunable(on) else ", existing customers only"
            print(f"  {each.id:<34} {each.vendor:<14} training {cost}  {_until(each)}{closed}")
        print(f"\nWho trains models for others on {on}")
        for host in registry.hosts(on):
            print(
                f"  {host.label:<22} training: {host.training_price}; use: {host.use_price}"
                f" (confidence {host.confidence}, checked {host.checked}). {host.note}".rstrip()
            )
    return exits.DONE


def _update(models: list[Model], on: date, form: str) -> int:
    """Compare with genai-prices, and write a proposal; our own data stay as they are."""
    try:
        lists = price_lists.newest()
        state = f"the list of today ({on})"
    except WorkbookError as error:
        lists = price_lists.snapshot()  # raises where it is not installed at all
        state = f"the list of the installed package: today's could not be fetched ({error})"
    differences = price_lists.differences(models, on, lists)
    unknown = price_lists.new_models(models, lists, on) if len(models) > 1 else []
    proposal = price_lists.proposal(differences, on)
    path = None
    if proposal["prices"]:
        path = _unused(paths.home() / f"price-proposal-{on}.json")
        files.replace_text(path, json.dumps(proposal, ensure_ascii=False, indent=1) + "\n")
    if form == "json":
        row = {
            "compared with": state,
            "differences": [asdict(each) for each in differences],
            "not in the course": unknown,
            "proposal": str(path) if path else None,
        }
        print(json.dumps(row, ensure_ascii=False, indent=1))
        return exits.DONE
    print(f"Compared with {state}.")
    for each in differences:
        print(f"  {each}")
    contradictions = sum(each.is_contradiction for each in differences)
    print(f"{contradictions} prices contradict each other.")
    if unknown:
        print(f"{len(unknown)} models are in {price_lists.TITLE} only: {', '.join(unknown)}")
    if path:
        print(f"A proposal to look at: {path}. data/models.json was not changed.")
    return exits.DONE


def _unused(path: Path) -> Path:
    """The path, or the next of its kind that no file has."""
    numbers = itertools.count(2)
    free = path
    while free.exists():
        free = path.with_stem(f"{path.stem}-{next(numbers)}")
    return free


def _row(model: Model, on: date) -> dict[str, Any]:
    """A model with its prices of a day, as plain values."""
    tuned = model.as_tuned()
    priced = [(kind, model, kind) for kind in (*KINDS, *BATCH_KINDS)]
    priced += [(f"tuned_{kind}", tuned, kind) for _, _, kind in priced if kind != "training"]
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
        "methods": model.methods,
        "shutdown": model.shutdown,
        "tuned_models_shutdown": model.tuned_shutdown,
        "max_output_tokens": model.max_output_tokens,
        "max_example_tokens": model.max_example_tokens,
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
        return "not known"
    unit = "" if price["unit"] == "1M tokens" else f" an {price['unit']}"
    return f"{costs.usd(price['usd']):>8}{unit}"


def _print_model(model: Model, row: dict[str, Any], on: date) -> None:
    print(f"{model.label} ({model.vendor}), {on}")
    if not row["prices"]:
        print(f"  No price is known for that day. {model.notes}".rstrip())
    for name, price in row["prices"].items():
        kind = name.replace("_", " ")
        print(
            f"  {kind:<20} {_cost(price)}   {price['source']}, checked "
            f"{price['checked']} (confidence {price['confidence']})"
        )
    if model.hosting_per_hour:
        print(f"  {'hosting, an hour':<20} {costs.usd(model.hosting_per_hour):>8}")
    if "training" not in row["prices"] and model.is_tunable(on, existing_customer=True):
        print(f"  {'training':<20} not known. {model.notes}".rstrip())
    print(f"  {_until(model)}")
    for notice in row["notices"]:
        print(f"  Take care. {notice}")


def _until(model: Model) -> str:
    if not model.methods:
        return "can't be tuned"
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
    notices = bill.notices(day.date() if day else None)
    if form == "json":
        row = asdict(bill) | {"model": bill.model.id, "notices": notices}
        print(json.dumps(row, default=str))
        return exits.DONE
    print(bill)
    if bill.cut:
        limit = bill.model.max_example_tokens
        print(f"{bill.cut:,} examples are longer than {limit:,} tokens: their end is cut off.")
    for notice in notices:
        print(f"Take care. {notice}")
    return exits.DONE


COMMANDS = {"prices": prices, "estimate": estimate}
