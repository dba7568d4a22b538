"""A thread in the background. Knows nothing of what it works on."""

import logging
import threading
from collections.abc import Callable

PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between looks for work; after many errors

_log = logging.getLogger("lab")


class WorkerThread:
    """A thread that does `work` as long as there is some, then sleeps until woken."""

    def __init__(self, name: str, stopping: threading.Event, work: Callable[[], bool]) -> None:
        """Does not start it.

        stopping: shared with others; once it is set, the thread ends.
        work: a piece of it; False when there was none.
        """
        self.wake = threading.Event()
        self._stopping, self._work = stopping, work
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        pause = PAUSE
        while not self._stopping.is_set():
            try:
                busy, pause = self._work(), PAUSE
            except Exception:  # as of a full disk: it is tried again, less and less often
                _log.exception("%s", self.thread.name)
                busy, pause = False, min(2 * pause, LONGEST_PAUSE)
            if not busy:
                self.wake.wait(pause)
                self.wake.clear()
