"""From rows and a model to the bill of a job: the tokens counted, then `workbook.prices.costs`.

Knows vocabularies and prices together; nothing of files, clients and money already spent.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from workbook.prices import costs, registry, tokens
from workbook.prices.costs import Estimate
from workbook.prices.registry import Model


def job(
    training: Iterable[Mapping[str, Any]],
    model: str | Model,
    n_epochs: int | None = None,
    validation: Iterable[Mapping[str, Any]] = (),
    as_of: date | None = None,
    free_tokens: int = 0,
) -> Estimate:
    """What training on these rows costs on this model: low, expected and high.

    `training` and `validation` are rows in the chat or the prompt/completion format. `n_epochs=None` takes the default rule. The rest as in `costs.estimate`, whose errors
    are raised here too; NoPrice where the model is not sold by the token.
    """
    found = model if isinstance(model, Model) else registry.get(model)
    rows = list(training)
    counts = [tokens.count_example(row, found.id) for row in rows]
    return costs.estimate(
        counts,
        found,
        n_epochs,
        as_of,
        text_counts=[tokens.count_text(row, found.id) for row in rows],
        validation_counts=[tokens.count_example(row, found.id) for row in validation],
        free_tokens=free_tokens,
    )
