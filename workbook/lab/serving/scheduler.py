"""Hands requests to the engine: those that somebody waits for first, a batch's in the gaps.

Knows how many are under way and when that is enough; knows nothing of what they ask.
"""

import math
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from workbook.lab.errors import ApiError
from workbook.lab.serving.types import Completion, Request

if TYPE_CHECKING:  # brings torch
    from workbook.lab.serving.engine import Engine

MAX_QUEUED = 512  # answers being written or waiting; more are refused with 429
BATCHED = 8  # a batch's answers under way while nobody waits for another; 1 while somebody does
QUIET = 1.0  # seconds without such a request after which nobody is thought to wait


class Scheduler:
    """The one place where requests enter the engine. Any thread may call any method."""

    def __init__(self) -> None:
        self.engine: Future[Engine] = Future()  # set when the model has been loaded
        self._lock = threading.Lock()
        self._interactive = 0  # answers that a client waits for
        self._last = -math.inf  # seconds of the monotonic clock: when one of these was done

    def submit(self, requests: list[Request]) -> list[Future[Completion]]:
        """Queue requests that a client waits for. Raises ApiError (429) when too many wait."""
        engine = self.engine.result()
        with self._lock:
            if self._interactive + len(requests) > MAX_QUEUED:
                raise ApiError(
                    429,
                    f"{self._interactive} answers are being written or wait for their turn, and "
                    f"{MAX_QUEUED} may. Try again in a few seconds.",
                    "rate_limit_exceeded",
                    kind="requests",
                    headers={"Retry-After": "5"},
                )
            self._interactive += len(requests)
        futures = [engine.submit(request) for request in requests]
        for future in futures:
            future.add_done_callback(self._note_end)
        return futures

    def submit_batched(self, requests: list[Request]) -> list[Future[Completion]]:
        """Queue requests of a batch, for which `room` has said that there is room."""
        engine = self.engine.result()
        return [engine.submit(request) for request in requests]

    def room(self, under_way: int) -> bool:
        """Whether a batch that has so many answers under way may begin another."""
        quiet = not self._interactive and time.monotonic() - self._last > QUIET
        return under_way < (BATCHED if quiet else 1)

    def _note_end(self, future: Future[Completion]) -> None:
        with self._lock:
            self._interactive -= 1
            self._last = time.monotonic()
