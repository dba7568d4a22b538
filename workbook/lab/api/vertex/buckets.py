"""Buckets that are folders: gs://BUCKET/PATH is the file BUCKET/PATH in `buckets` of the home.

Knows who may read them, as Cloud Storage's policies say it. A bucket without a policy is open to
every job. Knows nothing of what is in the files.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook import files, paths, strict_json
from workbook.lab.api.bodies import read_json
from workbook.lab.errors import ApiError
from workbook.lab.service import Lab
from workbook.lab.state.records import TuningJob

_BUCKET = r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?"
_AGENT = re.compile(r"service-(\d+)@gcp-sa-aiplatform-ft\.iam\.gserviceaccount\.com")
_READERS = {
    f"roles/storage.{name}" for name in ("objectViewer", "objectUser", "objectAdmin", "admin")
}


def folder() -> Path:
    """Where the buckets lie."""
    return paths.home() / "buckets"


def project_number(project: str) -> str:
    """A project's number, which Google gives it beside its name."""
    return str(int(hashlib.sha256(project.encode()).hexdigest()[:12], 16) % 10**12).zfill(12)


def agent(project: str) -> str:
    """The service account that reads a project's training files."""
    return f"service-{project_number(project)}@gcp-sa-aiplatform-ft.iam.gserviceaccount.com"


def path_of(uri: str, param: str) -> Path:
    """The file that stands for an address. Raises ApiError (400, 404)."""
    match = re.fullmatch(rf"gs://({_BUCKET})/(.+)", uri)
    if match is None:
        message = f"Invalid '{param}': '{uri[:200]}' is no address like gs://BUCKET/FILE.jsonl."
        raise ApiError(400, message, None, param)
    bucket = (folder() / match[1]).resolve()
    try:
        path = (bucket / match[2]).resolve()
        is_there = path.is_relative_to(bucket) and path.is_file()
    except (OSError, ValueError):  # no file system has such a name
        is_there = False
    if not is_there:
        message = (
            f"'{uri[:200]}' does not exist. In the lab a bucket is a folder: the file should be "
            f"{folder() / match[1] / match[2]}"
        )
        raise ApiError(404, message[:600], None, param)
    return path


def may_read(uri: str, account: str) -> bool:
    """Whether a service account may read what lies at an address."""
    policy = _policy(uri.removeprefix("gs://").partition("/")[0])
    if policy is None:
        return True
    members = {
        member
        for binding in policy["bindings"]
        if binding["role"] in _READERS
        for member in binding["members"]
    }
    return bool(members & {f"serviceAccount:{account}", "allUsers", "allAuthenticatedUsers"})


class BucketEndpoints:
    """/storage/v1/b/{bucket}/iam"""

    def __init__(self, lab: Lab) -> None:
        self._store = lab.store

    def policy(self, request: Request) -> Response:
        bucket = _existing(request)
        return JSONResponse(_answer(bucket, _policy(bucket) or {"bindings": []}))

    async def set_policy(self, request: Request) -> Response:
        body = await read_json(request)
        return await run_in_threadpool(self._set_policy, request, body)

    def _set_policy(self, request: Request, body: Any) -> Response:
        bucket = _existing(request)
        policy = {"bindings": _bindings(body)}
        members = {member for binding in policy["bindings"] for member in binding["members"]}
        self._check_agents(members)
        place = _place(bucket)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.replace_text(place, json.dumps(policy))
        return JSONResponse(_answer(bucket, policy))

    def _check_agents(self, members: Iterable[str]) -> None:
        """A project's tuning agent is made by its first tuning job: before that, nobody can give
        it rights. Raises ApiError (400)."""
        jobs, _ = self._store.page(TuningJob, limit=1_000_000)
        numbers = {project_number(job.project) for job in jobs}
        for member in sorted(members):
            match = _AGENT.search(member)
            if match and match[1] not in numbers:
                raise ApiError(400, f"Service account {match[0]} does not exist.")


def _existing(request: Request) -> str:
    bucket: str = request.path_params["bucket"]
    if not re.fullmatch(_BUCKET, bucket) or not (folder() / bucket).is_dir():
        message = (
            f"The specified bucket does not exist: '{bucket[:80]}'. In the lab it is a folder in "
            f"{folder()}."
        )
        raise ApiError(404, message)
    return bucket


def _place(bucket: str) -> Path:
    return folder() / ".policies" / f"{bucket}.json"  # no bucket's name begins with a dot


def _policy(bucket: str) -> Any:
    try:
        return strict_json.loads(_place(bucket).read_bytes())
    except FileNotFoundError:
        return None


def _bindings(body: Any) -> list[dict[str, Any]]:
    bindings = body.get("bindings") if isinstance(body, dict) else None
    if not isinstance(bindings, list):
        raise ApiError(400, "A policy has 'bindings', a list of roles with their members.")
    for binding in bindings:
        members = binding.get("members") if isinstance(binding, dict) else None
        if not isinstance(members, list) or not all(isinstance(each, str) for each in members):
            raise ApiError(400, "Each binding has a 'role' and 'members', a list of texts.")
        if not isinstance(binding.get("role"), str):
            raise ApiError(400, "Each binding has a 'role', as 'roles/storage.objectViewer'.")
    return [{"role": each["role"], "members": each["members"]} for each in bindings]


def _answer(bucket: str, policy: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}", **policy}
