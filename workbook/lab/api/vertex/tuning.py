"""Vertex AI's tuningJobs: created from a file in a bucket, watched, listed and cancelled.

Knows Google's words for a job; the job itself is one of the lab's, and trains as they do.
"""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook import strict_json
from workbook.lab.api.bodies import read_json
from workbook.lab.api.fine_tuning import JobEndpoints
from workbook.lab.api.vertex import buckets, contents
from workbook.lab.api.vertex.requests import Wanted, parse
from workbook.lab.errors import ApiError
from workbook.lab.ids import clean_suffix, new_id, now
from workbook.lab.service import Lab
from workbook.lab.state.records import Job, TuningJob, UnknownIdError

_STATES = {
    "validating_files": "JOB_STATE_PENDING",
    "queued": "JOB_STATE_QUEUED",
    "running": "JOB_STATE_RUNNING",
    "paused": "JOB_STATE_PAUSED",
    "succeeded": "JOB_STATE_SUCCEEDED",
    "failed": "JOB_STATE_FAILED",
    "cancelled": "JOB_STATE_CANCELLED",
}
_INVALID, _DENIED, _INTERNAL = 3, 7, 13  # of google.rpc.Code
_DENIED_NAME = "permission_denied"


class TuningJobs:
    """…/tuningJobs"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store, self._jobs = lab, lab.store, JobEndpoints(lab)

    async def create(self, request: Request) -> Response:
        body = await read_json(request)
        return await run_in_threadpool(self._create, request.path_params, body)

    def _create(self, place: dict[str, str], body: Any) -> Response:
        wanted = parse(body, self._lab.model)
        paths = [buckets.path_of(uri, param) for param, uri in wanted.files.items()]
        account = buckets.agent(place["project"])
        denied = [uri for uri in wanted.files.values() if not buckets.may_read(uri, account)]
        try:
            if denied:
                job = self._failed(wanted, _denial(account, denied[0]), _DENIED_NAME)
            else:
                job = self._jobs.submit(wanted.body | self._uploaded(wanted, paths))
        except _DatasetError as error:
            job = self._failed(wanted, str(error), "invalid_training_file")
        tuning = TuningJob(
            id=str(10**18 + secrets.randbelow(8 * 10**18)),
            project=place["project"],
            location=place["location"],
            job_id=job.id,
            data=wanted.shown,
            created_at=job.created_at,
        )
        self._store.add(tuning)  # from now on the project has a tuning agent
        return JSONResponse(self._shown(tuning))

    def _uploaded(self, wanted: Wanted, sources: list[Path]) -> dict[str, str]:
        """The ids of files of the lab, made of what lies in the bucket."""
        ids = {}
        for name, source in zip(("training_file", "validation_file"), sources, strict=False):
            copy = self._store.uploads() / secrets.token_hex(16)
            try:
                with open(copy, "xb") as target:
                    target.writelines(_chat_lines(source))
                ids[name] = self._store.add_file(copy, source.name, "fine-tune").id
            finally:
                copy.unlink(missing_ok=True)
        return ids

    def _failed(self, wanted: Wanted, message: str, code: str) -> Job:
        """A job that never ran: at Google, too, it is the job that tells of its file."""
        moment = now()
        job = Job(
            id=new_id("ftjob-"),
            status="failed",
            model=self._lab.model,
            training_file=next(iter(wanted.files.values())),
            validation_file=None,
            suffix=clean_suffix(wanted.body.get("suffix")),
            seed=0,
            hyperparameters={},
            metadata=None,
            created_at=moment,
            finished_at=moment,
            error={"code": code, "message": message, "param": "training_file"},
        )
        with self._store.transaction():
            self._store.add(job)
            self._store.add_event(job.id, message, "error")
        return job

    def list(self, request: Request) -> Response:
        query, place = request.query_params, request.path_params
        where = {name: place[name] for name in ("project", "location")}
        size = query.get("pageSize", "100")
        if not size.isascii() or not size.isdigit() or not 1 <= int(size[:9]) <= 1000:
            raise ApiError(400, f"'pageSize' is '{size[:20]}', not a number from 1 to 1000.")
        after = query.get("pageToken") or None
        try:
            jobs, more = self._store.page(TuningJob, where, after, int(size))
        except UnknownIdError:
            raise ApiError(400, "'pageToken' is of no page.") from None
        answer: dict[str, Any] = {"tuningJobs": [self._shown(job) for job in jobs]}
        return JSONResponse(answer | ({"nextPageToken": jobs[-1].id} if more else {}))

    def retrieve(self, request: Request) -> Response:
        return JSONResponse(self._shown(self._get(request)))

    def cancel(self, request: Request) -> Response:
        self._jobs.end(self._store.get(Job, self._get(request).job_id))
        return JSONResponse({})

    def _get(self, request: Request) -> TuningJob:
        place = request.path_params
        try:
            tuning = self._store.get(TuningJob, place["id"])
            if (tuning.project, tuning.location) == (place["project"], place["location"]):
                return tuning
        except UnknownIdError:
            pass
        name = "projects/{project}/locations/{location}/tuningJobs/{id}".format(**place)
        raise ApiError(404, f"The tuning job '{name[:200]}' does not exist.")

    def _shown(self, tuning: TuningJob) -> dict[str, Any]:
        """A TuningJob object."""
        job = self._store.get(Job, tuning.job_id)
        own = f"projects/{tuning.project}/locations/{tuning.location}"
        answer = {
            "name": f"{own}/tuningJobs/{tuning.id}",
            **tuning.data,
            "state": _STATES[job.status],
            "createTime": _time(tuning.created_at),
            "updateTime": _time(job.finished_at or tuning.created_at),
        }
        if job.finished_at is not None:
            answer["endTime"] = _time(job.finished_at)
        if job.error is not None:
            codes = {_DENIED_NAME: _DENIED, "training_process_died": _INTERNAL}
            code = codes.get(str(job.error["code"]), _INVALID)
            answer["error"] = {"code": code, "message": job.error["message"]}
        if job.fine_tuned_model is not None:
            answer["tunedModel"] = {
                "model": f"{own}/models/{tuning.id}@1",
                "endpoint": f"{own}/endpoints/{tuning.id}",
            }
        if job.trained_tokens is not None:
            counts = {"totalBillableTokenCount": str(job.trained_tokens)}
            answer["tuningDataStats"] = {"supervisedTuningDataStats": counts}
        return answer


class _DatasetError(ValueError):
    """What is wrong with a training file, with the number of its line."""


def _chat_lines(source: Path) -> Iterator[bytes]:
    """A file of Google's rows as OpenAI's, line by line. Raises _DatasetError."""
    with open(source, "rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                row = _chat_row(strict_json.loads(text))
            except contents.ContentsError as error:
                raise _DatasetError(f"{source.name}, line {number}: {error}.") from None
            except ValueError:
                raise _DatasetError(f"{source.name}, line {number}: it is no JSON.") from None
            yield json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _chat_row(row: Any) -> dict[str, Any]:
    messages = contents.messages(row)
    if other := sorted(row.keys() - contents.KEYS):
        raise contents.ContentsError(f"`{other[0][:40]}` is nothing that the lab trains on")
    return {"messages": messages}


def _denial(account: str, uri: str) -> str:
    return (
        f"{account} does not have storage.objects.get access to the Google Cloud Storage object. "
        f"Permission 'storage.objects.get' denied on resource (or it may not exist): {uri}. "
        "(The agent is made by a project's first tuning job: give it roles/storage.objectViewer on "
        "the bucket now, then send the job again.)"
    )


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
