"""Full or quick: how many seeds, examples and questions the further notebooks take.

Knows the setting `WORKBOOK_SCALE`. Stored outputs come from the full scale; slow laptops and the
tests take the quick one, with the same cells.
"""

import os
from typing import TypeVar

from workbook import display

Choice = TypeVar("Choice")


def is_quick() -> bool:
    """Whether `WORKBOOK_SCALE=quick` is set."""
    return os.environ.get("WORKBOOK_SCALE", "full").strip().lower() == "quick"


def choose(full: Choice, quick: Choice) -> Choice:
    """`full` at the full scale, `quick` at the quick one."""
    return quick if is_quick() else full


def show() -> None:
    """Say which scale is in force, and how to change it."""
    text = "Quick scale: fewer seeds, examples and questions, so wider intervals."
    if not is_quick():
        text = "Full scale. For fewer seeds and examples: %env WORKBOOK_SCALE=quick before this."
    display.box(text, "note")
