"""Reading what a student hands in: numbers of every kind, functions that are called for them.

Raises `WrongAnswerError` with a sentence where there is nothing to read. Knows nothing of single
exercises.
"""

import copy
import inspect
import linecache
import math
import numbers
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from helpers.exercises.verdicts import UntouchedError, WrongAnswerError
from workbook import time_limit

SECONDS = 10  # what a student's function may take


def number(answer: Any, what: str = "The answer") -> float:
    """The value of any real number: of Python, numpy, pandas, torch, Decimal, Fraction.

    what: how the number is called where it is none
    """
    if isinstance(answer, str):
        raise WrongAnswerError(f"{what} is a text, not a number.", _as_number(answer))
    if isinstance(answer, bool) or type(answer).__name__ == "bool_":
        raise WrongAnswerError(f"{what} is {answer}, which is no number.", "True counts things.")
    if getattr(answer, "size", None) == 1 and hasattr(answer, "item"):
        answer = answer.item()  # numpy's scalars and arrays, a Series with one row
    elif type(answer).__module__ == "torch" and answer.numel() == 1:
        answer = answer.item()
    if not isinstance(answer, (numbers.Real, Decimal)):
        kind = type(answer).__name__
        raise WrongAnswerError(f"{what} is no single number but a {kind}.", "For instance 0.5.")
    try:
        value = float(answer)
    except (ValueError, OverflowError):  # a Decimal's sNaN, an integer of 400 digits
        value = math.inf
    if not math.isfinite(value):
        raise WrongAnswerError(
            f"{what} is {str(answer)[:40]}, which can not be compared.", "Is there a division by 0?"
        )
    return value


def whole(answer: Any, what: str = "The answer") -> int:
    """The same for a whole number, such as 3 or 3.0."""
    value = number(answer, what)
    if value != int(value):
        raise WrongAnswerError(f"{what} is {value:g}, which is no whole number.", "For instance 3.")
    return int(value)


def _as_number(text: str) -> str:
    """A hint for a number that was written as a text, such as "0,22", "$5" or "12 %"."""
    plain = re.sub(r"[\s$€%_']|USD", "", text)
    if re.fullmatch(r"[-+]?\d+,\d{1,2}", plain):
        plain = plain.replace(",", ".")
    plain = plain.replace(",", "")
    if not re.fullmatch(r"[-+]?\d*\.?\d+", plain):
        return "Leave out the quotes, and write a number such as 0.5."
    comma = " Python's decimal sign is a point." if "," in text else ""
    return f"Leave out the quotes and every sign of a unit: {plain}.{comma}"


def same(value: float, right: float, decimals: int | None = None) -> bool:
    """Whether two numbers are the same, but for a computer's rounding.

    decimals: how many the notebook shows; `right` rounded to as many is the same, too
    """
    if math.isclose(value, right, rel_tol=1e-6, abs_tol=1e-9):
        return True
    return decimals is not None and abs(value - right) <= 0.5 * 10**-decimals + 1e-9


def function_of(answer: Any, call: str) -> Callable[..., Any]:
    """The function that was handed in; otherwise the answer is wrong.

    call: how it is handed in, for the hint
    """
    if not callable(answer):
        raise WrongAnswerError("Hand in the function itself, without calling it.", call)
    return answer


def result_of(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a student's function returns for copies of these arguments.

    The three dots: it is untouched. Nothing, an exception, or no end: the answer is wrong, and the
    sentence says where.
    """
    _check_parameters(function, len(arguments))
    try:
        with time_limit.within(SECONDS, _endless):
            result = function(*copy.deepcopy(arguments))
    except (WrongAnswerError, UntouchedError, KeyboardInterrupt):
        raise
    except BaseException as error:  # exit() in an answer must not end the kernel
        raise WrongAnswerError(
            f"Your function stops with {type(error).__name__}: {error}{_place(error, function)}",
            f"It was called with {_shown(arguments)}. Call it so in a cell of your own.",
        ) from None
    if result is ...:
        raise UntouchedError
    if result is None:
        raise WrongAnswerError(
            "Your function returns nothing.", "What it should give back stands after `return`."
        )
    return result


def _check_parameters(function: Callable[..., Any], count: int) -> None:
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        names = ", ".join(inspect.signature(function).parameters) or "none"
        raise WrongAnswerError(
            f"Your function is called with {count} argument{'s' * (count != 1)}; its parameters "
            f"are: {names}.",
            "Keep the first line of the function as it was.",
        ) from None
    except ValueError:
        return  # a function of C that doesn't tell


def _endless() -> WrongAnswerError:
    return WrongAnswerError(
        f"Your function was still running after {SECONDS} seconds.", "Does its loop end?"
    )


def _place(error: BaseException, function: Callable[..., Any]) -> str:
    """Where it stopped: the last line that is the student's own, as it was written."""
    code, line, step = getattr(function, "__code__", None), 0, error.__traceback__
    while step is not None and code is not None:
        if step.tb_frame.f_code.co_filename == code.co_filename:
            line = step.tb_lineno
        step = step.tb_next
    text = linecache.getline(code.co_filename, line).strip() if code and line else ""
    return f", in the line `{text}`." if text else "."


def _shown(arguments: tuple[Any, ...]) -> str:
    text = ", ".join(map(repr, arguments))
    return text if len(text) <= 120 else f"{text[:117]}…"
