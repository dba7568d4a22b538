"""From rows and a model to the bill of a job: the tokens counted, then `workbook.prices.costs`.

Knows vocabularies and prices together; nothing of files, clients and money already spent.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from workbook.prices import costs, registry, tokens
from workbook.prices.costs import Estimate
from workbook.prices.model import Model


def job(
    training: Iterable[Mapping[str, Any]],
    model: str | Model,
    n_epochs: int | None = None,
    validation: Iterable[Mapping[str, Any]] = (),
    as_of: date | None = None,
    free_tokens: int = 0,
) -> Estimate:
    """What training on these rows costs on this model: low, expected and high.

    training, validation: rows in the chat or the prompt/completion format
    n_epochs: None takes the default rule
    as_of, free_tokens: as in `costs.estimate`, whose errors are raised here too
    Raises NoPriceError where the model is not sold by the token.
    """
    model = registry.resolve(model)
    rows = list(training)
    return costs.estimate(
        [tokens.count_example(row, model.id) for row in rows],
        model,
        n_epochs,
        as_of,
        text_counts=[tokens.count_text(row, model.id) for row in rows],
        validation_counts=[tokens.count_example(row, model.id) for row in validation],
        free_tokens=free_tokens,
    )
