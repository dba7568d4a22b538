"""From rows and a model to the bill of a job: the tokens counted, then `workbook.prices.costs`.

Knows vocabularies and prices together; nothing of files, clients and money already spent.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from workbook.prices import costs, registry, sizes
from workbook.prices.costs import Estimate
from workbook.prices.model import Model
from workbook.prices.size import Size


def job(
    training: Iterable[Mapping[str, Any]],
    model: str | Model,
    n_epochs: int | None = None,
    validation: Iterable[Mapping[str, Any]] = (),
    as_of: date | None = None,
    free_tokens: int = 0,
) -> Estimate:
    """What training on these rows costs on this model: low, expected and high.

    training, validation: rows of any method: chats, prompt/completion pairs, or preferences (DPO),
        of which the prompt and both answers are counted
    n_epochs: None takes the default rule
    as_of, free_tokens: as in `costs.estimate`, whose errors are raised here too
    Raises NoPriceError where the model is not sold by the token, as in reinforcement.
    """
    model = registry.resolve(model)
    count = sizes.for_model(model).row
    rows = list(training)
    is_dpo = bool(rows) and all(sizes.is_preference(row) for row in rows)
    return of_sizes(
        [count(row) for row in rows],
        model,
        n_epochs,
        [count(row) for row in validation],
        as_of,
        free_tokens,
        "dpo" if is_dpo else "supervised",
    )


def of_sizes(
    training: Iterable[Size],
    model: str | Model,
    n_epochs: int | None = None,
    validation: Iterable[Size] = (),
    as_of: date | None = None,
    free_tokens: int = 0,
    method: str | None = None,
) -> Estimate:
    """As `job`, of rows that were counted before with `sizes.for_model(model).row`."""
    rows = list(training)
    held_out = list(validation)
    return costs.estimate(
        [row.expected for row in rows],
        model,
        n_epochs,
        as_of,
        at_least=[row.at_least for row in rows],
        at_most=[row.at_most for row in rows],
        validation=[row.at_most for row in held_out],
        free_tokens=free_tokens,
        gaps={gap for row in (*rows, *held_out) for gap in row.gaps},
        method=method,
    )
