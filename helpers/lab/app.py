"""The lab's HTTP interface: what each of OpenAI's paths does with the store, runner and engine.

How jobs run, answers are made, records are kept and bytes are read, it leaves to `runner`, `chat`,
`store` and `wire`.
"""

import asyncio
import contextlib
import json
import logging
import re
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from helpers.lab import __version__, chat, objects, rows, runner, spec, wire
from helpers.lab.spec import ApiError
from helpers.lab.store import (
    UNFINISHED,
    Checkpoint,
    Event,
    File,
    Job,
    Model,
    Store,
    Unknown,
    new_id,
    now,
)
from helpers.lab.tokenizer import Tokenizer

if TYPE_CHECKING:
    from helpers.lab.engine import Engine

MAX_WAITING = 100  # jobs not finished; more are answered with 429

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
        self.engine: Future[Engine] = Future()
        self.stop: Callable[[], None] = lambda: None  # set by whoever runs the server
        self.started = now()

    def start(self) -> None:
        """Begin to run jobs and to load the model; neither delays the first answers."""
        self.runner.start()
        threading.Thread(target=self._load, name="loading", daemon=True).start()

    def close(self) -> None:
        """Stop jobs (they go on at the next start) and the engine."""
        self.runner.close()
        if self.engine.done() and not self.engine.exception():
            self.engine.result().close()
        self.store.close()

    def health(self) -> dict[str, Any]:
        """What GET /health says. status: starting, ready or failed."""
        health = {"status": "starting", "model": self.model, "dtype": None, "gflops": None}
        if self.engine.done():
            error = self.engine.exception()
            health |= {"status": "failed"} if error else {"status": "ready"}
            health |= {"message": str(error)} if error else self.engine.result().info()
        return health

    def adapter(self, model: str) -> Path | None:
        """The folder of a tuned model, None for the base. Raises ApiError (404)."""
        if model == self.model:
            return None
        try:
            return self.store.get(Model, model).folder
        except Unknown:
            message = f"The model `{model[:200]}` does not exist or you do not have access to it."
            raise ApiError(404, message, "model_not_found", "model") from None

    def _load(self) -> None:
        try:
            from helpers.lab.engine import Engine

            self.engine.set_result(Engine(self.base))
        except BaseException as error:  # noqa: BLE001 - told by /health and to every request
            _log.exception("loading the model")
            self.engine.set_exception(error)


def create(lab: Lab, pid: int) -> ASGIApp:
    """The whole application, /health and OpenAI's paths under /v1 and /openai/v1 (Azure's)."""

    def health(request: Request) -> Response:
        return JSONResponse(lab.health() | {"version": __version__, "pid": pid})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        lab.start()
        yield
        await run_in_threadpool(lab.close)

    # Starlette puts uploads into temporary files: keep them on the disk that they are moved to.
    tempfile.tempdir = str(lab.store.uploads())
    routes = [
        Route("/health", health),
        Mount("/v1", routes=_routes(lab)),
        Mount("/openai/v1", routes=_routes(lab)),
    ]
    app = Starlette(routes=routes, exception_handlers=wire.HANDLERS, lifespan=lifespan)
    return wire.Door(app, lab.key)


def _routes(lab: Lab) -> list[Route]:
    files, jobs, models, chats = _Files(lab), _Jobs(lab), _Models(lab), _Chat(lab)
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
        Route("/chat/completions", chats.create, methods=["POST"]),
        Route("/models", models.list),
        Route("/models/{id:path}", models.retrieve),
        Route("/models/{id:path}", models.delete, methods=["DELETE"]),
        Route("/lab/loss_mask", chats.loss_mask, methods=["POST"]),
        Route("/lab/stop", chats.stop, methods=["POST"]),
    ]


class _Files:
    """/files"""

    def __init__(self, lab: Lab) -> None:
        self._store = lab.store

    async def create(self, request: Request) -> Response:
        form = await wire.read_form(request)
        try:
            file = await run_in_threadpool(self._create, form)
        finally:
            for upload in form.values():
                if not isinstance(upload, str):
                    await upload.close()
        return JSONResponse(objects.file(file))

    def _create(self, form: dict[str, Any]) -> File:
        upload, fields = form.get("file"), wire.nested(form)
        # The spec calls the file's bytes a string; the rest is checked as it came.
        spec.check("CreateFileRequest", fields | ({} if upload is None else {"file": ""}))
        if isinstance(upload, str):
            raise ApiError(
                400, "'file' must be a file, sent with a filename.", "invalid_type", "file"
            )
        filename = _filename(upload.filename)
        _check_upload(filename, fields["purpose"], upload.size)
        path = self._store.uploads() / secrets.token_hex(16)
        lifetime = fields.get("expires_after", {}).get("seconds")
        try:
            _copy(upload.file, path)
            return self._store.add_file(path, filename, fields["purpose"], lifetime)
        finally:
            path.unlink(missing_ok=True)  # the store has moved it, unless the disk is full

    def list(self, request: Request) -> Response:
        self._store.expire_files()
        purpose = request.query_params.get("purpose")
        order = request.query_params.get("order", "desc")
        if order not in ("asc", "desc"):
            raise ApiError(
                400,
                f"Invalid value: '{order[:80]}'. Supported values are: 'asc', 'desc'.",
                "invalid_value",
                "order",
            )
        where = {"purpose": purpose} if purpose else {}
        files, more = _page(self._store, File, request, where, 10_000, 10_000, order == "desc")
        return JSONResponse(objects.listing([objects.file(f) for f in files], more))

    def retrieve(self, request: Request) -> Response:
        return JSONResponse(objects.file(self._get(request)))

    def content(self, request: Request) -> Response:
        file = self._get(request)
        return FileResponse(
            self._store.path(file.id), media_type="application/octet-stream", filename=file.filename
        )

    def delete(self, request: Request) -> Response:
        file = self._get(request)
        with contextlib.suppress(Unknown):  # someone was faster
            self._store.delete_file(file.id)
        return JSONResponse({"id": file.id, "object": "file", "deleted": True})

    def _get(self, request: Request) -> File:
        self._store.expire_files()
        id = request.path_params["id"]
        try:
            return self._store.get(File, id)
        except Unknown:
            raise ApiError(404, f"No such File object: {id[:80]}", None, "id") from None


class _Jobs:
    """/fine_tuning/jobs"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store = lab, lab.store

    async def create(self, request: Request) -> Response:
        body = await wire.read_json(request)
        job = await run_in_threadpool(self._create, body)
        return JSONResponse(objects.job(job))

    def _create(self, body: dict[str, Any]) -> Job:
        spec.check("CreateFineTuningJobRequest", body)
        hyperparameters = _hyperparameters(body)
        _check_metadata(body.get("metadata"))
        if body.get("integrations"):
            raise ApiError(
                400,
                "Integrations are not supported by the lab: nothing leaves this machine.",
                "unsupported_parameter",
                "integrations",
            )
        self._check_model(body["model"])
        if self._store.count_jobs(*UNFINISHED) >= MAX_WAITING:
            raise ApiError(
                429,
                f"{MAX_WAITING} jobs are waiting. Try again when some are done.",
                "rate_limit_exceeded",
                kind="requests",
                headers={"Retry-After": "30"},
            )
        seed = body.get("seed")
        job = Job(
            id=new_id("ftjob-"),
            status="validating_files",
            model=body["model"],
            training_file=body["training_file"],
            validation_file=body.get("validation_file"),
            suffix=runner.clean_suffix(body.get("suffix")),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            hyperparameters=hyperparameters,
            metadata=body.get("metadata"),
            created_at=now(),
        )
        try:
            self._hold_file(job, "training", job.training_file)
            if job.validation_file is not None:
                self._hold_file(job, "validation", job.validation_file)
        except ApiError:
            shutil.rmtree(self._store.job_folder(job.id), ignore_errors=True)
            raise
        names = f"training file: {job.training_file}"
        if job.validation_file:
            names += f" and validation file: {job.validation_file}"
        with self._store.transaction():
            self._store.add(job)
            self._store.add_event(job.id, f"Created fine-tuning job: {job.id}")
            self._store.add_event(job.id, f"Validating {names}")
        self._lab.runner.wake()
        return job

    def _check_model(self, model: str) -> None:
        try:
            self._lab.adapter(model)
        except ApiError:
            raise ApiError(
                400,
                f"Model {model[:80]} is not available for fine-tuning or does not "
                f"exist. The lab tunes {self._lab.model} and what was tuned from it.",
                "model_not_available",
                "model",
            ) from None

    def _hold_file(self, job: Job, kind: str, file_id: str) -> None:
        """Check that a file can be trained on, and keep its bytes for the job."""
        param = f"{kind}_file"
        try:
            file = self._store.get(File, file_id)
            if file.purpose != "fine-tune":
                raise ApiError(
                    400,
                    f"The file {file_id} has the purpose '{file.purpose}'; upload it "
                    "with purpose 'fine-tune'.",
                    "invalid_file_purpose",
                    param,
                )
            self._store.keep_for_job(job.id, file_id, f"{kind}.jsonl")
        except Unknown:
            raise ApiError(
                400,
                f"The file {file_id[:80]} does not exist, or was deleted: upload it first.",
                "file_not_found",
                param,
            ) from None
        name = self._store.job_folder(job.id) / f"{kind}.name"
        name.write_text(file.filename, encoding="utf-8")

    def list(self, request: Request) -> Response:
        where: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            if match := re.fullmatch(r"metadata\[(.*)\]", name):
                where[f"metadata.{match[1]}"] = value
            elif name == "metadata" and value == "null":
                where["metadata"] = None
        jobs, more = _page(self._store, Job, request, where, 20)
        return JSONResponse(
            {"object": "list", "data": [objects.job(j) for j in jobs], "has_more": more}
        )

    def retrieve(self, request: Request) -> Response:
        return JSONResponse(objects.job(self._get(request)))

    def cancel(self, request: Request) -> Response:
        before = self._get(request)
        response = self._turn(
            request,
            UNFINISHED,
            "cancelled",
            "The job was cancelled",
            finished_at=now(),
            estimated_finish=None,
        )
        if before.status != "running":  # else the runner tidies when the process has ended
            self._store.tidy_job(before.id)
        return response

    def pause(self, request: Request) -> Response:
        return self._turn(
            request, ["queued", "running"], "paused", "The job was paused", estimated_finish=None
        )

    def resume(self, request: Request) -> Response:
        return self._turn(request, ["paused"], "queued", "The job was resumed")

    def _turn(
        self, request: Request, only_if: Any, status: str, message: str, **changes: Any
    ) -> Response:
        """Move a job into another state, if it is in one that allows it; 400 otherwise."""
        job = self._get(request)
        with self._store.transaction():
            done = self._store.update_job(job.id, only_if, status=status, **changes)
            if done:
                self._store.add_event(job.id, message)
        job = self._get(request)
        if not done:
            raise ApiError(
                400,
                f"The job is {job.status}: this can only be done while it is "
                f"{' or '.join(only_if)}.",
                "invalid_job_status",
            )
        self._lab.runner.wake()
        return JSONResponse(objects.job(job))

    def events(self, request: Request) -> Response:
        where = {"job_id": self._get(request).id}
        events, more = _page(self._store, Event, request, where, 20)
        return JSONResponse(
            {"object": "list", "data": [objects.event(e) for e in events], "has_more": more}
        )

    def checkpoints(self, request: Request) -> Response:
        where = {"job_id": self._get(request).id}
        found, more = _page(self._store, Checkpoint, request, where, 10)
        return JSONResponse(objects.listing([objects.checkpoint(c) for c in found], more))

    def _get(self, request: Request) -> Job:
        id = request.path_params["id"]
        try:
            return self._store.get(Job, id)
        except Unknown:
            raise ApiError(
                404, f"Could not find fine tune: {id[:80]}", "fine_tune_not_found", "fine_tune_id"
            ) from None


class _Models:
    """/models"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store = lab, lab.store

    def list(self, request: Request) -> Response:
        tuned, _ = self._store.page(Model, limit=1_000_000, newest_first=False)
        models = [self._base(), *(objects.model(m.id, m.created_at, "lab") for m in tuned)]
        return JSONResponse({"object": "list", "data": models})

    def retrieve(self, request: Request) -> Response:
        id = request.path_params["id"]
        if self._lab.adapter(id) is None:
            return JSONResponse(self._base())
        return JSONResponse(objects.model(id, self._store.get(Model, id).created_at, "lab"))

    def delete(self, request: Request) -> Response:
        id = request.path_params["id"]
        if self._lab.adapter(id) is None:
            raise ApiError(
                403,
                "The base model can't be deleted, only models tuned from it.",
                "insufficient_permissions",
                "model",
            )
        with contextlib.suppress(Unknown):  # someone was faster
            self._store.delete_model(id)
        return JSONResponse({"id": id, "object": "model", "deleted": True})

    def _base(self) -> dict[str, Any]:
        return objects.model(self._lab.model, self._lab.started, "system")


class _Chat:
    """/chat/completions and the lab's own paths"""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def create(self, request: Request) -> Response:
        body = await wire.read_json(request)
        plan = await run_in_threadpool(self._plan, body)
        try:
            engine = await asyncio.shield(asyncio.wrap_future(self._lab.engine))
        except Exception as error:
            raise ApiError(
                500, f"The model could not be loaded: {error}", "engine_error", kind="server_error"
            ) from error
        if plan.stream:
            events = chat.stream(plan, engine.submit)
            return StreamingResponse(
                events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
            )
        futures = [engine.submit(r) for r in plan.requests]
        try:
            completions = await wire.unless_gone(request, futures)
        except ClientDisconnect:
            raise
        except Exception as error:
            raise chat.engine_error(error) from error
        return JSONResponse(chat.response(plan, completions))

    def _plan(self, body: dict[str, Any]) -> chat.Plan:
        model = body.get("model") if isinstance(body, dict) else None
        adapter = self._lab.adapter(model) if isinstance(model, str) else None
        if isinstance(body, dict):
            _check_metadata(body.get("metadata"))
        return chat.plan(body, self._lab.tokenizer, self._lab.context, adapter)

    async def loss_mask(self, request: Request) -> Response:
        """A training example as tokens, each with whether the loss is computed on it."""
        body = await wire.read_json(request)
        try:
            row = rows.parse(json.dumps(body).encode())
        except rows.RowError as error:
            raise ApiError(400, f"Not a training example: {error}.", "invalid_example") from None
        tokenizer = self._lab.tokenizer
        ids, trained = tokenizer.row_example(row)
        tokens = [
            {"id": id, "text": tokenizer.piece(id), "trained": learn}
            for id, learn in zip(ids, trained, strict=True)
        ]
        return JSONResponse({"object": "lab.loss_mask", "tokens": tokens})

    def stop(self, request: Request) -> Response:
        """End the server cleanly; works where there are no signals."""
        self._lab.stop()
        return JSONResponse({"object": "lab.stop", "stopping": True})


# Checks that the spec leaves out


def _filename(name: str | None) -> str:
    """What to call an upload: the last part of what was sent, printable. Never used as a path."""
    last = re.split(r"[\\/]", name or "")[-1]
    return "".join(c for c in last if c.isprintable())[:255] or "upload"


def _check_upload(filename: str, purpose: str, size: int) -> None:
    if purpose in ("fine-tune", "batch") and not filename.lower().endswith(".jsonl"):
        raise ApiError(
            400,
            f"Invalid file format: '{filename}'. Files with purpose '{purpose}' must "
            "be JSON Lines, with a name that ends in .jsonl.",
            "invalid_file_format",
            "file",
        )
    if size == 0:
        raise ApiError(400, f"The file '{filename}' is empty.", "empty_file", "file")
    if size > wire.MAX_FILE:
        raise ApiError(413, "The file is larger than 512 MB.", "file_too_large", "file")


def _copy(source: Any, path: Path) -> None:
    source.seek(0)
    with open(path, "xb") as target:
        shutil.copyfileobj(source, target, 2**20)


def _page(
    store: Store,
    kind: type,
    request: Request,
    where: dict[str, Any],
    default: int,
    most: int = 100,
    newest_first: bool = True,
) -> tuple[list[Any], bool]:
    limit, after = wire.page_of(request, default, most)
    try:
        return store.page(kind, where, after, limit, newest_first)
    except Unknown:
        raise ApiError(
            400, f"Invalid 'after': there is no '{str(after)[:80]}'.", "invalid_value", "after"
        ) from None


def _hyperparameters(body: dict[str, Any]) -> dict[str, Any]:
    """The three settings, "auto" where none was given, from `method` or from the older place."""
    method = body.get("method") or {"type": "supervised"}
    if method["type"] != "supervised":
        raise ApiError(
            400,
            f"The lab trains with method 'supervised' only, not '{method['type']}'.",
            "unsupported_method",
            "method.type",
        )
    old = body.get("hyperparameters") or {}
    new = (method.get("supervised") or {}).get("hyperparameters") or {}
    if old and new and old != new:
        raise ApiError(
            400,
            "Give the hyperparameters in 'method' or at the top level, not both.",
            "invalid_parameter_combination",
            "hyperparameters",
        )
    names = ("n_epochs", "batch_size", "learning_rate_multiplier")
    given = old | new
    if unknown := sorted(given.keys() - set(names)):
        raise ApiError(
            400,
            f"Unknown parameter: 'hyperparameters.{unknown[0]}'.",
            "unknown_parameter",
            f"hyperparameters.{unknown[0]}",
        )
    return {name: given.get(name, "auto") for name in names}


def _check_metadata(metadata: Any) -> None:
    """OpenAI's documented limits: 16 pairs, keys of 64 and values of 512 characters."""
    if not isinstance(metadata, dict):
        return
    if len(metadata) > 16:
        raise ApiError(
            400,
            "Invalid 'metadata': too many properties. Expected an object with at "
            f"most 16 properties, but got {len(metadata)} instead.",
            "object_above_max_properties",
            "metadata",
        )
    for key, value in metadata.items():
        for text, most in ((key, 64), (value, 512)):
            if isinstance(text, str) and len(text) > most:
                raise ApiError(
                    400,
                    f"Invalid 'metadata': string too long. Expected a string with "
                    f"maximum length {most}, but got length {len(text)} instead.",
                    "string_above_max_length",
                    "metadata",
                )
