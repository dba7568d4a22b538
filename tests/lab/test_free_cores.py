"""Threads: as many as other programs leave cores for, and the same numbers from any count."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
import tinybase
import torch
from hypothesis import given
from hypothesis import strategies as st
from logits import logits

from workbook.lab.model import bases, weights
from workbook.lab.model.llama import Llama
from workbook.lab.serving import free_cores
from workbook.lab.serving.brief_thread import BriefThread
from workbook.lab.serving.engine import Engine
from workbook.lab.serving.free_cores import FreeCores, suited
from workbook.lab.serving.model_loader import ModelLoader
from workbook.lab.serving.types import Request


@pytest.fixture(scope="module")
def model() -> Llama:
    return ModelLoader(weights.ensure(), torch.bfloat16, torch.device("cpu")).base()


def current_name() -> str:
    return threading.current_thread().name


@contextmanager
def threads(count: int) -> Iterator[None]:
    """This thread computes with so many meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("most", "cores", "others", "count"),
    [
        (2, 2, 0.0, 2),
        (2, 2, 0.45, 2),
        (2, 2, 0.55, 1),
        (2, 2, 7.0, 1),
        (4, 8, 2.0, 4),
        (4, 8, 6.0, 2),
    ],
)
def test_as_many_threads_as_others_leave_cores_for(most, cores, others, count) -> None:
    assert suited(most, cores, others) == count


@given(st.integers(1, 64), st.integers(1, 64), st.floats(0, 100), st.floats(0, 10))
def test_never_none_never_too_many_and_fewer_beside_more(most, cores, others, more) -> None:
    assert 1 <= suited(most, cores, others + more) <= suited(most, cores, others) <= most


def test_its_own_work_does_not_count_and_that_of_low_priority_does(monkeypatch) -> None:
    """On a machine whose times are given: user, nice, system, in seconds."""
    clock, machine, own = [0.0], [0.0, 0.0, 0.0], [0.0]
    kind = type(psutil.cpu_times())
    rest = (0.0,) * (len(kind._fields) - 3)
    monkeypatch.setattr(psutil, "cpu_times", lambda: kind(*machine, *rest))
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "process_time", lambda: own[0])

    def after(user: float, nice: float, system: float, process: float) -> int:
        clock[0] += 1
        own[0] += process
        machine[:] = [old + new for old, new in zip(machine, (user, nice, system), strict=True)]
        cores.take()
        return torch.get_num_threads()

    with threads(2):
        cores = FreeCores()
        assert after(1.9, 0.0, 0.1, 2.0) == 2  # all is its own
        assert after(0.5, 1.5, 0.0, 0.5) == 1  # a training of low priority beside it
        assert after(0.2, 0.2, 0.1, 0.1) == 2  # little beside it
        assert after(1.0, 0.0, 0.8, 1.0) == 1
        clock[0] += free_cores.SECONDS / 2
        cores.take()
        assert torch.get_num_threads() == 1  # not yet looked again
        assert after(0.0, 0.0, 0.0, 0.0) == 2


def test_beside_busy_programs_one_thread_is_left() -> None:
    count = psutil.cpu_count() or 1
    with threads(count):
        cores = FreeCores()
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        try:
            until = time.monotonic() + 30
            while torch.get_num_threads() > 1:
                assert time.monotonic() < until
                time.sleep(free_cores.SECONDS)
                cores.take()
        finally:
            for program in busy:
                program.kill()
                program.wait()


def test_the_engine_looks_before_each_step_in_its_own_thread(home, tmp_path, monkeypatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr(FreeCores, "take", lambda cores: looks.append(current_name()))
    engine = Engine(bases.add("tiny", tinybase.folder(tmp_path / "hf")), dtype=torch.float32)
    try:
        answer = engine.submit(Request([5, 6, 7], 4, temperature=0)).result(30)
    finally:
        engine.close()
    assert len(looks) >= len(answer.tokens) > 0 and set(looks) == {"engine"}


@pytest.mark.parametrize("length", [1, 7, 40, 300])
def test_the_number_of_threads_changes_no_number_in_bfloat16(model: Llama, length: int) -> None:
    ids = list(range(1000, 1000 + length))
    found = []
    for count in (1, 2, 4):
        with threads(count), torch.inference_mode():
            found.append(logits(model, ids))
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_a_brief_thread_ends_and_comes_back() -> None:
    brief = BriefThread("brief")
    for _ in range(3):
        assert brief.submit(current_name).result(10) == "brief"
        until = time.monotonic() + 10
        while "brief" in {thread.name for thread in threading.enumerate()}:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_brief_thread_does_one_thing_after_another_and_tells_what_went_wrong() -> None:
    brief, under_way, most, order = BriefThread("brief"), [0], [0], []

    def call(i: int) -> int:
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        order.append(i)
        time.sleep(0.0005)
        under_way[0] -= 1
        return 100 // i

    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda i: brief.submit(call, i), range(200)))
    with pytest.raises(ZeroDivisionError):
        futures[0].result(10)
    assert [each.result(10) for each in futures[1:]] == [100 // i for i in range(1, 200)]
    assert most == [1] and sorted(order) == list(range(200))


def test_a_closed_brief_thread_drops_what_waits_and_ends_what_is_under_way() -> None:
    brief, go, began = BriefThread("brief"), threading.Event(), threading.Event()

    def call() -> str:
        began.set()
        go.wait(10)
        return "done"

    first, second, third = (brief.submit(call) for _ in range(3))
    assert began.wait(10)
    assert second.cancel()
    threading.Timer(0.05, go.set).start()
    brief.close()
    assert first.done() and first.result() == "done" and third.cancelled()
