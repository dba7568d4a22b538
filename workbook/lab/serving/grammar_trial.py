"""Tries a grammar in a process of its own, before it may take the server's time and memory.

Some small schemas need minutes and gigabytes before the first token (multiples of a large number,
for one). Knows grammars' texts and their verdicts; nothing of tokens, models or requests.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from workbook import bounded_process
from workbook.bounded_process import BoundedProcess, Bounds, TooMuchError
from workbook.lab.model.grammar import LIMITS

MOST_CPU = 2.0  # seconds of the processor for one grammar
MOST_TIME = 30.0  # seconds in all, on a machine that is busy with other things
MOST_MEMORY = 512 * 2**20  # bytes
MOST_TEXT = 2**19  # characters of a grammar
MOST_WAITING = 8  # callers; each is a thread that could answer something else
_KEPT = 256  # verdicts
# Set once the client of what is planned in this context has left.
CLIENT_LEFT: ContextVar[threading.Event | None] = ContextVar("CLIENT_LEFT", default=None)


class BusyError(Exception):
    """So many grammars wait to be tried that this one should come later."""


class GrammarTrials:
    """The process that tries grammars, and its verdicts. Any thread may call any method."""

    def __init__(self) -> None:
        self._process = BoundedProcess(__name__)
        self._verdicts: OrderedDict[str, str] = OrderedDict()  # the one used last is the last
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def problem(self, grammar: str) -> str:
        """Why a grammar can't be enforced; empty where it can.

        Raises BusyError, and NobodyWaitsError as soon as CLIENT_LEFT says so.
        """
        if len(grammar) > MOST_TEXT:
            return f"it is longer than {MOST_TEXT:,} characters"
        if (known := self._verdicts.get(grammar)) is not None:
            return known
        with self._turn():
            verdict = self._verdicts.get(grammar)
            if verdict is None:
                verdict = self._try(grammar)
                self._verdicts[grammar] = verdict
                while len(self._verdicts) > _KEPT:
                    self._verdicts.popitem(last=False)
        return verdict

    def close(self) -> None:
        """End the process; the next grammar starts it again."""
        self._process.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._waiting.acquire(blocking=False):
            raise BusyError
        try:
            with self._process.turn(_is_wanted):
                yield
        finally:
            self._waiting.release()

    def _try(self, grammar: str) -> str:
        bounds = Bounds(MOST_CPU, MOST_TIME, MOST_MEMORY)
        try:
            answer: str = self._process.ask(grammar, bounds, _is_wanted)
        except TooMuchError as error:
            return (
                f"it takes too much {error} to enforce. Make it simpler: smaller numbers in "
                "'multipleOf', shorter patterns, fewer optional properties"
            )
        return answer


TRIALS = GrammarTrials()


def _is_wanted() -> bool:
    left = CLIENT_LEFT.get()
    return left is None or not left.is_set()


def main() -> None:
    """Answer each grammar with its problem, or with nothing."""
    import llguidance

    limits = llguidance.LLParserLimits(**LIMITS)
    tokenizer = llguidance.LLTokenizer("byte")  # a token a byte: the cost is nearly the same

    def problem(grammar: str) -> str:
        matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0, limits=limits)
        if not matcher.is_error():
            matcher.compute_bitmask()
        text = (matcher.get_error().strip() or "nothing fits it") if matcher.is_error() else ""
        return text[:2000]

    bounded_process.answer_each(problem, 2 * MOST_CPU)


if __name__ == "__main__":
    main()
