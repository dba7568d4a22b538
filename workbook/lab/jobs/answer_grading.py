"""Grades the answers of a training process while it runs, beside the thread that attends to it.

Knows the lines that are spoken and the job's grader; nothing of how answers are graded or made.
"""

import json
import logging
import threading
from typing import Any

from workbook.lab.errors import ApiError
from workbook.lab.grading import graders
from workbook.lab.jobs.process import TrainingProcess

_log = logging.getLogger("lab")


class AnswerGrading:
    """A thread that answers a training process's questions until that ends."""

    def __init__(self, process: TrainingProcess, grader: dict[str, Any] | None) -> None:
        """grader: None where the job's method has none; then there are no questions."""
        self._process, self._grader = process, grader
        threading.Thread(target=self._run, name="grading", daemon=True).start()

    def _run(self) -> None:
        for line in self._process.questions():
            try:
                answers = json.loads(line)["answers"]
            except (ValueError, TypeError, KeyError):
                _log.info("the trainer says: %s", line.decode(errors="replace").rstrip()[:500])
                continue
            self._process.answer(json.dumps(self._reply(answers)).encode() + b"\n")

    def _reply(self, answers: list[dict[str, Any]]) -> dict[str, Any]:
        try:
            return {"grades": [self._grade(answer) for answer in answers]}
        except Exception as error:
            _log.exception("grading")
            return {"error": f"The grader could not be run: {type(error).__name__}: {error}"[:500]}

    def _grade(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer's grade; what goes wrong with one is that one's error."""
        assert self._grader is not None
        try:
            grade = graders.run(self._grader, answer["item"], answer["output"])
        except ApiError:
            grade = graders.Grade(0.0, errors={"other_error"})
        return {"reward": grade.reward, "parts": grade.parts, "errors": sorted(grade.errors)}
