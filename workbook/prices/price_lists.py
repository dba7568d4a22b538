"""Our prices of use compared with a list that others keep: genai-prices, of Pydantic.

That list has no training, no hosting, no limits and no dates of ours, so those are not compared.
Finds what differs and writes rows to look at; changes no data.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from workbook.errors import WorkbookError
from workbook.prices import registry_file
from workbook.prices.day import today
from workbook.prices.model import Model, NoPriceError

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

TITLE = "genai-prices"
# Our vendors, as the list calls them. It has no tuned models of others than OpenAI.
_VENDORS = {"OpenAI": "openai", "Azure": "azure", "Vertex AI": "google", "Amazon Bedrock": "aws"}
_KINDS = {"input": "input_mtok", "cached_input": "cache_read_mtok", "output": "output_mtok"}


@dataclass(frozen=True)
class Difference:
    """A price that the list has otherwise, in USD for 1 million tokens; None: no such price."""

    model: str
    kind: str  # as in our rows: "input", "tuned_output", …
    ours: float | None
    theirs: float | None

    @property
    def is_contradiction(self) -> bool:
        """Whether both have the price, and not the same."""
        return self.ours is not None and self.theirs is not None

    def __str__(self) -> str:
        ours, theirs = ("none" if usd is None else f"{usd:g}" for usd in (self.ours, self.theirs))
        return f"{self.model}: {self.kind.replace('_', ' ')} {ours} here, {theirs} in {TITLE}"


def snapshot() -> "DataSnapshot":
    """The list as it is in the installed package. Raises WorkbookError where it is not."""
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ModuleNotFoundError:
        raise WorkbookError(
            "The list of prices that others keep is a package of its own. Install it: "
            "pip install genai-prices"
        ) from None
    return get_snapshot()


def newest() -> "DataSnapshot":
    """The list as it is today, from the network. Raises WorkbookError where that can't be had."""
    snapshot()  # says what to install
    from genai_prices import UpdatePrices

    try:
        current = UpdatePrices().fetch()
    except Exception as error:  # whatever stands between this machine and the list
        raise WorkbookError(f"{type(error).__name__}: {str(error).splitlines()[0]}") from None
    if current is None:
        raise WorkbookError("nothing was sent")
    return current


def differences(
    models: Iterable[Model], day: date, prices: "DataSnapshot | None" = None
) -> list[Difference]:
    """Every price of use on a day that the list has otherwise, or that only one of us has.

    Only of models that both know; a model that has ended is left out.
    """
    prices = prices or snapshot()
    entries = []
    for model in models:
        for each in (model, model.as_tuned()):
            theirs = _prices_of(prices, each, day)
            if theirs is None or (each.end and day >= each.end):
                continue
            for kind, field in _KINDS.items():
                ours = _ours(each, kind, day)
                usd = _number(getattr(theirs, field, None))
                if ours != usd:
                    name = f"tuned_{kind}" if each.tuned else kind
                    entries.append(Difference(model.id, name, ours, usd))
    return entries


def new_models(
    models: Iterable[Model], prices: "DataSnapshot | None" = None, day: date | None = None
) -> list[str]:
    """OpenAI's and Google's own models of the list that we lack, if they read and write text."""
    prices = prices or snapshot()
    known = {model.id for model in models} | set(registry_file.models())
    names = []
    for provider in prices.providers:
        if provider.id not in ("openai", "google"):
            continue
        for each in provider.models:
            price = _at(each, day or today())
            is_text = _number(getattr(price, "output_mtok", None)) is not None
            is_own = each.id.startswith("gemini") or provider.id == "openai"
            if is_text and is_own and each.id not in known and not each.deprecated:
                names.append(each.id)
    return names


def proposal(entries: Iterable[Difference], day: date) -> dict[str, Any]:
    """Rows in the form of `data/models.json`, for somebody to look at and to copy."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for difference in entries:
        if difference.theirs is not None:
            row = {"kinds": [difference.kind], "usd": difference.theirs, "unit": "1M tokens"}
            row |= {"from": day.isoformat(), "until": None, "seen": True, "source": TITLE}
            row |= {"checked": day.isoformat(), "confidence": "B"}
            rows.setdefault(difference.model, []).append(row)
    return {
        "about": f"What {TITLE} has otherwise than data/models.json, {day}. Look at each row: end "
        "the old row with `until` before you add a new one.",
        "prices": rows,
    }


def _ours(model: Model, kind: str, day: date) -> float | None:
    with contextlib.suppress(NoPriceError):
        return model.price(kind, day)
    return None


def _prices_of(prices: "DataSnapshot", model: Model, day: date) -> Any:
    """Their prices of a model; None where they don't know it."""
    provider = _VENDORS.get(model.vendor)
    if provider is None or (model.tuned and model.vendor != "OpenAI"):
        return None
    for name in _names(model):
        with contextlib.suppress(LookupError):
            return _at(prices.find_provider_model(name, None, provider, None)[1], day)
    return None


def _names(model: Model) -> Iterator[str]:
    base = model.base_id.partition("/")[2] if "/" in model.base_id else model.base_id
    yield f"ft:{base}:org::id" if model.tuned else base
    if model.vendor == "Amazon Bedrock":
        yield f"{base}-1:0"
        yield f"{base}-v1:0"


def _at(model: Any, day: date) -> Any:
    return model.get_prices(datetime.combine(day, time(12), UTC))


def _number(price: Any) -> float | None:
    """A price as a number; of one with tiers, that of short prompts."""
    if price is None:
        return None
    return round(float(getattr(price, "base", price)), 9)
