"""From a data file and a model to the bill of a job: the tokens counted, then `workbook.prices.costs`.

Knows files, vocabularies and prices together; nothing of clients and of money already spent.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from workbook import doctor
from workbook.prices import costs, registry, tokens
from workbook.prices.costs import Estimate
from workbook.prices.registry import Model

Rows = str | Path | Iterable[Mapping[str, Any]]


def job(
    training: Rows,
    model: str | Model,
    n_epochs: int | None = None,
    validation: Rows | None = None,
    as_of: date | None = None,
    free_tokens: int = 0,
) -> Estimate:
    """What training on this file costs on this model: low, expected and high.

    `training` and `validation` are JSONL files or their rows, in the chat or the prompt/completion
    format. `n_epochs=None` takes the default rule. The rest as in `costs.estimate`, whose errors
    are raised here too; NoPrice where the model is not sold by the token.
    """
    found = model if isinstance(model, Model) else registry.get(model)
    rows = _rows(training)
    counts = [tokens.count_example(row, found.id) for row in rows]
    return costs.estimate(
        counts,
        found,
        n_epochs,
        as_of,
        text_counts=[tokens.count_text(row, found.id) for row in rows],
        validation_counts=[tokens.count_example(row, found.id) for row in _rows(validation or [])],
        free_tokens=free_tokens,
    )


def _rows(source: Rows) -> list[Mapping[str, Any]]:
    return doctor.read(source) if isinstance(source, (str, Path)) else list(source)
