"""The lab as a whole: what its endpoints, jobs and batches share, put together.

Knows the parts and how they begin and end; knows nothing of HTTP, ports or keys.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbook.errors import WorkbookError
from workbook.grading import graders, python_grader
from workbook.lab import owner
from workbook.lab.errors import ApiError
from workbook.lab.generation import chat, completions, response_requests
from workbook.lab.generation.plan import Plan
from workbook.lab.ids import base_of, now
from workbook.lab.jobs import item_schema
from workbook.lab.jobs.batch_runner import BatchRunner
from workbook.lab.jobs.eval_runner import EvalRunner
from workbook.lab.jobs.lab_judge import LabJudge
from workbook.lab.jobs.runner import JobRunner
from workbook.lab.model import template_rendering
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.quotas import Limits, Quotas
from workbook.lab.serving.grammar_trial import TRIALS
from workbook.lab.serving.scheduler import Scheduler
from workbook.lab.state.records import Model, UnknownIdError
from workbook.lab.state.store import Store

# What answers with text, by OpenAI's names, which a batch's rows carry, too.
ENDPOINTS: Mapping[str, Callable[[Any, Tokenizer, int, Path | None], Plan]] = {
    "/v1/chat/completions": chat.prepare,
    "/v1/completions": completions.prepare,
    "/v1/responses": response_requests.prepare,
}

_log = logging.getLogger("lab")


class Lab:
    """The store, the runners, the base model's tokenizer and, once it is loaded, its engine."""

    def __init__(self, folder: Path, base: Path, model: str, limits: Limits | None = None) -> None:
        """Open the state; nothing runs before `start`.

        folder: the state folder.
        base: the folder of the base model, whose public name is `model`.
        limits: of each student, where there are several.
        Raises WorkbookError or sqlite3.DatabaseError for a state that can't be used.
        """
        self.model, self.base = model, base
        self.store = Store(folder)
        self.quotas = Quotas(self.store, limits or Limits())
        self.tokenizer = Tokenizer(base)
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
        self.context: int = config["max_position_embeddings"]  # tokens
        self.width: int = config["hidden_size"]  # numbers that the model has for a token
        self.scheduler = Scheduler()
        self.judge = LabJudge(self.scheduler, self.plan)
        self.job_runner = JobRunner(self.store, base, self.tokenizer, self.context, self.judge)
        self.batch_runner = BatchRunner(self.store, self.scheduler, model, self.plan)
        self.eval_runner = EvalRunner(self.store, self.scheduler, self.plan, self.judge)
        self.stop: Callable[[], None] = lambda: None  # set by whoever runs the server
        self.started = now()

    def start(self) -> None:
        """Begin to run jobs and to load the model; neither delays the first answers."""
        self.job_runner.start()
        self.batch_runner.start()
        self.eval_runner.start()
        threading.Thread(target=self._load, name="loading", daemon=True).start()

    def close(self) -> None:
        """Stop jobs (they go on at the next start) and the engine."""
        self.judge.close()
        self.job_runner.close()
        self.batch_runner.close()
        self.eval_runner.close()
        engine = self.scheduler.engine
        if engine.done() and not engine.exception():
            engine.result().close()
        TRIALS.close()
        template_rendering.close()
        item_schema.close()
        self.store.close()

    def health(self) -> dict[str, Any]:
        """Status (starting, ready or failed), model, and how and how fast it computes."""
        health: dict[str, Any] = {"model": self.model, "dtype": None, "gflops": None}
        engine = self.scheduler.engine
        if not engine.done():
            return health | {"status": "starting"}
        if error := engine.exception():
            return health | {"status": "failed", "message": str(error)}
        return health | {"status": "ready"} | engine.result().info()

    def adapter(self, model: str) -> Path | None:
        """The folder of a tuned model, None for the base. Raises ApiError (404)."""
        if model == self.model:
            return None
        base = base_of(model)
        try:
            folder = self.store.get(Model, model).folder
            if base == self.model:
                return folder
            message = (
                f"The model `{model[:200]}` was tuned from {base}, and this lab serves "
                f"{self.model}. Start it with `workbook lab serve --base {base}`."
            )
        except UnknownIdError:
            message = f"The model `{model[:200]}` does not exist or you do not have access to it."
        raise ApiError(404, message, "model_not_found", "model")

    def check_grader(self, grader: dict[str, Any], where: str = "grader") -> None:
        """Raise GraderError or ApiError (404) for a grader that the lab can't run."""
        if owner.current():
            self._check_shared(graders.kinds(grader), where)
        graders.check(grader, where)
        for model in sorted(graders.models(grader)):
            self.adapter(model)

    def _check_shared(self, kinds: set[str], where: str) -> None:
        """Raise ApiError (400) for a grader that could reach what belongs to others."""
        if "lambda" in kinds:
            message = "This lab is shared, and a function would be one of its machine's."
        elif "python" in kinds and not python_grader.hides_files():
            message = (
                "This lab is shared, and its machine can't keep Python from reading what belongs "
                "to others (that takes Linux 5.13 or newer)."
            )
        else:
            return
        raise ApiError(400, f"{message} Use another grader here.", "unsupported_grader", where)

    def plan(self, endpoint: str, body: Any) -> Plan:
        """What is to be done for a body sent to one of ENDPOINTS. Raises ApiError (400, 404)."""
        model = body.get("model") if isinstance(body, dict) else None
        adapter = self.adapter(model) if isinstance(model, str) else None
        try:
            return ENDPOINTS[endpoint](body, self.tokenizer, self.context, adapter)
        except RecursionError:
            raise ApiError(400, "The request is nested too deeply.", "invalid_value") from None

    def _load(self) -> None:
        try:
            from workbook.lab.serving.engine import Engine  # brings torch: not before the port

            self.scheduler.engine.set_result(Engine(self.base))
        except BaseException as error:
            expected = isinstance(error, WorkbookError)  # such as a device that is not there
            _log.error("The model can't be loaded: %s", error, exc_info=not expected)
            self.scheduler.engine.set_exception(error)
