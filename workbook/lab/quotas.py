"""How much of the lab one student may have: jobs at once, stored bytes, requests.

Counts for the `owner` of the work that is being done; whoever is nobody in particular has no limit
but those of the lab as a whole. Refuses as OpenAI does. Knows nothing of keys or HTTP.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workbook.lab import owner
from workbook.lab.errors import ApiError
from workbook.lab.state.records import Batch, EvalRun, Job
from workbook.lab.state.storage import stored_bytes
from workbook.lab.state.store import Store

MAX_WAITING = 100  # jobs, batches, runs of evals that are not finished: of each, of all together
_NAMES: dict[type, str] = {Job: "jobs", Batch: "batches", EvalRun: "runs"}


@dataclass(frozen=True)
class Limits:
    """What one student may have.

    jobs: that are not finished; as many batches, and as many runs of evals.
    megabytes: of files and tuned models, of 2²⁰ bytes.
    requests: a minute.
    at_once: requests under way.
    """

    jobs: int = 20
    megabytes: int = 2048
    requests: int = 600
    at_once: int = 32


class Quotas:
    """Limits, and what has been used of them. Any thread may call any method."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store, self._limits = store, limits
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()  # requests under way, by owner
        self._arriving: Counter[str] = Counter()  # bytes
        self._buckets: dict[str, tuple[float, float]] = {}  # owner: requests left, at which second

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """While a request is answered. Raises ApiError (429)."""
        name = owner.current()
        if not name:
            yield
            return
        with self._lock:
            if self._open[name] >= self._limits.at_once:
                message = (
                    f"Rate limit reached: you have {self._open[name]} requests under way, and may "
                    f"have {self._limits.at_once}. Please try again in 1s."
                )
                raise _too_many(message, 1)
            self._take_token(name)
            self._open[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[name] -= 1

    def _take_token(self, name: str) -> None:
        """A bucket that fills in a minute, so that a refused request has its turn soon."""
        limit, now = self._limits.requests, time.monotonic()
        left, then = self._buckets.get(name, (float(limit), now))
        left = min(float(limit), left + (now - then) * limit / 60)
        if left < 1:
            self._buckets[name] = left, now
            seconds = (1 - left) * 60 / limit
            message = (
                f"Rate limit reached on requests per min (RPM): Limit {limit}, Used {limit}, "
                f"Requested 1. Please try again in {seconds:.3g}s."
            )
            raise _too_many(message, max(1, round(seconds + 0.5)))
        self._buckets[name] = left - 1, now

    @contextlib.contextmanager
    def room(self, size: int) -> Iterator[None]:
        """While so many bytes arrive, or none where only what is there counts.

        Raises ApiError (429) where there is no room for them.
        """
        name = owner.current()
        if not name:
            yield
            return
        most = self._limits.megabytes * 2**20
        with self._lock:
            used = stored_bytes(self._store) + self._arriving[name]
            if used + size > most or (not size and used >= most):
                raise ApiError(
                    429,
                    f"You exceeded your current quota: {used / 2**20:,.1f} of "
                    f"{self._limits.megabytes:,} MB are stored, and {size / 2**20:,.1f} MB more "
                    "don't fit. Delete files or tuned models that you need no more.",
                    "insufficient_quota",
                    kind="insufficient_quota",
                    headers={"x-should-retry": "false"},  # OpenAI's clients obey: it would not help
                )
            self._arriving[name] += size
        try:
            yield
        finally:
            with self._lock:
                self._arriving[name] -= size

    def check_waiting(
        self, kind: type[Job] | type[Batch] | type[EvalRun], unfinished: Iterable[str]
    ) -> None:
        """Raise ApiError (429) where no more of this kind may be waiting or under way."""
        what, count = _NAMES[kind], self._store.count(kind, unfinished)
        if owner.current() and count >= self._limits.jobs:
            message = (
                f"This request has been rate-limited: you have reached the maximum of "
                f"{self._limits.jobs} active {what}. Try again when one is done."
            )
        elif not owner.current() and count >= MAX_WAITING:
            message = f"{MAX_WAITING} {what} are waiting. Try again when some are done."
        else:
            return
        raise _too_many(message, 30)


def _too_many(message: str, seconds: int) -> ApiError:
    headers = {"Retry-After": str(seconds)}
    return ApiError(429, message, "rate_limit_exceeded", kind="requests", headers=headers)
