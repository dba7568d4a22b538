"""Hands requests to the engine: those that somebody waits for first, a batch's in the gaps.

Knows how many are under way and when that is enough; knows nothing of what they ask.
"""

import math
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from workbook.lab.schema import ApiError

if TYPE_CHECKING:
    from workbook.lab.serving.engine import Completion, Engine, Request

MAX_QUEUED = 512  # answers being written or waiting; more are refused with 429
BATCHED = 8  # a batch's answers under way while nobody waits for another; 1 while somebody does
QUIET = 1.0  # seconds without such a request after which nobody is thought to wait


class Desk:
    """The one place where requests enter the engine. Any thread may call any method."""

    def __init__(self) -> None:
        self.engine: Future[Engine] = Future()  # set when the model has been loaded
        self._lock = threading.Lock()
        self._waited_for = 0
        self._last = -math.inf  # when somebody's answer was done

    def submit(self, requests: "list[Request]") -> "list[Future[Completion]]":
        """Queue requests that a client waits for. Raises ApiError (429) when too many wait."""
        engine = self.engine.result()
        with self._lock:
            if self._waited_for + len(requests) > MAX_QUEUED:
                raise ApiError(
                    429,
                    f"{self._waited_for} answers are being written or wait for their turn, and "
                    f"{MAX_QUEUED} may. Try again in a few seconds.",
                    "rate_limit_exceeded",
                    kind="requests",
                    headers={"Retry-After": "5"},
                )
            self._waited_for += len(requests)
        futures = [engine.submit(request) for request in requests]
        for future in futures:
            future.add_done_callback(self._done)
        return futures

    def submit_batched(self, requests: "list[Request]") -> "list[Future[Completion]]":
        """Queue requests of a batch, for which `room` has said that there is room."""
        engine = self.engine.result()
        return [engine.submit(request) for request in requests]

    def room(self, under_way: int) -> bool:
        """Whether a batch that has so many answers under way may begin another."""
        quiet = not self._waited_for and time.monotonic() - self._last > QUIET
        return under_way < (BATCHED if quiet else 1)

    def _done(self, future: Future) -> None:
        with self._lock:
            self._waited_for -= 1
            self._last = time.monotonic()
