"""OpenAI's /fine_tuning/jobs: jobs are created, listed, cancelled, paused and resumed.

What a method and its hyperparameters may be, `jobs.methods` knows; how jobs run, `jobs.runner`.
"""

import re
import secrets
import shutil
from collections.abc import Iterable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab import schema
from workbook.lab.api import responses
from workbook.lab.api.bodies import read_json
from workbook.lab.api.paging import page
from workbook.lab.errors import ApiError
from workbook.lab.ids import clean_suffix, new_id, now
from workbook.lab.jobs import methods
from workbook.lab.service import Lab
from workbook.lab.state.records import (
    UNFINISHED,
    Checkpoint,
    Event,
    File,
    Job,
    JobStatus,
    UnknownIdError,
)


class JobEndpoints:
    """/fine_tuning/jobs"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store = lab, lab.store

    def shown(self, answer: dict[str, Any]) -> JSONResponse:
        """An object or list as it is sent; another shape than OpenAI's may rename what is in it."""
        return JSONResponse(answer)

    async def create(self, request: Request) -> Response:
        body = await read_json(request)
        job = await run_in_threadpool(self.submit, body)
        return self.shown(responses.job(job))

    def submit(self, body: dict[str, Any]) -> Job:
        """A new job, by the body of a request. Raises ApiError (400, 429)."""
        body = schema.check("CreateFineTuningJobRequest", body)
        method, hyperparameters, settings = methods.parse(body)
        if settings:
            self._lab.check_grader(settings["grader"], "method.reinforcement.grader")
        if body.get("integrations"):
            raise ApiError(
                400,
                "Integrations are not supported by the lab: nothing leaves this machine.",
                "unsupported_parameter",
                "integrations",
            )
        self._check_model(body["model"])
        self._lab.quotas.check_waiting(Job, UNFINISHED)
        with self._lab.quotas.room(0):
            pass
        seed = body.get("seed")
        job = Job(
            id=new_id("ftjob-"),
            status="validating_files",
            model=body["model"],
            training_file=body["training_file"],
            validation_file=body.get("validation_file"),
            suffix=clean_suffix(body.get("suffix")),
            seed=secrets.randbelow(2**31) if seed is None else seed,
            method=method,
            hyperparameters=hyperparameters,
            settings=settings,
            metadata=body.get("metadata"),
            created_at=now(),
        )
        names = f"training file: {job.training_file}"
        if job.validation_file:
            names += f" and validation file: {job.validation_file}"
        try:
            self._hold_file(job, "training", job.training_file)
            if job.validation_file is not None:
                self._hold_file(job, "validation", job.validation_file)
            with self._store.transaction():
                self._lab.quotas.check_waiting(Job, UNFINISHED)  # of several at the same moment
                self._store.add(job)
                self._store.add_event(job.id, f"Created fine-tuning job: {job.id}")
                self._store.add_event(job.id, f"Validating {names}")
        except ApiError:
            shutil.rmtree(self._store.job_folder(job.id), ignore_errors=True)
            raise
        self._lab.job_runner.wake()
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
        except UnknownIdError:
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
        jobs, more = page(self._store, Job, request, where)
        return self.shown(
            {"object": "list", "data": [responses.job(j) for j in jobs], "has_more": more}
        )

    def retrieve(self, request: Request) -> Response:
        return self.shown(responses.job(self._get(request)))

    def cancel(self, request: Request) -> Response:
        return self.shown(responses.job(self.end(self._get(request))))

    def end(self, job: Job) -> Job:
        """Cancel a job. Raises ApiError (400) where it has ended."""
        message, times = "The job was cancelled", {"finished_at": now(), "estimated_finish": None}
        ended = self._move(job, UNFINISHED, "cancelled", message, **times)
        if job.status != "running":  # else the runner tidies when the process has ended
            self._store.tidy_job(job.id)
        return ended

    def pause(self, request: Request) -> Response:
        states: list[JobStatus] = ["queued", "running"]
        message = "The job was paused"
        job = self._move(self._get(request), states, "paused", message, estimated_finish=None)
        return self.shown(responses.job(job))

    def resume(self, request: Request) -> Response:
        job = self._move(self._get(request), ["paused"], "queued", "The job was resumed")
        return self.shown(responses.job(job))

    def _move(
        self,
        job: Job,
        only_if: Iterable[JobStatus],
        status: JobStatus,
        message: str,
        **changes: Any,
    ) -> Job:
        """The job, moved into another state, if it is in one that allows it; 400 otherwise."""
        with self._store.transaction():
            changed = self._store.update_job(job.id, only_if, status=status, **changes)
            if changed:
                self._store.add_event(job.id, message)
        job = self._store.get(Job, job.id)
        if not changed:
            raise ApiError(
                400,
                f"The job is {job.status}: this can only be done while it is "
                f"{' or '.join(only_if)}.",
                "invalid_job_status",
            )
        self._lab.job_runner.wake()
        return job

    def events(self, request: Request) -> Response:
        where = {"job_id": self._get(request).id}
        events, more = page(self._store, Event, request, where)
        return self.shown(
            {"object": "list", "data": [responses.event(e) for e in events], "has_more": more}
        )

    def checkpoints(self, request: Request) -> Response:
        where = {"job_id": self._get(request).id}
        checkpoints, more = page(self._store, Checkpoint, request, where, default=10)
        return self.shown(responses.listing([responses.checkpoint(c) for c in checkpoints], more))

    def _get(self, request: Request) -> Job:
        id = request.path_params["id"]
        try:
            return self._store.get(Job, id)
        except UnknownIdError:
            raise ApiError(
                404, f"Could not find fine tune: {id[:80]}", "fine_tune_not_found", "fine_tune_id"
            ) from None
