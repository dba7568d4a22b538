"""Work in a process of its own, which is ended where it takes too much time or memory.

What hangs in C, or fills the memory, can't be stopped in a thread; a process can. Knows how one is
asked, watched and ended; nothing of what it works on. A module that works there ends in a call of
`answer_each`.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

_LOOK = 0.05  # seconds between two looks at a process that works


@dataclass(frozen=True)
class Bounds:
    """What one question may take.

    cpu: seconds of the processor
    seconds: in all, on a machine that is busy with other things
    memory: bytes
    """

    cpu: float
    seconds: float
    memory: int


class TooMuchError(Exception):
    """A question took too much; the value is "time" or "memory"."""


class NobodyWaitsError(Exception):
    """Whoever had asked has gone."""


class BoundedProcess:
    """`python -m module`, asked line by line, by any thread.

    It starts at the first question, and again after each that took too much.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether somebody has a turn."""
        return self._lock.locked()

    @contextlib.contextmanager
    def turn(self, is_wanted: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """One after another: only inside may it be asked.

        Raises NobodyWaitsError where it is not wanted any more before its turn.
        """
        while not self._lock.acquire(timeout=_LOOK):
            if not is_wanted():
                raise NobodyWaitsError
        try:
            yield
        finally:
            self._lock.release()

    def ask(
        self, question: Any, bounds: Bounds, is_wanted: Callable[[], bool] = lambda: True
    ) -> Any:
        """What the process answers; both are JSON.

        is_wanted: looked at again and again; where it is False, the process is ended.
        Raises TooMuchError, NobodyWaitsError.
        """
        process = self._start()
        assert process.stdin is not None
        try:
            used, began = _cpu_seconds(process.pid), time.monotonic()
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            while True:
                with contextlib.suppress(queue.Empty):
                    return json.loads(self._answers.get(timeout=_LOOK))
                if process.poll() is not None:
                    raise BrokenPipeError
                if not is_wanted():
                    raise NobodyWaitsError
                if _cpu_seconds(process.pid) - used > bounds.cpu:
                    raise TooMuchError("time")
                if time.monotonic() - began > bounds.seconds:
                    raise TooMuchError("time")
                if psutil.Process(process.pid).memory_info().rss > bounds.memory:
                    raise TooMuchError("memory")
        except (OSError, psutil.Error):  # it has died
            self._end()
            raise TooMuchError("memory") from None
        except BaseException:  # what it says later would be taken for the next answer
            self._end()
            raise

    def close(self) -> None:
        """End the process; the next question starts it again."""
        with self._lock:
            self._end()

    def _start(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._answers = queue.Queue()
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                env=os.environ | {"RAYON_NUM_THREADS": "1"},
            )
            arguments = (self._process.stdout, self._answers)
            threading.Thread(target=_read, args=arguments, name=self._module, daemon=True).start()
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):  # the rest of a question that nobody will read
                self._process.stdin.close()
            self._process = None


def _read(stream: Iterator[str], answers: "queue.Queue[str]") -> None:
    for line in stream:
        answers.put(line)


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def answer_each(answer: Callable[[Any], Any], cpu: float, memory: int | None = None) -> None:
    """In the process: answer each line of standard input, until nobody asks any more.

    cpu, memory: a bound of its own, which holds where the one who asked was killed meanwhile; where
        memory runs out, that is for `answer` to say (MemoryError)
    """
    if memory is not None and hasattr(psutil, "RLIMIT_AS"):  # Linux; elsewhere who asks looks
        psutil.Process().rlimit(psutil.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    for line in sys.stdin:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, cpu)
        print(json.dumps(answer(json.loads(line))), flush=True)
