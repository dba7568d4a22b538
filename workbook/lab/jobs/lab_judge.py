"""The lab's own models as judges, for graders that ask one: answered in the gaps between requests.

Knows plans and the scheduler; nothing of graders, or of what is judged.
"""

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from workbook.grading.errors import GraderError
from workbook.grading.judging import Question, Verdict
from workbook.lab.generation.answers import engine_error
from workbook.lab.generation.plan import Plan
from workbook.lab.jobs.patience import plan_patiently
from workbook.lab.serving.scheduler import Scheduler
from workbook.lab.serving.types import Completion

ENDPOINT = "/v1/chat/completions"
POLL = 0.1  # seconds between looks at whether there is room


class LabJudge:
    """Asks models of this lab. Any thread may call it."""

    def __init__(self, scheduler: Scheduler, plan: Callable[[str, Any], Plan]) -> None:
        """plan: of an endpoint and a body; may raise ApiError."""
        self._scheduler, self._plan = scheduler, plan
        self._stopping = threading.Event()

    def close(self) -> None:
        """Whoever waits for a verdict gets a failure."""
        self._stopping.set()

    def __call__(self, questions: list[Question]) -> list[Verdict]:
        """A verdict on each, in order."""
        verdicts: dict[int, Verdict] = {}
        pending: dict[int, tuple[Plan, futures.Future[Completion]]] = {}
        for i, question in enumerate(questions):
            while pending and not self._scheduler.room(len(pending)):
                self._collect(pending, verdicts)
            try:
                plan = plan_patiently(self._plan, ENDPOINT, question.body, self._stopping)
                [answer] = self._scheduler.submit_batched(plan.requests)
                pending[i] = plan, answer
            except (Exception, futures.CancelledError) as error:
                verdicts[i] = _failure(error)
        while pending:
            self._collect(pending, verdicts)
        return [verdicts[i] for i in range(len(questions))]

    def embed(self, texts: list[str]) -> list[list[float]]:
        """What the base model makes of each text. Raises GraderError where one is too long."""
        engine = self._scheduler.engine.result()
        tokens = [engine.tokenizer.text_prompt(text) for text in texts]
        if (longest := max(map(len, tokens))) > engine.context:
            message = (
                f"A text to compare has {longest:,} tokens, more than the {engine.context:,} that "
                "the model reads."
            )
            raise GraderError(message, "string_above_max_length", "model_sample")
        packs = engine.embedder.submit(tokens)
        vectors: list[list[float]] = [each.tolist() for pack in packs for each in pack.result()]
        return vectors

    def _collect(
        self,
        pending: dict[int, tuple[Plan, futures.Future[Completion]]],
        verdicts: dict[int, Verdict],
    ) -> None:
        """Take what has been answered, after waiting a moment for it."""
        answers = [answer for _, answer in pending.values()]
        futures.wait(answers, POLL, futures.FIRST_COMPLETED)
        for i, (plan, answer) in list(pending.items()):
            if self._stopping.is_set():
                answer.cancel()
            if not answer.done():
                continue
            del pending[i]
            try:
                verdicts[i] = _verdict(plan, answer.result())
            except (Exception, futures.CancelledError) as error:
                verdicts[i] = _failure(error)


def _verdict(plan: Plan, completion: Completion) -> Verdict:
    answer = plan.answer([completion])
    text = answer["choices"][0]["message"]["content"] or ""
    return Verdict(text, answer["usage"]["total_tokens"])


def _failure(error: BaseException) -> Verdict:
    if isinstance(error, futures.CancelledError):
        return Verdict("", failure="The lab was stopped.")
    return Verdict("", failure=engine_error(error).message)
