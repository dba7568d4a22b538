"""Carries runs of evals through, in the gaps between requests that clients wait for: each owner's
oldest first, in turns.

What has been judged stands in the store, item by item: a restarted server goes on with the rest.
Knows nothing of HTTP or of how answers are judged.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from typing import Any

from workbook.grading.errors import GraderError
from workbook.grading.judging import Judge
from workbook.lab.errors import ApiError
from workbook.lab.generation.answers import engine_error
from workbook.lab.generation.plan import Plan
from workbook.lab.jobs import eval_items
from workbook.lab.jobs.patience import plan_patiently
from workbook.lab.jobs.turns import Turns
from workbook.lab.jobs.worker_thread import WorkerThread
from workbook.lab.owner import acting_for
from workbook.lab.serving.scheduler import BATCHED, Scheduler
from workbook.lab.serving.types import Completion
from workbook.lab.state.evals import RUN_UNFINISHED, Evals
from workbook.lab.state.records import Eval, EvalItem, EvalRun, UnknownIdError
from workbook.lab.state.store import Store

POLL = 0.1  # seconds between looks at whether a run is still to be worked on
TURN = 10.0  # seconds after which another owner's run has its turn

_log = logging.getLogger("lab")


@dataclass
class _Pending:
    """An item whose answer is being written."""

    item: EvalItem
    body: dict[str, Any]
    plan: Plan
    answer: futures.Future[Completion]


class EvalRunner:
    """Works through the runs in the store, one at a time."""

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        plan: Callable[[str, Any], Plan],
        judge: Judge,
    ) -> None:
        """Starts nothing yet.

        plan: of an endpoint and a body; may raise ApiError.
        judge: asks models, for criteria that need one.
        """
        self._ask = judge
        self._store, self._evals = store, Evals(store)
        self._scheduler, self._plan = scheduler, plan
        self._turns = Turns()
        self._stopping = threading.Event()
        self._worker = WorkerThread("eval worker", self._stopping, self._work)

    def start(self) -> None:
        """Begin, or go on with what an earlier server left."""
        self._worker.thread.start()

    def wake(self) -> None:
        """Look at the store now."""
        self._worker.wake.set()

    def close(self) -> None:
        """Stop the thread; runs stay as they are in the store."""
        self._stopping.set()
        self.wake()
        self._worker.thread.join()

    def _work(self) -> bool:
        run = self._turns.next(self._evals.first_runs())
        if run is None:
            return False
        try:
            evaluation = self._store.get(Eval, run.eval_id)
            self._evals.update_run(run.id, ["queued"], status="in_progress")
            with acting_for(evaluation.owner):
                self._judge_all(evaluation, run)
        except UnknownIdError:  # deleted meanwhile
            return True
        except ApiError as error:
            fault = {"code": error.code or "error", "message": error.message}
            self._evals.update_run(run.id, RUN_UNFINISHED, status="failed", error=fault)
        except futures.CancelledError:  # the server stops: the next one goes on
            return False
        return True

    def _judge_all(self, evaluation: Eval, run: EvalRun) -> None:
        """Have every item judged that is not yet; stops when the run is to be left alone, or when
        it is another owner's turn."""
        place, pending = 0, list[_Pending]()
        began, is_whole = time.monotonic(), False
        try:
            while self._goes_on(run) and not self._others_turn(evaluation, began):
                items = self._evals.waiting_items(run.id, place, BATCHED)
                for item in items:
                    while self._goes_on(run) and not self._scheduler.room(len(pending)):
                        self._collect(evaluation, pending)
                    if not self._goes_on(run):
                        return
                    if self._others_turn(evaluation, began):
                        break
                    place = item.place + 1
                    self._begin(evaluation, run, item, pending)
                if not items:
                    is_whole = True
                    break
            while pending and self._goes_on(run):
                self._collect(evaluation, pending)
            if is_whole and self._goes_on(run):
                self._evals.update_run(run.id, ["in_progress"], status="completed")
        finally:
            for each in pending:
                each.answer.cancel()

    def _others_turn(self, evaluation: Eval, began: float) -> bool:
        if time.monotonic() - began <= TURN:
            return False
        return any(owner != evaluation.owner for owner, _ in self._evals.first_runs())

    def _begin(
        self, evaluation: Eval, run: EvalRun, item: EvalItem, pending: list[_Pending]
    ) -> None:
        source = run.data_source
        if source["type"] == "jsonl":
            sample = eval_items.given_sample(item.item)
            self._judge(evaluation, item, sample)
            return
        try:
            body = eval_items.request(source, item.item["item"])
            plan = plan_patiently(
                self._plan, eval_items.ENDPOINTS[source["type"]], body, self._stopping
            )
            plan = eval_items.seeded(plan, source)
            [answer] = self._scheduler.submit_batched(plan.requests)
        except futures.CancelledError:
            raise
        except Exception as error:
            self._fail(item, error)
        else:
            pending.append(_Pending(item, body, plan, answer))

    def _collect(self, evaluation: Eval, pending: list[_Pending]) -> None:
        """Judge what has been answered, after waiting a moment for it."""
        futures.wait([each.answer for each in pending], POLL, futures.FIRST_COMPLETED)
        if not pending:
            self._stopping.wait(POLL)
        for each in [each for each in pending if each.answer.done()]:
            pending.remove(each)
            try:
                completion = each.answer.result()
                sample = eval_items.sample(each.body, each.plan, completion)
            except futures.CancelledError:
                raise
            except Exception as error:
                self._fail(each.item, error)
            else:
                self._judge(evaluation, each.item, sample)

    def _judge(self, evaluation: Eval, item: EvalItem, sample: dict[str, Any]) -> None:
        text = sample["output"][0]["content"]
        try:
            status, results = eval_items.judge(
                evaluation.criteria, item.item["item"], text, self._ask
            )
        except GraderError as error:
            self._fail(item, ApiError(400, error.message, error.code, error.param))
        else:
            self._evals.judge(item, status, results, sample)

    def _fail(self, item: EvalItem, error: Exception) -> None:
        """Whatever goes wrong with an item is that item's error."""
        if not isinstance(error, ApiError):
            _log.error("an item of %s: %s", item.run_id, error)
        sample = eval_items.given_sample({}, engine_error(error))
        self._evals.judge(item, "error", [], sample)

    def _goes_on(self, run: EvalRun) -> bool:
        if self._stopping.is_set():
            raise futures.CancelledError
        return self._store.get(EvalRun, run.id).status == "in_progress"
