"""What the same project would cost at the hosts that can be trained at: one row an offer.

Compares figures of the registry; which model would be as good is not known here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from workbook.prices import costs, estimates, registry
from workbook.prices.costs import usd
from workbook.prices.model import Model, NoPriceError

PER = 1000


@dataclass(frozen=True)
class Offer:
    """One model that can be trained. USD; None where no price is published.

    training: of the whole job, the most that is expected
    by_prompt, tuned: of a thousand requests to the base model and to the tuned one
    hosting_per_month: of a tuned model that stays up
    existing_only: newcomers can't train it any more
    """

    model: Model
    training: float | None
    by_prompt: float | None
    tuned: float | None
    hosting_per_month: float
    existing_only: bool

    def as_row(self) -> dict[str, str]:
        """For a table of texts."""
        model = self.model
        is_named = model.vendor.split()[-1] in model.label  # "gpt-4o on Azure" says where
        where = model.label if is_named else f"{model.label}, {model.vendor}"
        return {
            "where": where + (" (existing customers)" if self.existing_only else ""),
            "training": _text(self.training),
            "1,000 requests by prompt": _text(self.by_prompt),
            "1,000 requests, tuned": _text(self.tuned),
            "hosting a month": _text(self.hosting_per_month),
        }


def offers(
    rows: Iterable[Mapping[str, Any]],
    long_prompt: int,
    short_prompt: int,
    answer: int,
    n_epochs: int | None = None,
    as_of: date | None = None,
) -> list[Offer]:
    """Every hosted model that can be trained on that day, cheapest training first, unknown last.

    rows: the training file
    long_prompt, short_prompt, answer: tokens of a request by prompt, of one to the tuned model, and
        of the answer
    """
    day = as_of or registry.today()
    training = list(rows)
    open_to_all = {model.id for model in registry.tunable(day)}
    result = []
    for model in registry.tunable(day, existing_customer=True):
        if model == registry.lab() or (model.methods and "supervised" not in model.methods):
            continue
        job = _price(lambda model=model: estimates.job(training, model, n_epochs).usd_high)
        prompt = _price(lambda model=model: costs.request_cost(model, long_prompt, answer))
        tuned = _price(
            lambda model=model: costs.request_cost(model.as_tuned(), short_prompt, answer)
        )
        result.append(
            Offer(
                model,
                job,
                None if prompt is None else PER * prompt,
                None if tuned is None else PER * tuned,
                costs.monthly_cost(0, 0, model.hosting_per_hour),
                model.id not in open_to_all,
            )
        )
    return sorted(result, key=lambda offer: (offer.training is None, offer.training or 0.0))


def one_of_each_vendor(offers: Iterable[Offer]) -> list[Offer]:
    """The first offer of each vendor: of sorted ones, its cheapest to train with."""
    first: dict[str, Offer] = {}
    for offer in offers:
        first.setdefault(offer.model.vendor, offer)
    return list(first.values())


def _price(known: Any) -> float | None:
    try:
        return known()
    except NoPriceError:
        return None


def _text(amount: float | None) -> str:
    return "not known" if amount is None else "nothing" if amount == 0 else usd(amount)
