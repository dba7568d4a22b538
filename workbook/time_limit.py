"""Ending Python code that takes too long, where the system can.

Knows signals. Knows nothing of what runs.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def within(
    seconds: float, error: Callable[[], Exception], *, processor_time: bool = False
) -> Iterator[None]:
    """Raise `error()` in the block where it takes longer.

    processor_time: count only what this process computes, not what it waits for
    Does nothing outside a program's main thread, and on Windows, which has no such signals. Code
    that hangs within C is not ended.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise error()

    number = signal.SIGVTALRM if processor_time else signal.SIGALRM
    timer = signal.ITIMER_VIRTUAL if processor_time else signal.ITIMER_REAL
    before = signal.signal(number, stop)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
