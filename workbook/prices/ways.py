"""A month of use in each way to do one job: by a long prompt, here or at a rival's, or tuned.

Compares costs only; whether an answer is as good is measured elsewhere. Knows no files.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from workbook.prices import costs, registry
from workbook.prices.costs import BreakEven
from workbook.prices.model import Model, NoPriceError


@dataclass(frozen=True)
class Use:
    """A month of use, each way of working in USD, hosting included where the model is tuned."""

    requests: float
    ways: dict[str, float]
    prompt: str  # the cheapest way by prompt that answers at once, so not in batches
    break_even: BreakEven  # the tuned model against it

    @property
    def cheapest(self) -> str:
        """The name of the cheapest way."""
        return min(self.ways, key=self.ways.__getitem__)

    def paid_back(self, start: date) -> date | None:
        """The day on which training and hosting are paid back; None: never at this volume."""
        months = self.break_even.months(self.requests)
        days = math.ceil(months * 365 / 12) if math.isfinite(months) else None
        if days is None or days > (date.max - start).days:
            return None
        return start + timedelta(days=days)


def use(
    model: str | Model,
    long_prompt: int,
    short_prompt: int,
    answer: int,
    requests: float,
    training_usd: float = 0.0,
    hosting_per_hour: float | None = None,
    as_of: date | None = None,
    rivals: Sequence[Model] = (),
) -> Use:
    """The month's bill of each way to do one job: long prompt, cached, in batches, tuned.

    The long prompt goes to the base model and to each rival, the short one to the tuned model. What
    is the same in every long prompt, all but its last `short_prompt` tokens, comes from the cache
    where the rules allow it (`costs.cacheable`). A way without a price is left out.

    long_prompt, short_prompt, answer: tokens
    requests: a month
    hosting_per_hour: None takes the model's own
    rivals: models that are not tuned, but might do the job by prompt
    Raises NoPriceError where the base or the tuned model has no price.
    """
    base = registry.resolve(model)
    tuned = base.as_tuned()
    hosting = base.hosting_per_hour if hosting_per_hour is None else hosting_per_hour
    shared = max(0, long_prompt - short_prompt)
    requests_by_prompt: dict[str, float] = {}
    batches: dict[str, float] = {}
    for each in (base, *(rival for rival in rivals if rival.id != base.id)):
        name = "long prompt" if each is base else f"long prompt to {each.label}"
        size = (each, long_prompt, answer)
        requests_by_prompt[name] = costs.request_cost(*size, as_of=as_of)
        if costs.cacheable(long_prompt, shared) and _sells(each, "cached_input", as_of):
            requests_by_prompt[f"{name}, cached"] = costs.request_cost(*size, shared, as_of=as_of)
        if _sells(each, "batch_input", as_of) and _sells(each, "batch_output", as_of):
            batches[f"{name}, in batches"] = costs.request_cost(*size, batch=True, as_of=as_of)
    short = costs.request_cost(tuned, short_prompt, answer, as_of=as_of)
    ways = {
        name: costs.monthly_cost(usd, requests)
        for name, usd in (*requests_by_prompt.items(), *batches.items())
    }
    ways["tuned model"] = costs.monthly_cost(short, requests, hosting)
    if _sells(tuned, "batch_input", as_of) and _sells(tuned, "batch_output", as_of):
        in_batch = costs.request_cost(tuned, short_prompt, answer, batch=True, as_of=as_of)
        ways["tuned model, in batches"] = costs.monthly_cost(in_batch, requests, hosting)
    prompt = min(requests_by_prompt, key=requests_by_prompt.__getitem__)
    break_even = costs.break_even(requests_by_prompt[prompt], short, training_usd, hosting)
    return Use(requests, ways, prompt, break_even)


def by_prompt(
    models: Sequence[Model], long_prompt: int, short_prompt: int, answer: int, as_of: date
) -> Iterator[tuple[float, Model]]:
    """(USD of one request, model) of each that has a price on that day, with the cache's help."""
    shared = max(0, long_prompt - short_prompt)
    for model in models:
        if model.end is None or as_of < model.end:
            try:
                yield costs.request_cost(model, long_prompt, answer, shared, as_of=as_of), model
            except NoPriceError:
                continue


def cheapest_by_prompt(
    models: Sequence[Model], long_prompt: int, short_prompt: int, answer: int, as_of: date
) -> tuple[float, Model]:
    """(USD of one request, the model) that does it cheapest by prompt on that day.

    Raises NoPriceError where none of them has a price then.
    """
    prices = list(by_prompt(models, long_prompt, short_prompt, answer, as_of))
    if not prices:
        raise NoPriceError(f"None of these models has a price on {as_of}.")
    return min(prices, key=lambda price: price[0])


def _sells(model: Model, kind: str, as_of: date | None) -> bool:
    try:
        model.price(kind, as_of)
    except NoPriceError:
        return False
    return True
