"""The registry of models: what they cost, what they take, and when they can be tuned and used.

Finds models by name and by what can be done with them, in `data/models.json` and in the user's own
file (`own_models`), which goes before it. Counts no tokens and multiplies nothing.
"""

import difflib
import re
from dataclasses import replace
from datetime import date

from workbook.errors import WorkbookError
from workbook.prices import own_models, registry_file
from workbook.prices.day import today as today
from workbook.prices.model import Model, NoPriceError, Price
from workbook.prices.registry_file import Host as Host
from workbook.prices.token_rules import TokenRules


class UnknownModelError(WorkbookError):
    """The registry has no model of that name."""


class ModelGoneError(WorkbookError):
    """The model can no longer be tuned, or no longer be used."""


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
    if as_of and model.end and as_of >= model.end:
        tuned_from = "Models tuned from " if tuned else ""
        verb = "were" if tuned else "was"
        raise ModelGoneError(
            f"{tuned_from}{model.label} {verb} shut down on {model.end}. {_alternatives(as_of)}"
        )
    return model


def at_host(host: str, model_id: str) -> Model:
    """A model at a host of the user's own: with the prices that the user's file has for the host.

    host: the name in its address ("llm.example.org")
    Raises UnknownModelError where the file names neither the host nor the model.
    """
    return own_models.at_host(host, model_id, registry_file.models()) or get(model_id)


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
    day = as_of or today()
    model = get(model_id, as_of=day)
    if not model.is_tunable(day, existing_customer):
        why = " ".join(model.notices(day)) or f"{model.label}: existing customers only."
        raise ModelGoneError(f"{why} {_alternatives(day)}")
    for notice in model.notices(day):
        print(f"Take care. {notice}")
    return model


def lab() -> Model:
    """The model that the course's lab tunes."""
    return next(m for m in all_models() if m.vendor == "the lab")


def encoding_for(model_id: str) -> str:
    """The name of the encoding that a model's tokens are counted with; of a tuned one, its base's.

    Our own table: tiktoken 0.14 takes `ft:gpt-4.1…` for a GPT-4 (cl100k_base). Where no vocabulary
    is public, another stands in (`token_rules(model_id).is_approximate`).
    Raises UnknownModelError.
    """
    return token_rules(model_id).encoding


def token_rules(model_id: str) -> TokenRules:
    """How a model's tokens are counted, also of one known by the start of its name only.

    Raises UnknownModelError.
    """
    base, _ = base_of(model_id)
    try:
        return get(base).token_rules
    except UnknownModelError:
        encoding = _encoding_by_prefix(base.removeprefix("azure/"))
        if encoding is None:
            raise
        return registry_file.rules_of(encoding)


def _encoding_by_prefix(model_id: str) -> str | None:
    """The encoding of a model that has no row of its own, by the start of its name."""
    for prefix, encoding in registry_file.content()["encodings_by_prefix"]["prefixes"]:
        if model_id.startswith(prefix):
            return encoding
    return None


# Many models


def _by_name() -> dict[str, Model]:
    """Every model by each of its names, the user's own in front of the course's."""
    return own_models.added_to(registry_file.models())


def all_models() -> list[Model]:
    """Every model of the registry, oldest family first, the lab last."""
    return list(dict.fromkeys(_by_name().values()))


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
    return [m for m in ours if any("training" in p.kinds and p.unit != "hour" for p in m.prices)]


def tunable(as_of: date | None = None, existing_customer: bool = False) -> list[Model]:
    """The models for which a new job is accepted on that day (today by default)."""
    day = as_of or today()
    return [m for m in all_models() if m.is_tunable(day, existing_customer)]


def usable(as_of: date, vendor: str | None = None) -> list[Model]:
    """The hosted chat models that answer a prompt on that day, of one vendor or of all."""
    return [
        m
        for m in all_models()
        if m.kind == "chat"
        and m.vendor == (vendor or m.vendor)
        and m != lab()
        and any("input" in p.kinds and p.holds(as_of) for p in m.prices)
    ]


def suggested(vendor: str, as_of: date) -> Model | None:
    """A vendor's cheapest chat model to train on that day, by the price of training.

    Where no price of training is known, the one whose use costs least. When nothing can be trained
    any more, of those that could be last. None where the vendor trains none by examples.
    """
    ours = [m for m in all_models() if m.vendor == vendor and m.kind == "chat"]
    ours = [m for m in ours if "supervised" in m.methods]
    still = [m for m in ours if m.is_tunable(as_of, existing_customer=True)]
    last = max((m.tunable_until or date.max for m in ours), default=None)
    return min(still or [m for m in ours if m.tunable_until == last], key=_dearness, default=None)


def _dearness(model: Model) -> tuple[float, float]:
    """What training and a tuned token cost; what is not known comes last."""
    prices = []
    for each, kind in ((model, "training"), (model.as_tuned(), "input")):
        try:
            prices.append(each.price(kind))
        except NoPriceError:
            prices.append(float("inf"))
    return prices[0], prices[1]


def hosts(as_of: date | None = None) -> list[Host]:
    """Who trains models for others: all that are known, or those that do on a day."""
    return [
        host
        for host in registry_file.hosts()
        if as_of is None
        or ((host.start is None or host.start <= as_of) and (host.end is None or as_of < host.end))
    ]


def caching() -> tuple[int, int]:
    """(the shortest prompt of which a part can be cached, the step in which it is), in tokens."""
    rule = registry_file.content()["caching"]
    return rule["least"], rule["step"]


def sold_by_the_token(as_of: date) -> list[Model]:
    """The hosted models that can be trained on that day at a price a token that is known.

    OpenAI's, for as long as it sells any to anybody; from then on everybody's.
    """
    open_models = [m for m in tunable(as_of, existing_customer=True) if m != lab()]
    priced = [
        m for m in open_models if any(p.holds(as_of) and _trains_by_token(p) for p in m.prices)
    ]
    return [m for m in priced if m.vendor == "OpenAI"] or priced


def _trains_by_token(price: Price) -> bool:
    return "training" in price.kinds and price.unit != "hour"


# Their age


def checked() -> date:
    """The last day on which somebody looked at a figure of the registry."""
    return max(price.checked for model in registry_file.models().values() for price in model.prices)


def aging(as_of: date | None = None) -> list[str]:
    """How old the registry's figures are on a day (today by default), as sentences.

    One says when they were checked; one for each model that has ended since, or can no longer be
    trained.
    """
    day, last = as_of or today(), checked()
    if day < last:
        return [f"The figures were checked on {last}. You calculate with an earlier day, {day}."]
    age = (day - last).days
    sentences = [f"The figures were checked on {last}, {age} days before this day ({day})."]
    for model in all_models():
        events = (
            (model.tunable_until if model.methods else None, "nobody can train it any more"),
            (model.end, "it is shut down"),
        )
        sentences += [
            f"{model.label}: since {end} {event}."
            for end, event in events
            if end and last < end <= day
        ]
    if age > 60:
        sentences.append("Prices change more often than that: look at the vendor's own page, too.")
    return sentences


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
        for row in registry_file.content()["notices"]
    ]
