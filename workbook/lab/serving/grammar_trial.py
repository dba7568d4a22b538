"""Tries a grammar in a process of its own, before it may take the server's time and memory.

Some small schemas need minutes and gigabytes before the first token (multiples of a large number,
for one), and what is under way in llguidance can't be stopped: a process can. Knows grammars' texts
and what trying them has cost; nothing of tokens, models or requests.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

MOST_CPU = 2.0  # seconds of the processor for one grammar
MOST_TIME = 30.0  # seconds in all, on a machine that is busy with other things
MOST_MEMORY = 512 * 2**20  # bytes
MOST_TEXT = 2**19  # characters of a grammar
MOST_WAITING = 8  # callers; each is a thread that could answer something else
_KEPT = 256  # verdicts
# Less than llguidance allows by itself: an answer's grammar grows while it is written, and 32 of
# them may be (measured: 1 KB a state).
LIMITS: dict[str, Any] = {
    "max_lexer_states": 50_000,
    "max_items_in_row": 10_000,
    "verbose_errors": False,
}


class BusyError(Exception):
    """So many grammars wait to be tried that this one should come later."""


class GrammarTrials:
    """The process that tries grammars, started at the first one and again after each that it took
    too long with, and its verdicts. Any thread may call any method."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._verdicts: OrderedDict[str, str] = OrderedDict()  # the one used last is the last
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def problem(self, grammar: str) -> str:
        """Why a grammar can't be enforced; empty where it can. Raises BusyError."""
        if len(grammar) > MOST_TEXT:
            return f"it is longer than {MOST_TEXT:,} characters"
        if (known := self._verdicts.get(grammar)) is not None:
            return known
        with self._turn():
            verdict = self._verdicts.get(grammar)
            if verdict is None:
                verdict = self._try(grammar)
                self._verdicts[grammar] = verdict
                while len(self._verdicts) > _KEPT:
                    self._verdicts.popitem(last=False)
        return verdict

    def close(self) -> None:
        """End the process; the next grammar starts it again."""
        with self._lock:
            self._end()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._waiting.acquire(blocking=False):
            raise BusyError
        try:
            with self._lock:
                yield
        finally:
            self._waiting.release()

    def _try(self, grammar: str) -> str:
        process = self._started()
        assert process.stdin is not None
        used = _cpu_seconds(process.pid)
        began = time.monotonic()
        try:
            process.stdin.write(json.dumps(grammar) + "\n")
            process.stdin.flush()
            while True:
                try:
                    answer: str = json.loads(self._answers.get(timeout=0.05))
                    return answer
                except queue.Empty:
                    if process.poll() is not None:
                        raise BrokenPipeError from None
                if _cpu_seconds(process.pid) - used > MOST_CPU:
                    return self._given_up("time")
                if time.monotonic() - began > MOST_TIME:
                    return self._given_up("time")
                if psutil.Process(process.pid).memory_info().rss > MOST_MEMORY:
                    return self._given_up("memory")
        except (OSError, psutil.Error):  # it has died
            return self._given_up("memory")

    def _given_up(self, what: str) -> str:
        self._end()
        return (
            f"it takes too much {what} to enforce. Make it simpler: smaller numbers in "
            "'multipleOf', shorter patterns, fewer optional properties"
        )

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            self._answers = queue.Queue()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | {"RAYON_NUM_THREADS": "1"},
            )
            arguments = (self._process.stdout, self._answers)
            threading.Thread(target=_read, args=arguments, name="trials", daemon=True).start()
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None


TRIALS = GrammarTrials()


def _read(stream: "Iterator[str]", answers: "queue.Queue[str]") -> None:
    for line in stream:
        answers.put(line)


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    seconds: float = times.user + times.system
    return seconds


def main() -> None:
    """Answer each line of standard input, a grammar, with its problem or nothing."""
    import llguidance

    limits = llguidance.LLParserLimits(**LIMITS)
    tokenizer = llguidance.LLTokenizer("byte")  # a token a byte: the cost is nearly the same
    for line in sys.stdin:
        if hasattr(signal, "setitimer"):  # ends it also where the server was killed meanwhile
            signal.setitimer(signal.ITIMER_PROF, 2 * MOST_CPU)
        matcher = llguidance.LLMatcher(tokenizer, json.loads(line), log_level=0, limits=limits)
        if not matcher.is_error():
            matcher.compute_bitmask()
        problem = (matcher.get_error().strip() or "nothing fits it") if matcher.is_error() else ""
        print(json.dumps(problem[:2000]), flush=True)


if __name__ == "__main__":
    main()
