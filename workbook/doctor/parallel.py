"""A large JSONL file, checked by several processes of this machine; the report is that of one.

Each looks at stretches of the file, row by row; the checks of the set see here, in the order of the
file, what they send. A process is a program of its own (`python -m` this module): forking would
copy a notebook's threads, and `multiprocessing` would run the caller's script again. Where one
can't be had, or dies, its stretch is looked at here. Knows nothing of what is looked for.
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple

from workbook.doctor.lines import Line, Problem
from workbook.doctor.partial_results import PartialResult, check_lines
from workbook.doctor.progress import byte_bar
from workbook.doctor.readers.bounded_lines import bounded_lines
from workbook.doctor.readers.jsonl import value_of
from workbook.doctor.readers.source import Source, formed
from workbook.doctor.report import Report
from workbook.doctor.report_builder import ReportBuilder
from workbook.doctor.set_checks.check import SetCheck

_PART = 2 * 2**20  # bytes of a stretch
WORTH = 12 * 2**20  # bytes for which it pays to start another process
MOST = 8  # processes; what is done here with their results takes a sixth of the whole


class _Task(NamedTuple):
    """A stretch, and what `check_lines` is to know."""

    path: str
    start: int
    end: int
    columns: dict[str, str]
    model: str | None
    with_texts: bool
    host: str


def processes(source: Source) -> int:
    """How many processes a file is worth; it takes a second to start one."""
    if not source.plain:
        return 1
    return min(os.cpu_count() or 1, MOST, source.size // WORTH + 1)


def build(
    source: Source,
    number: int,
    model: str | None,
    job_problems: Iterable[Problem],
    leaks: SetCheck | None,
    host: str | None,
) -> Report:
    """As `report_builder.build`, for a file of plain JSONL, by so many processes.

    Raises WorkbookError for an unknown model, or where the file goes away meanwhile.
    """
    builder = ReportBuilder(source.path.name, model, leaks, host)
    source.require_columns()
    try:
        with byte_bar(source.size, f"checking {source.path.name}") as bar:
            for task, part in _parts(source, builder, number):
                builder.add(part, builder.lines - (task.start > 0))
                bar.update(task.end - task.start)
    except OSError as error:
        raise source.unreadable(error) from None
    return builder.report(chain(job_problems, source.problems), source, source.size)


def _parts(
    source: Source, builder: ReportBuilder, number: int
) -> Iterator[tuple[_Task, PartialResult]]:
    """The stretches in their order; a few are looked at ahead."""
    columns = source.options.get("columns") or {}
    path, host = str(source.path.resolve()), builder.host.id
    workers: list[_Worker] = []
    idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def check(task: _Task) -> PartialResult:
        worker = idle.get()
        try:
            return worker.check(task)
        finally:
            idle.put(worker)

    pending: deque[tuple[_Task, Future[PartialResult]]] = deque()
    threads = ThreadPoolExecutor(number, thread_name_prefix="checking")
    try:
        for _ in range(number):  # by this thread, so that none can start once they are ended
            workers.append(_Worker())
            idle.put(workers[-1])
        for start in range(0, source.size, _PART):
            end = min(start + _PART, source.size)
            task = _Task(path, start, end, columns, builder.model, builder.needs_texts, host)
            pending.append((task, threads.submit(check, task)))
            if len(pending) > 2 * number:
                task, future = pending.popleft()
                yield task, future.result()
        while pending:
            task, future = pending.popleft()
            yield task, future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.end()
        threads.shutdown()


class _Worker:
    """A process, asked for one stretch at a time."""

    def __init__(self) -> None:
        self._is_wanted = True
        self._process: subprocess.Popen[bytes] | None = None  # None: done here, for want of one
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"RAYON_NUM_THREADS": "1"},
            )

    def check(self, task: _Task) -> PartialResult:
        """What a stretch holds. Raises what `check_lines` does, and OSError or EOFError after
        `end`: nobody waits for it any more."""
        if self._process is not None:
            try:
                return _ask(self._process, task)
            except (OSError, EOFError, ValueError, pickle.UnpicklingError):
                if not self._is_wanted:
                    raise
                _kill(self._process)
                self._process = None
        return check_stretch(task)

    def end(self) -> None:
        """Kill it: it has nothing that is worth waiting for."""
        self._is_wanted = False
        if (process := self._process) is not None:
            _kill(process)


def _ask(process: subprocess.Popen[bytes], task: _Task) -> PartialResult:
    assert process.stdin is not None and process.stdout is not None
    pickle.dump(tuple(task), process.stdin)
    process.stdin.flush()
    part: PartialResult = pickle.load(process.stdout)
    return part


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError, ValueError):
            if pipe is not None:
                pipe.close()


def check_stretch(task: _Task) -> PartialResult:
    """What the lines hold that begin between two bytes, numbered from 1.

    But from 2 in a stretch that does not open the file, whose first line is the only one that may
    have a byte order mark.
    """
    return check_lines(_lines(task), task.model, task.with_texts, task.host)


def _lines(task: _Task) -> Iterator[Line]:
    with open(task.path, "rb") as stream:
        if task.start:  # the line that began before is another stretch's
            stream.seek(task.start - 1)
            next(bounded_lines(stream), b"")
        size = task.end - stream.tell()
        for number, raw in enumerate(bounded_lines(stream, size), start=2 if task.start else 1):
            yield formed(value_of(number, raw), task.columns)


def main() -> None:
    """Look at each stretch that is asked for, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints
    with contextlib.suppress(EOFError, OSError):
        while True:
            # A plain tuple: this module has another name in here.
            part = check_stretch(_Task(*pickle.load(sys.stdin.buffer)))
            pickle.dump(part, answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()


if __name__ == "__main__":
    main()
