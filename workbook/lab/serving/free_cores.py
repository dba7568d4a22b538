"""How many threads compute a step: as many as other programs leave cores for (Linux).

The threads of a step wait for each other awake for a moment (`serving_process.WAITING`): a step
then takes less time than where they sleep. But where another program needs their cores, they wait
in vain for each other's turn, and fewer are faster. Measured on 2 cores, seconds for 16 answers of
48 tokens, by how much of a core another program takes:

                                 0    0.35   0.5   0.7     1     2
    two threads that sleep     1.31   1.91  1.79  1.86  1.71  2.24
    two threads, awake         1.00   1.36  1.47  1.91  2.65  4.49
    one thread                 1.50   1.55  1.55  1.54  1.48  2.40

So two up to half a core, and one beyond. Programs of low priority count, too: beside the lab's own
training a short answer takes 70 milliseconds with one thread and 220 with two that are awake. Knows
the processor's times; nothing of models.
"""

import sys
import time
from dataclasses import dataclass

import psutil
import torch

SECONDS = 0.25  # between two looks


class FreeCores:
    """Keeps the calling thread, and the team that it computes with, to the cores that are free."""

    def __init__(self) -> None:
        self._most = torch.get_num_threads()
        self._last = _Times.read()

    def take(self) -> None:
        """Look again, unless that was done a moment ago, and compute with so many threads."""
        if self._most == 1 or sys.platform != "linux":
            return
        if time.monotonic() - self._last.clock < SECONDS:
            return
        now = _Times.read()
        count = suited(self._most, psutil.cpu_count() or 1, now.of_others_since(self._last))
        self._last = now
        if count != torch.get_num_threads():
            torch.set_num_threads(count)


def suited(most: int, cores: int, others: float) -> int:
    """How many threads are best, of at most `most`, where others keep so many cores busy."""
    return max(1, min(most, int(cores - others + 0.5)))


@dataclass(frozen=True)
class _Times:
    """Seconds: of the clock, of all programs on all cores, of this process."""

    clock: float
    busy: float
    own: float

    @classmethod
    def read(cls) -> "_Times":
        times = psutil.cpu_times()
        busy = times.user + getattr(times, "nice", 0.0) + times.system  # Windows has no nice
        return cls(time.monotonic(), busy, time.process_time())

    def of_others_since(self, earlier: "_Times") -> float:
        """How many cores other programs kept busy since then, on average."""
        busy, own = self.busy - earlier.busy, self.own - earlier.own
        return max(0.0, busy - own) / (self.clock - earlier.clock)
