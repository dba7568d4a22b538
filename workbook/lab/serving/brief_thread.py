"""Calls carried out one after another, in a thread that ends when none is left.

Each thread that multiplies matrices has a team of others for it, as long as it lives. Where the
teams have more members than there are cores, OpenMP lets none of them wait awake, and the engine's
steps take a third longer (see `free_cores`). Knows nothing of what is called.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class BriefThread:
    """An executor with one thread, which is there only while there is something to do."""

    def __init__(self, name: str) -> None:
        self._name, self._lock = name, threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._thread: threading.Thread | None = None

    def submit(self, call: Callable[P, T], *args: P.args, **options: P.kwargs) -> Future[T]:
        """The result of a call, later; `cancel()` on it drops a call that still waits."""
        future: Future[T] = Future()
        with self._lock:
            self._waiting.append((future, lambda: call(*args, **options)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return future

    def close(self) -> None:
        """Cancel what waits, and wait for what is under way."""
        with self._lock:
            thread, dropped = self._thread, list(self._waiting)
            self._waiting.clear()
        for future, _ in dropped:
            future.cancel()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                future, call = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
