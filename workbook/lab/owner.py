"""Whose work is being done: what is read then is theirs alone, and what is written belongs to them.

A context variable: it goes along into every thread that a request hands work to. Nobody's work, as
that of the lab's own key, sees everything. Knows names; nothing of keys, records or HTTP.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_OWNER: ContextVar[str] = ContextVar("owner", default="")


def current() -> str:
    """The student whose work is done now; "" is nobody in particular."""
    return _OWNER.get()


@contextlib.contextmanager
def acting_for(name: str) -> Iterator[None]:
    """What is done in this block is done for a student."""
    token = _OWNER.set(name)
    try:
        yield
    finally:
        _OWNER.reset(token)
