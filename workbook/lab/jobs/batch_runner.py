"""Carries batches through their life: validating, in_progress, finalizing, and an end.

Two threads: a clerk checks what comes in and closes what is done; a worker has the requests of one
batch answered, in the gaps between those that clients wait for. What has been answered stands in
the batch's own files, so a restarted server goes on without a doubled or missing row. Knows
nothing of HTTP or of what is asked.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any

from workbook.lab.generation import parameters
from workbook.lab.jobs import batch_files
from workbook.lab.jobs.batch_files import Sheet
from workbook.lab.jobs.worker_thread import Loop
from workbook.lab.schema import ApiError
from workbook.lab.serving.scheduler import Desk
from workbook.lab.state.store import Batch, Store, base_of, now

POLL = 0.1  # seconds between looks at whether a batch is still wanted
REPORT = 1.0  # seconds between counts written to the store


@dataclass
class _Waiting:
    """A request whose answers are being written."""

    custom_id: str
    plan: parameters.Plan
    answers: list[futures.Future]


class BatchRunner:
    """Works through the batches in the store, oldest first, one at a time."""

    def __init__(
        self, store: Store, desk: Desk, base: str, plan: Callable[[str, Any], parameters.Plan]
    ) -> None:
        """base: only its batches are worked on. plan(endpoint, body) may raise ApiError."""
        self._store, self._desk, self._base, self._plan = store, desk, base, plan
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._active: str | None = None  # the worker's batch: the clerk leaves it alone
        self._clerk = Loop("batch clerk", self._stopping, self._tend)
        self._worker = Loop("batch worker", self._stopping, self._work)

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
            self._validate(batch)
            return True
        with self._lock:
            ready = [
                batch
                for batch in self._store.batches("finalizing", "cancelling")
                if batch.id != self._active
            ]
        for batch in ready[:1]:
            self._settle(batch)
        return bool(ready)

    def _validate(self, batch: Batch) -> None:
        path = self._store.batch_folder(batch.id) / batch_files.INPUT
        total, model, faults = batch_files.check(path, batch.endpoint)
        if not faults:
            try:  # is there such a model? Any body will do to ask.
                self._plan(batch.endpoint, {"model": model})
            except ApiError as error:
                if error.code == "model_not_found":
                    fault = {"code": error.code, "message": error.message, "param": "body.model"}
                    faults.append(fault | {"line": 1})
        counts = {"total": total, "completed": 0, "failed": 0}
        changes = {"status": "in_progress", "model": model, "counts": counts}
        if faults:
            none = dict.fromkeys(counts, 0)
            changes = {"status": "failed", "errors": faults, "counts": none}
        self._store.update_batch(batch.id, ["validating"], **changes)
        if faults:
            self._store.tidy_batch(batch.id)
        self.wake()

    def _settle(self, batch: Batch) -> None:
        """Make files of the answers. All of it may be repeated after a crash."""
        sheet = Sheet(self._store.batch_folder(batch.id))
        try:
            done = "cancelled"
            if batch.status == "finalizing":
                self._give_up_rest(batch, sheet)
                done = "expired" if sheet.given_up else "completed"
            changes = _progress(batch, sheet)
        finally:
            sheet.close()
        with self._store.transaction():
            self._store.update_batch(
                batch.id,
                [batch.status],
                status=done,
                output_file=self._store.add_result(batch, batch_files.OUTPUT),
                error_file=self._store.add_result(batch, batch_files.ERRORS),
                **changes,
            )
        self._store.tidy_batch(batch.id)

    def _give_up_rest(self, batch: Batch, sheet: Sheet) -> None:
        """Say of each request that was not reached in time that it wasn't."""
        for custom_id, _ in self._requests(batch):
            if custom_id not in sheet.answered:
                message = "This request could not be run before the completion window was over."
                sheet.give_up(custom_id, "batch_expired", message)

    # The worker

    def _work(self) -> bool:
        if self._desk.engine.exception():  # waits until the model is loaded
            return False
        with self._lock:
            found = self._store.batches("in_progress")
            mine = [batch for batch in found if base_of(batch.model) == self._base]
            self._active = mine[0].id if mine else None
        if not mine:
            return False
        try:
            self._answer_all(mine[0])
        finally:
            self._active = None
            self._clerk.wake.set()
        return True

    def _answer_all(self, batch: Batch) -> None:
        """Have every request answered that is not yet; stops when the batch is not wanted."""
        sheet = Sheet(self._store.batch_folder(batch.id))
        waiting: list[_Waiting] = []
        reported = time.monotonic()

        def wanted() -> bool:
            nonlocal reported
            if time.monotonic() - reported > REPORT:
                self._store.update_batch(batch.id, ["in_progress"], **_progress(batch, sheet))
                reported = time.monotonic()
            return self._is_wanted(batch)

        try:
            for custom_id, body in self._requests(batch):
                if custom_id in sheet.answered:
                    continue
                while wanted() and not self._desk.room(sum(len(w.answers) for w in waiting)):
                    _collect(waiting, sheet)
                if not wanted():
                    return
                self._begin(batch, custom_id, body, waiting, sheet)
            while waiting:
                _collect(waiting, sheet)
                if not wanted():
                    return
            done = {"status": "finalizing"} | _progress(batch, sheet)
            self._store.update_batch(batch.id, ["in_progress"], **done)
        finally:
            for row in waiting:
                for answer in row.answers:
                    answer.cancel()
            sheet.close()

    def _begin(
        self,
        batch: Batch,
        custom_id: str,
        body: dict[str, Any],
        waiting: list[_Waiting],
        sheet: Sheet,
    ) -> None:
        try:
            plan = self._plan(batch.endpoint, body)
            if plan.stream:
                message = "A batch's answers are not streamed: leave 'stream' out."
                raise parameters.unsupported("stream", message)
        except ApiError as error:
            sheet.add(custom_id, error.status, error.body())
        else:
            answers = self._desk.submit_batched(plan.requests)
            waiting.append(_Waiting(custom_id, plan, answers))

    def _is_wanted(self, batch: Batch) -> bool:
        """Whether to go on. A batch whose time is over is closed with what it has."""
        if batch.expires_at <= now():
            self._store.update_batch(batch.id, ["in_progress"], status="finalizing")
        status = self._store.get(Batch, batch.id).status
        return status == "in_progress" and not self._stopping.is_set()

    def _requests(self, batch: Batch) -> Iterator[tuple[str, dict[str, Any]]]:
        path = self._store.batch_folder(batch.id) / batch_files.INPUT
        return batch_files.requests(path, batch.endpoint)


def _collect(waiting: list[_Waiting], sheet: Sheet) -> None:
    """Write down what has been answered, after waiting a moment for it."""
    open_ones = [answer for row in waiting for answer in row.answers if not answer.done()]
    futures.wait(open_ones, POLL, futures.FIRST_COMPLETED)
    for row in [row for row in waiting if all(answer.done() for answer in row.answers)]:
        waiting.remove(row)
        try:
            status, body = 200, row.plan.answer([answer.result() for answer in row.answers])
        except futures.CancelledError:  # the engine stops: the next server asks again
            continue
        except Exception as error:
            fault = parameters.engine_error(error)
            status, body = fault.status, fault.body()
        sheet.add(row.custom_id, status, body)


def _progress(batch: Batch, sheet: Sheet) -> dict[str, Any]:
    """What the store is told of the answers so far."""
    counts = {"completed": sheet.completed, "failed": sheet.failed}
    return {"counts": batch.counts | counts, "usage": sheet.usage()}
