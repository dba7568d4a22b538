"""Grades the answers of a training process while it runs, beside the thread that attends to it.

Knows the lines that are spoken and the job's grader; nothing of how answers are graded or made.
"""

import contextvars
import json
import logging
import threading
from typing import Any

from workbook.grading import graders
from workbook.grading.judging import Judge
from workbook.lab.jobs.process import TrainingProcess

_log = logging.getLogger("lab")


class AnswerGrading:
    """A thread that answers a training process's questions until that ends."""

    def __init__(
        self, process: TrainingProcess, grader: dict[str, Any] | None, judge: Judge
    ) -> None:
        """grader: None where the job's method has none; then there are no questions."""
        self._process, self._grader, self._judge = process, grader, judge
        # What a judge is asked is asked for the job's owner.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=[self._run], name="grading", daemon=True).start()

    def _run(self) -> None:
        for line in self._process.questions():
            try:
                answers = json.loads(line)["answers"]
            except (ValueError, TypeError, KeyError):
                _log.info("the trainer says: %s", line.decode(errors="replace").rstrip()[:500])
                continue
            self._process.answer(json.dumps(self._reply(answers)).encode() + b"\n")

    def _reply(self, answers: list[dict[str, Any]]) -> dict[str, Any]:
        assert self._grader is not None
        try:
            grades = graders.run_all(
                self._grader,
                [(answer["item"], answer["output"]) for answer in answers],
                self._judge,
                stopped=lambda: self._process.exit_code() is not None,
            )
            return {"grades": [_as_json(grade) for grade in grades]}
        except Exception as error:
            _log.exception("grading")
            return {"error": f"The grader could not be run: {type(error).__name__}: {error}"[:500]}


def _as_json(grade: graders.Grade) -> dict[str, Any]:
    return {
        "reward": grade.reward,
        "parts": grade.parts,
        "errors": sorted(grade.errors),
        "details": grade.details,
        "tokens": grade.tokens,
    }
