"""The day that everything calculates with: today, or the one that `WORKBOOK_TODAY` names.

Knows no prices and no models.
"""

import os
from datetime import date

from workbook.errors import WorkbookError

VARIABLE = "WORKBOOK_TODAY"  # of authors and tests, and of those who plan for a later day


def today() -> date:
    """The day. Raises WorkbookError where the variable holds none."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WorkbookError(
            f"{VARIABLE} is {text[:40]!r}, which is no date. Write it as year, month and day, such "
            f"as {date.today()}, or remove it to calculate with today."
        ) from None
