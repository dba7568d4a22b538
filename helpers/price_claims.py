"""What the price list says of the claims on prices: the numbers that notebook 03 hands to them.

Knows which claims speak of prices, and of which models. Decides no verdict: the rules in
`data/claims.json` do, and `helpers.claims` shows it.
"""

import re
from collections.abc import Sequence
from datetime import date

from helpers import claims
from helpers.claims import Value
from workbook.prices import costs, registry
from workbook.prices.model import Model

_SPRING = date(2023, 3, 1)  # when the document with claims 1 to 3 was written
_LOG = date(2024, 3, 24)
_ARTICLE = date(2024, 8, 20)


def evidence(today: date) -> dict[int, dict[str, Value]]:
    """The evidence for claims 1, 2, 3, 31, 38 and 39, as of a day."""
    first, log = registry.legacy(), registry.from_source_documents("003")
    [article] = registry.from_source_documents("004")
    use = [model.price("input", _SPRING) for model in first]
    training = [model.price("training", _SPRING) for model in first]
    tuned = [model.as_tuned().price("input", _SPRING) for model in first]
    day: dict[str, Value] = {"day": str(today)}
    on_sale = day | {"sold": sum(model.end is None or today < model.end for model in first)}
    cheapest = min(registry.sold_by_the_token(today), key=lambda m: m.price("training", today))
    times = [one / other for one, other in zip(tuned, training, strict=True)]
    chat_times = [
        ratio for model in registry.hosted() if model.kind == "chat" for ratio in _times(model)
    ]
    return {
        1: on_sale | _agreement(1, use),
        2: on_sale | _agreement(2, training + tuned),
        3: {
            "least": min(times),
            "most": max(times),
            "chat_least": min(chat_times),
            "chat_most": max(chat_times),
        },
        31: day
        | {
            "then": costs.training_cost(100_000, 3, log[0], _LOG),
            "sold": sum(model.is_tunable(today, existing_customer=True) for model in log),
            "model": cheapest.label,
            "now": costs.training_cost(100_000, 3, cheapest, today),
        },
        38: day
        | {
            "training": article.price("training", _ARTICLE),
            "tuned_in": article.as_tuned().price("input", _ARTICLE),
            "tuned_out": article.as_tuned().price("output", _ARTICLE),
            "is_sold": article.is_tunable(today, existing_customer=True),
            "until": str(article.tunable_until),
        },
        39: day
        | {
            "september": article.free_training_tokens(date(2024, 9, 23)),
            "october": article.free_training_tokens(date(2024, 10, 31)),
            "now": article.free_training_tokens(today),
        },
    }


def _times(model: Model) -> list[float]:
    """A tuned token's price divided by a training token's: of input, and of output."""
    return [model.as_tuned().price(kind) / model.price("training") for kind in ("input", "output")]


def _agreement(number: int, prices: Sequence[float]) -> dict[str, Value]:
    """How many of the claim's prices, in dollars per 1K tokens, are these, per million."""
    stated = re.findall(r"\$(\d+\.\d+)", claims.load()[number].statement)
    pairs = zip(map(float, stated), prices, strict=True)
    return {"agree": sum(abs(one - other / 1000) < 1e-9 for one, other in pairs), "of": len(stated)}
