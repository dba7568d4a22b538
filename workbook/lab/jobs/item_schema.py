"""Whether the items of an eval fit its schema, found out in a process of its own.

Schema and items are a client's: a pattern such as `^(a+)+$` keeps Python's `re` busy for years, and
with it every thread. Knows JSON Schema; nothing of evals, records or HTTP.
"""

import atexit
import re
from typing import Any

import referencing
import referencing.exceptions

from workbook import bounded_process
from workbook.bounded_process import BoundedProcess, Bounds, TooMuchError
from workbook.lab.schema import Draft202012Validator

BOUNDS = Bounds(cpu=20.0, seconds=120.0, memory=512 * 2**20)  # 10,000 small items take 2 s

_PROCESS = BoundedProcess(__name__)
atexit.register(_PROCESS.close)
close = _PROCESS.close  # ends the process; the next question starts it again


def problem(schema: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """Why the items can't be taken, as a sentence without its full stop; empty where they can."""
    try:
        with _PROCESS.turn():
            return str(_PROCESS.ask([schema, items], BOUNDS))
    except TooMuchError as error:
        return (
            f"The items take too much {error} to compare with 'item_schema': make it simpler, "
            "above all its patterns"
        )


# In the process


def _answer(question: Any) -> str:
    schema, items = question
    # An empty registry: what a schema refers to is within it, and nothing is fetched.
    validator = Draft202012Validator(schema, registry=referencing.Registry())
    for i, item in enumerate(items):
        try:
            error = next(validator.iter_errors(item), None)
        except referencing.exceptions.Unresolvable as unknown:
            return f"'item_schema' refers to '{unknown.ref[:80]}', which is not within it"
        except re.error as wrong:
            return f"'item_schema' has a pattern that is none: {wrong}"
        except RecursionError:
            return f"Item {i + 1} or 'item_schema' is nested too deeply"
        if error is not None:
            return f"Item {i + 1} does not fit 'item_schema': {error.message[:200]}"
    return ""


if __name__ == "__main__":
    bounded_process.answer_each(_answer, 2 * BOUNDS.cpu)
