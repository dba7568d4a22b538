"""What will happen to a file at a host, told before anything is sent and without credentials.

Knows the order of the questions: who may train there and when, the file, the settings, the price,
what comes after. The doctor checks the file, the registry knows prices and dates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from workbook import doctor
from workbook.doctor.report import Report
from workbook.errors import WorkbookError
from workbook.hosts.contracts import RATE, Contract, contract
from workbook.prices import costs, registry
from workbook.prices.model import Model

Level = Literal["ok", "look", "stop"]
# OpenAI's bounds (API specification, August 2026), which hosts of the same contract keep.
_BOUNDS = {"n_epochs": (1, 50), "batch_size": (1, 256)}
_METHODS = {"preference": "dpo", "reinforcement": "reinforcement"}


@dataclass(frozen=True)
class Settings:
    """What a job would be given; None: left to the host."""

    n_epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    suffix: str | None = None
    region: str | None = None
    existing_customer: bool = False

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Those that were given."""
        names = ("n_epochs", "batch_size", "learning_rate_multiplier")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Line:
    """One answer: `about` says to which question."""

    level: Level
    about: str
    text: str


def preflight(
    file: Path, host: str, model: str | None, settings: Settings, day: date | None = None
) -> list[Line]:
    """Everything that is known beforehand about training with this file at this host.

    model: by the host's own name or the registry's; None: the file and the host alone
    day: when the job would be sent; default: today
    Raises WorkbookError for an unknown host, and for a file that is not there.
    """
    called = contract(host)
    on = day or registry.today()
    known = _model(called, model)
    report = doctor.check(file, known.id if known else None, host=called.profile or "openai")
    return [
        *_who(called, known, model, settings, on),
        *_file(called, report, file),
        *_settings(called, settings),
        *_price(called, known, report, settings),
        *_after(called, known, on),
    ]


def method_of(file: Path, host: str) -> str:
    """What a file's rows are for: "supervised", "dpo" or "reinforcement"."""
    report = doctor.check(file, host=contract(host).profile or "openai")
    return _METHODS.get(report.kind, "supervised")


def _model(called: Contract, model: str | None) -> Model | None:
    if model is None:
        return None
    name = model.removesuffix(called.model_end) if called.model_end else model
    for id in (called.model_prefix + name.removeprefix(called.model_prefix), name):
        try:
            found = registry.get(id)
        except registry.UnknownModelError:
            continue
        if id in called.host.models or found.vendor in (called.label, called.host.label):
            return found
        listed = {registry.get(each).id for each in called.host.models if _is_known(each)}
        if found.id in listed:
            return found
    return None


def _is_known(id: str) -> bool:
    try:
        registry.get(id)
    except registry.UnknownModelError:
        return False
    return True


def _who(
    called: Contract, known: Model | None, model: str | None, settings: Settings, on: date
) -> Iterator[Line]:
    host = called.host
    if host.end and on >= host.end:
        yield Line("stop", "who", f"{host.label} trains nothing for anybody from {host.end} on.")
    elif host.start and on < host.start:
        yield Line("look", "who", f"That {host.label} trained models on {on} is not known here.")
    else:
        until = f" until {host.end}" if host.end else ""
        yield Line("ok", "who", f"{host.label} trains models{until}. {host.note}".strip())
    if model is None:
        yield Line("look", "model", "No --model was named: its price and dates are left out.")
    elif known is None:
        names = ", ".join(host.models) or "none by name"
        yield Line("look", "model", f"{model!r} is not known here. At {host.label}: {names}.")
    elif not known.is_tunable(on, existing_customer=True):
        why = " ".join(known.notices(on)) or f"{known.label} can't be tuned on {on}."
        yield Line("stop", "model", why)
    elif not known.is_tunable(on, settings.existing_customer):
        text = f"{known.label}: only who has tuned there before may train it on {on}."
        yield Line("stop", "model", f"{text} --existing-customer says that you have.")
    else:
        yield Line("ok", "model", " ".join([f"{known.label} can be tuned.", *known.notices(on)]))


def _file(called: Contract, report: Report, file: Path) -> Iterator[Line]:
    errors = [each for each in report.findings if each.severity == "error"]
    warnings = [each for each in report.findings if each.severity == "warning"]
    for finding in errors[:5]:
        where = f"line {finding.line}: " if finding.line else ""
        yield Line("stop", "file", f"{where}{finding.message}")
    if errors:
        more = f" All {len(errors)}:" if len(errors) > 5 else " In full:"
        option = called.profile or "openai"
        yield Line("stop", "file", f"{report.summary}{more} workbook check {file} --for {option}")
    else:
        yield Line("ok", "file", report.summary)
    if warnings:
        first = warnings[0]
        where = f"line {first.line}: " if first.line else ""
        yield Line("look", "file", f"{len(warnings)} warnings, the first: {where}{first.message}")
    method = _METHODS.get(report.kind, "supervised")
    if method not in called.host.methods:
        offered = ", ".join(called.host.methods)
        yield Line("stop", "method", f"The rows are for {method}; {called.label} does {offered}.")
    if called.profile is None:
        yield Line("look", "file", f"{called.label}'s own rules for files are not known here.")


def _settings(called: Contract, settings: Settings) -> Iterator[Line]:
    for name, value in settings.hyperparameters.items():
        low, high = _BOUNDS.get(name, (None, None))
        if low is not None and high is not None and not low <= value <= high:
            yield Line("stop", "settings", f"{name} is {value}, not {low} to {high}.")
        elif value <= 0:
            yield Line("stop", "settings", f"{name} is {value}; it must be above 0.")
    yield from _learning_rate(called, settings.learning_rate_multiplier)
    for name, other in called.settings.items():
        if name in settings.hyperparameters:
            yield Line("look", "settings", f"{name} is called {other} there.")
    suffix = settings.suffix
    if suffix is not None and called.suffix is None:
        yield Line("stop", "settings", f"{called.label} has no suffix; leave --suffix out.")
    elif suffix is not None and called.suffix is not None:
        if not 1 <= len(suffix) <= called.suffix["longest"]:
            longest = called.suffix["longest"]
            text = f"The suffix has {len(suffix)} characters, not 1 to {longest}."
            yield Line("stop", "settings", text)
        if set(called.suffix["without"]) & set(suffix):
            text = f"The suffix may not hold {called.suffix['without']!r} there."
            yield Line("stop", "settings", text)
    if called.regions and settings.region not in (None, *called.regions):
        text = f"Tuning is not offered in {settings.region}; in {', '.join(called.regions)} it is."
        yield Line("stop", "region", text)
    elif called.regions:
        yield Line("ok", "region", f"Tuning is offered in {', '.join(called.regions)}.")


def _learning_rate(called: Contract, multiplier: float | None) -> Iterator[Line]:
    if multiplier is None or called.learning_rate != RATE:
        return
    text = f"{called.label} takes the learning rate itself, not a factor: "
    rate = called.rate(multiplier)
    if rate is None:
        yield Line("stop", "settings", f"{text}its usual rate is not known here, so name one.")
    else:
        usual = f" ({called.base_rate:g} is what it proposes)" if called.base_rate else ""
        yield Line("look", "settings", f"{text}{multiplier:g} is sent as {rate:g}{usual}.")


def _price(
    called: Contract, known: Model | None, report: Report, settings: Settings
) -> Iterator[Line]:
    if called.id == "lab":
        yield Line("ok", "price", "Nothing: it trains on this machine.")
        return
    if known is None or not len(report.counts):
        yield Line("look", "price", f"Not known here. {called.host.training_price}.".strip())
        return
    try:
        bill = report.cost(n_epochs=settings.n_epochs)
    except WorkbookError as error:
        yield Line("look", "price", f"{called.host.training_price}. {error}")
        return
    text = f"{costs.usd(bill.usd)} expected, at most {costs.usd(bill.usd_high)} for "
    yield Line("ok", "price", f"{text}{bill.n_epochs} epochs.")


def _after(called: Contract, known: Model | None, on: date) -> Iterator[Line]:
    if called.deployment:
        hourly = f" {costs.usd(known.hosting_per_hour)} an hour." if known and known.hosting else ""
        yield Line("look", "after", f"{called.deployment}{hourly}")
    if called.use:
        yield Line("ok", "after", called.use)
    if known and known.tuned_shutdown and known.tuned_shutdown > on:
        days = (known.tuned_shutdown - on).days
        text = f"What is tuned from it answers until {known.tuned_shutdown}: {days} days."
        yield Line("look" if days < 365 else "ok", "after", text)
    for note in called.notes:
        yield Line("look", "there", note)
    text = (
        f"{called.source}, {called.url}; checked {called.checked}, confidence {called.confidence}."
    )
    yield Line("ok", "source", text)
