"""Whose turn it is: students take turns, so that nobody waits for all that another has queued.

Knows owners and who was served last. Knows nothing of what they wait for.
"""

import itertools
import threading
from collections.abc import Iterable
from typing import TypeVar

Work = TypeVar("Work")


class Turns:
    """Round robin over owners; of one owner's work, and of one owner alone, the oldest is first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = itertools.count(1)
        self._served: dict[str, int] = {}  # owner: when they had their turn last

    def next(self, waiting: Iterable[tuple[str, Work]]) -> Work | None:
        """What comes next, which is its owner's turn; None where nothing waits.

        waiting: each with its owner, the oldest first.
        """
        with self._lock:
            candidates = list(waiting)
            if not candidates:
                return None
            owner, work = min(candidates, key=lambda each: self._served.get(each[0], 0))
            self._served[owner] = next(self._count)
            return work
