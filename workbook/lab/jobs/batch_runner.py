"""Carries batches through their life: validating, in_progress, finalizing, and an end.

Two threads: a clerk checks what comes in and closes what is done; a worker has the requests of one
batch answered, in the gaps between those that clients wait for. What has been answered stands in
the batch's own files, so a restarted server goes on without a doubled or missing row. Knows
nothing of HTTP or of what is asked.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any

from workbook.lab.errors import ApiError
from workbook.lab.generation.answers import engine_error
from workbook.lab.generation.parameters import unsupported
from workbook.lab.generation.plan import Plan
from workbook.lab.ids import base_of, now
from workbook.lab.jobs import batch_input
from workbook.lab.jobs.batch_output import ANSWERS, ERRORS, BatchOutput
from workbook.lab.jobs.patience import plan_patiently
from workbook.lab.jobs.turns import Turns
from workbook.lab.jobs.worker_thread import WorkerThread
from workbook.lab.owner import acting_for
from workbook.lab.serving.scheduler import Scheduler
from workbook.lab.serving.types import Completion
from workbook.lab.state.records import BATCH_UNFINISHED, Batch, BatchStatus
from workbook.lab.state.store import Store

POLL = 0.1  # seconds between looks at whether a batch is still to be worked on
TURN = 10.0  # seconds after which another owner's batch has its turn
REPORT = 1.0  # seconds between counts written to the store

_log = logging.getLogger("lab")


@dataclass
class _Pending:
    """A request whose answers are being written."""

    custom_id: str
    plan: Plan
    answers: list[futures.Future[Completion]]


class BatchRunner:
    """Works through the batches in the store, oldest first, one at a time; of several owners, in
    turns."""

    def __init__(
        self, store: Store, scheduler: Scheduler, base: str, plan: Callable[[str, Any], Plan]
    ) -> None:
        """Starts nothing yet.

        base: only its batches are worked on.
        plan: of an endpoint and a body; may raise ApiError.
        """
        self._store, self._scheduler, self._base, self._plan = store, scheduler, base, plan
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._turns = Turns()
        self._active: str | None = None  # the worker's batch: the clerk leaves it alone
        self._clerk = WorkerThread("batch clerk", self._stopping, self._tend)
        self._worker = WorkerThread("batch worker", self._stopping, self._work)

    def start(self) -> None:
        """Begin, or go on with what an earlier server left."""
        self._clerk.thread.start()
        self._worker.thread.start()

    def wake(self) -> None:
        """Look at the store now: a batch was created or cancelled."""
        self._clerk.wake.set()
        self._worker.wake.set()

    def close(self) -> None:
        """Stop the threads; batches stay as they are in the store."""
        self._stopping.set()
        self.wake()
        self._clerk.thread.join()
        self._worker.thread.join()

    # The clerk

    def _tend(self) -> bool:
        for batch in self._store.batches("validating"):
            with self._failing(batch):
                self._validate(batch)
            return True
        with self._lock:
            ready = [
                batch
                for batch in self._store.batches("finalizing", "cancelling")
                if batch.id != self._active
            ]
        for batch in ready[:1]:
            with self._failing(batch):
                self._settle(batch)
        return bool(ready)

    def _validate(self, batch: Batch) -> None:
        path = self._store.batch_input(batch.id)
        total, model, faults = batch_input.check(path, batch.endpoint)
        if not faults:
            try:  # is there such a model? Any body will do to ask.
                self._plan(batch.endpoint, {"model": model})
            except ApiError as error:
                if error.code == "model_not_found":
                    fault = {"code": error.code, "message": error.message, "param": "body.model"}
                    faults.append(fault | {"line": 1})
        counts = {"total": total, "completed": 0, "failed": 0}
        if faults:
            self._store.update_batch(
                batch.id,
                ["validating"],
                status="failed",
                errors=faults,
                counts=dict.fromkeys(counts, 0),
            )
            self._store.tidy_batch(batch.id)
        else:
            self._store.update_batch(
                batch.id, ["validating"], status="in_progress", model=model, counts=counts
            )
        self.wake()

    def _settle(self, batch: Batch) -> None:
        """Make files of the answers. All of it may be repeated after a crash."""
        with BatchOutput(self._store.batch_folder(batch.id)) as output:
            end: BatchStatus = "cancelled"
            if batch.status == "finalizing":
                self._give_up_rest(batch, output)
                end = "expired" if output.given_up else "completed"
            changes = _progress(batch, output)
        with self._store.transaction():
            self._store.update_batch(
                batch.id,
                [batch.status],
                status=end,
                output_file=self._store.add_result(batch, ANSWERS),
                error_file=self._store.add_result(batch, ERRORS),
                **changes,
            )
        self._store.tidy_batch(batch.id)

    def _give_up_rest(self, batch: Batch, output: BatchOutput) -> None:
        """Say of each request that was not reached in time that it wasn't."""
        for custom_id, _ in self._requests(batch):
            if custom_id not in output.custom_ids:
                message = "This request could not be run before the completion window was over."
                output.give_up(custom_id, "batch_expired", message)

    # The worker

    def _work(self) -> bool:
        if self._scheduler.engine.exception():  # waits until the model is loaded
            return False
        with self._lock:
            batch = self._turns.next((each.owner, each) for each in self._waiting())
            self._active = None if batch is None else batch.id
        if batch is None:
            return False
        try:
            with self._failing(batch):
                self._answer_all(batch)
        finally:
            self._active = None
            self._clerk.wake.set()
        return True

    def _is_ours(self, batch: Batch) -> bool:
        return batch.model is not None and base_of(batch.model) == self._base

    def _waiting(self) -> list[Batch]:
        return list(filter(self._is_ours, self._store.batches("in_progress")))

    def _others_turn(self, batch: Batch, began: float) -> bool:
        over = time.monotonic() - began > TURN
        return over and any(other.owner != batch.owner for other in self._waiting())

    def _answer_all(self, batch: Batch) -> None:
        """Have every request answered that is not yet; stops when the batch is to be left alone,
        or when it is another owner's turn."""
        pending: list[_Pending] = []
        began = reported = time.monotonic()
        done: dict[str, Any] = {"status": "finalizing"}

        def may_go_on() -> bool:
            nonlocal reported
            if time.monotonic() - reported > REPORT:
                self._store.update_batch(batch.id, ["in_progress"], **_progress(batch, output))
                reported = time.monotonic()
            return self._is_in_progress(batch)

        with BatchOutput(self._store.batch_folder(batch.id)) as output:
            try:
                for custom_id, body in self._requests(batch):
                    if custom_id in output.custom_ids:
                        continue
                    while may_go_on() and not self._scheduler.room(_under_way(pending)):
                        _collect(pending, output)
                    if not may_go_on():
                        return
                    if self._others_turn(batch, began):
                        done = {}
                        break
                    self._begin(batch, custom_id, body, pending, output)
                while pending:
                    _collect(pending, output)
                    if not may_go_on():
                        return
                changes = done | _progress(batch, output)
                self._store.update_batch(batch.id, ["in_progress"], **changes)
            finally:
                for row in pending:
                    for answer in row.answers:
                        answer.cancel()

    def _begin(
        self,
        batch: Batch,
        custom_id: str,
        body: dict[str, Any],
        pending: list[_Pending],
        output: BatchOutput,
    ) -> None:
        try:
            plan = plan_patiently(self._plan, batch.endpoint, body, self._stopping)
            if plan.stream:
                message = "A batch's answers are not streamed: leave 'stream' out."
                raise unsupported("stream", message)
            answers = self._scheduler.submit_batched(plan.requests)
        except futures.CancelledError:  # the server stops: the next one asks again
            return
        except Exception as error:
            if not isinstance(error, ApiError):
                _log.exception("a request of %s", batch.id)
            fault = engine_error(error)
            output.add(custom_id, fault.status, fault.body())
        else:
            pending.append(_Pending(custom_id, plan, answers))

    @contextlib.contextmanager
    def _failing(self, batch: Batch) -> Iterator[None]:
        """Whatever is wrong with a batch ends that batch: the others have their turn.

        What is done with it is its owner's. A disk that is full may have room later, so then it is
        tried again.
        """
        try:
            with acting_for(batch.owner):
                yield
        except Exception as error:
            again = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
            if again or isinstance(error, sqlite3.OperationalError):
                raise
            _log.exception("%s", batch.id)
            what = "A file of it is gone from the lab's state"
            if not isinstance(error, FileNotFoundError):
                what = "The lab made a mistake with it; its log says which"
            fault = {"code": "server_error", "message": f"{what}.", "param": None, "line": None}
            results = {}
            with contextlib.suppress(Exception):  # what was answered is not lost
                results["output_file"] = self._store.add_result(batch, ANSWERS)
                results["error_file"] = self._store.add_result(batch, ERRORS)
            changes = {"status": "failed", "errors": [fault]} | results
            self._store.update_batch(batch.id, BATCH_UNFINISHED, **changes)

    def _is_in_progress(self, batch: Batch) -> bool:
        """Whether to go on. A batch whose time is over is closed with what it has."""
        if batch.expires_at <= now():
            self._store.update_batch(batch.id, ["in_progress"], status="finalizing")
        status = self._store.get(Batch, batch.id).status
        return status == "in_progress" and not self._stopping.is_set()

    def _requests(self, batch: Batch) -> Iterator[tuple[str, dict[str, Any]]]:
        return batch_input.requests(self._store.batch_input(batch.id), batch.endpoint)


def _under_way(pending: list[_Pending]) -> int:
    return sum(len(row.answers) for row in pending)


def _collect(pending: list[_Pending], output: BatchOutput) -> None:
    """Write down what has been answered, after waiting a moment for it."""
    unanswered = [answer for row in pending for answer in row.answers if not answer.done()]
    futures.wait(unanswered, POLL, futures.FIRST_COMPLETED)
    for row in [row for row in pending if all(answer.done() for answer in row.answers)]:
        pending.remove(row)
        try:
            status, body = 200, row.plan.answer([answer.result() for answer in row.answers])
        except futures.CancelledError:  # the engine stops: the next server asks again
            continue
        except Exception as error:
            fault = engine_error(error)
            status, body = fault.status, fault.body()
        output.add(row.custom_id, status, body)


def _progress(batch: Batch, output: BatchOutput) -> dict[str, Any]:
    """What the store keeps of the answers so far."""
    counts = {"completed": output.completed, "failed": output.failed}
    return {"counts": (batch.counts or {}) | counts, "usage": output.usage()}
