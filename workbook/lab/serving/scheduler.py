"""Hands requests to the engine: those that somebody waits for first, a batch's in the gaps.

Knows how many are under way and when that is enough; knows nothing of what they ask.
"""

import math
import threading
import time
from collections import Counter
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from workbook.lab.errors import ApiError
from workbook.lab.owner import current
from workbook.lab.serving.types import Completion, Request

if TYPE_CHECKING:  # brings torch
    from workbook.lab.serving.engine import Engine

MAX_QUEUED = 512  # answers being written or waiting; more are refused with 429
OF_ONE = 64  # of these, where several students share the lab: those of one, unless of one request
BATCHED = 8  # a batch's answers under way while nobody waits for another; 1 while somebody does
QUIET = 1.0  # seconds without such a request after which nobody is thought to wait


class Scheduler:
    """The one place where requests enter the engine. Any thread may call any method."""

    def __init__(self) -> None:
        self.engine: Future[Engine] = Future()  # set when the model has been loaded
        self._lock = threading.Lock()
        self._interactive = 0  # answers that a client waits for
        self._of: Counter[str] = Counter()  # of these, by owner
        self._last = -math.inf  # seconds of the monotonic clock: when one of these was done

    def submit(self, requests: list[Request]) -> list[Future[Completion]]:
        """Queue requests that a client waits for. Raises ApiError (429) when too many wait."""
        engine, owner = self.engine.result(), current()
        with self._lock:
            count, most = self._interactive, MAX_QUEUED
            if owner:
                count, most = self._of[owner], max(OF_ONE, len(requests))
            if count + len(requests) > most:
                raise ApiError(
                    429,
                    f"{count} answers are being written or wait for their turn, and {most} may. "
                    "Try again in a few seconds.",
                    "rate_limit_exceeded",
                    kind="requests",
                    headers={"Retry-After": "5"},
                )
            self._interactive += len(requests)
            self._of[owner] += len(requests)
        futures = [engine.submit(request) for request in requests]
        for future in futures:
            future.add_done_callback(partial(self._note_end, owner))
        return futures

    def submit_batched(self, requests: list[Request]) -> list[Future[Completion]]:
        """Queue requests of a batch, for which `room` has said that there is room."""
        engine = self.engine.result()
        return [engine.submit(request) for request in requests]

    def room(self, under_way: int) -> bool:
        """Whether a batch that has so many answers under way may begin another."""
        quiet = not self._interactive and time.monotonic() - self._last > QUIET
        return under_way < (BATCHED if quiet else 1)

    def _note_end(self, owner: str, future: Future[Completion]) -> None:
        with self._lock:
            self._interactive -= 1
            self._of[owner] -= 1
            self._last = time.monotonic()
