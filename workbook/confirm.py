"""Asking a person: for a yes before something is spent, written or deleted, or for a secret.

One vocabulary for all, in the languages of the course. Knows notebooks and terminals; knows nothing
of what is asked.
"""

import getpass
import sys

from workbook import display
from workbook.errors import RefusedError

YES = frozenset({"yes", "y", "sí", "si", "sim", "s"})


class NobodyToAskError(RefusedError):
    """There is no person at the other end: a test, a script, a notebook run without a browser."""


def agrees(question: str, otherwise: str) -> bool:
    """Whether the person answers with a yes; anything else, and Enter alone, is a no.

    otherwise: what to do where nobody can be asked. Raises NobodyToAskError there.
    """
    answer = ask(f"{question} Type yes to go on: ", otherwise)
    return answer.strip().casefold() in YES


def ask(question: str, otherwise: str, *, secret: bool = False) -> str:
    """What the person types; not shown when `secret`. Raises NobodyToAskError.

    In a terminal the question goes to standard error: standard output belongs to results.
    """
    try:
        if secret:
            return getpass.getpass(question)
        if display.in_notebook():
            return input(question)
        if sys.stdin.isatty():
            print(question, end="", file=sys.stderr, flush=True)
            return sys.stdin.readline()
    except Exception as error:
        # ipykernel's StdinNotImplementedError (no common base with EOFError), or a closed stdin.
        if not isinstance(error, EOFError) and type(error).__name__ != "StdinNotImplementedError":
            raise
    raise NobodyToAskError(f"Nobody can be asked here: {question.rstrip(': ')}. {otherwise}")
