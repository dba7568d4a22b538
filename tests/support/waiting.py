"""Waiting for what others do, with an end: a test that hangs says nothing."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def until(condition: Callable[[], Value], seconds: float = 300, pause: float = 0.05) -> Value:
    """What the condition gives, once that is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited for {seconds} s: {value!r}"
        time.sleep(pause)
    return value
