"""The lab as one application: what its paths share, and which path leads where.

What a path does, its `*_api` module knows; how bytes are read and errors answered, `wire`.
"""

import contextlib
import json
import logging
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from workbook.lab import __version__
from workbook.lab.api import http
from workbook.lab.api.batches import Batches
from workbook.lab.api.files import Files
from workbook.lab.api.fine_tuning import Jobs
from workbook.lab.api.generate import Answers
from workbook.lab.api.graders import Graders
from workbook.lab.api.lab import Own
from workbook.lab.api.models import Models
from workbook.lab.generation import chat, completions
from workbook.lab.generation.parameters import Plan
from workbook.lab.jobs import runner
from workbook.lab.jobs.batch_runner import BatchRunner
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.schema import ApiError
from workbook.lab.serving.scheduler import Desk
from workbook.lab.state.store import Model, Store, Unknown, base_of, now

ENDPOINTS = {"/v1/chat/completions": chat.plan, "/v1/completions": completions.plan}

_log = logging.getLogger("lab")


class Lab:
    """What the paths work with: store, runner, base model and, once it is loaded, the engine."""

    def __init__(self, folder: Path, base: Path, model: str, key: str) -> None:
        """folder: the state. base: folder of the base model, whose public name is `model`."""
        self.model, self.key, self.base = model, key, base
        self.store = Store(folder)
        self.tokenizer = Tokenizer(base)
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))
        self.context: int = config["max_position_embeddings"]
        self.runner = runner.Runner(self.store, base, self.tokenizer, self.context)
        self.desk = Desk()
        self.batch_runner = BatchRunner(self.store, self.desk, model, self.plan)
        self.stop: Callable[[], None] = lambda: None  # set by whoever runs the server
        self.started = now()

    def start(self) -> None:
        """Begin to run jobs and to load the model; neither delays the first answers."""
        self.runner.start()
        self.batch_runner.start()
        threading.Thread(target=self._load, name="loading", daemon=True).start()

    def close(self) -> None:
        """Stop jobs (they go on at the next start) and the engine."""
        self.runner.close()
        self.batch_runner.close()
        if self.desk.engine.done() and not self.desk.engine.exception():
            self.desk.engine.result().close()
        self.store.close()

    def health(self) -> dict[str, Any]:
        """What GET /health says. status: starting, ready or failed."""
        health = {"status": "starting", "model": self.model, "dtype": None, "gflops": None}
        engine = self.desk.engine
        if engine.done():
            error = engine.exception()
            health |= {"status": "failed"} if error else {"status": "ready"}
            health |= {"message": str(error)} if error else engine.result().info()
        return health

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
        except Unknown:
            message = f"The model `{model[:200]}` does not exist or you do not have access to it."
        raise ApiError(404, message, "model_not_found", "model")

    def plan(self, endpoint: str, body: Any) -> Plan:
        """What is to be done for a body sent to one of ENDPOINTS. Raises ApiError (400, 404)."""
        model = body.get("model") if isinstance(body, dict) else None
        adapter = self.adapter(model) if isinstance(model, str) else None
        return ENDPOINTS[endpoint](body, self.tokenizer, self.context, adapter)

    def _load(self) -> None:
        try:
            from workbook.lab.serving.engine import Engine

            self.desk.engine.set_result(Engine(self.base))
        except BaseException as error:
            _log.exception("loading the model")
            self.desk.engine.set_exception(error)


def create(lab: Lab, pid: int) -> ASGIApp:
    """The whole application: /health, OpenAI's paths under /v1, and the same under Azure's."""

    def health(request: Request) -> Response:
        return JSONResponse(lab.health() | {"version": __version__, "pid": pid})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        lab.start()
        yield
        await run_in_threadpool(lab.close)

    # Starlette puts uploads into temporary files: keep them on the disk that they are moved to.
    tempfile.tempdir = str(lab.store.uploads())
    openai = _routes(lab)
    # Azure's client puts the model into the path, too; its older addresses have no v1.
    azure = openai + _answers(lab, "/deployments/{model:path}")
    routes = [
        Route("/health", health),
        Mount("/v1", routes=openai),
        Mount("/openai/v1", routes=azure),
        Mount("/openai", routes=azure),
    ]
    app = Starlette(routes=routes, exception_handlers=http.HANDLERS, lifespan=lifespan)
    return http.Door(app, lab.key)


def _routes(lab: Lab) -> list[Route]:
    files, jobs, models = Files(lab), Jobs(lab), Models(lab)
    graders = Graders()
    batches, own = Batches(lab, list(ENDPOINTS)), Own(lab)
    one_job = "/fine_tuning/jobs/{id}"
    return [
        Route("/files", files.create, methods=["POST"]),
        Route("/files", files.list),
        Route("/files/{id}", files.retrieve),
        Route("/files/{id}", files.delete, methods=["DELETE"]),
        Route("/files/{id}/content", files.content),
        Route("/fine_tuning/jobs", jobs.create, methods=["POST"]),
        Route("/fine_tuning/jobs", jobs.list),
        Route(one_job, jobs.retrieve),
        Route(f"{one_job}/cancel", jobs.cancel, methods=["POST"]),
        Route(f"{one_job}/pause", jobs.pause, methods=["POST"]),
        Route(f"{one_job}/resume", jobs.resume, methods=["POST"]),
        Route(f"{one_job}/events", jobs.events),
        Route(f"{one_job}/checkpoints", jobs.checkpoints),
        *_answers(lab),
        Route("/fine_tuning/alpha/graders/run", graders.run, methods=["POST"]),
        Route("/fine_tuning/alpha/graders/validate", graders.validate, methods=["POST"]),
        Route("/batches", batches.create, methods=["POST"]),
        Route("/batches", batches.list),
        Route("/batches/{id}", batches.retrieve),
        Route("/batches/{id}/cancel", batches.cancel, methods=["POST"]),
        Route("/models", models.list),
        Route("/models/{id:path}", models.retrieve),
        Route("/models/{id:path}", models.delete, methods=["DELETE"]),
        Route("/lab/loss_mask", own.loss_mask, methods=["POST"]),
        Route("/lab/stop", own.stop, methods=["POST"]),
    ]


def _answers(lab: Lab, place: str = "") -> list[Route]:
    return [
        Route(path.replace("/v1", place, 1), Answers(lab, path).create, methods=["POST"])
        for path in ENDPOINTS
    ]
