"""Azure's address of a resource: OpenAI's calls, but tuned models answer only once deployed.

Knows Azure's rules for jobs and what a name in a request means; jobs, models and answers are made
as under /v1.
"""

import dataclasses
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse

from workbook.lab.api.azure import names
from workbook.lab.api.azure.deployments import Deployments
from workbook.lab.api.fine_tuning import JobEndpoints
from workbook.lab.api.generate import GenerationEndpoint
from workbook.lab.api.models import ModelEndpoints
from workbook.lab.errors import ApiError
from workbook.lab.generation.plan import Plan
from workbook.lab.service import Lab
from workbook.lab.state.records import Job

LONGEST_SUFFIX = 18
TRAINING_TYPES = ("Standard", "GlobalStandard", "developerTier")


class AzureJobs(JobEndpoints):
    """/fine_tuning/jobs, with `trainingType` and a shorter suffix."""

    def shown(self, answer: dict[str, Any]) -> JSONResponse:
        return JSONResponse(names.renamed(answer))

    def submit(self, body: dict[str, Any]) -> Job:
        if isinstance(body, dict):
            body = dict(body)
            _check_training_type(body.pop("trainingType", None))
            _check_suffix(body.get("suffix"))
            if isinstance(body.get("model"), str):
                body["model"] = names.inside(body["model"], self._store)
        return super().submit(body)


def _check_training_type(value: Any) -> None:
    known = {name.lower() for name in TRAINING_TYPES}
    if value is not None and str(value).lower() not in known:
        message = f"Invalid 'trainingType': '{str(value)[:80]}'. It is {_listed(TRAINING_TYPES)}."
        raise ApiError(400, message, "invalid_value", "trainingType")


def _check_suffix(suffix: Any) -> None:
    if not isinstance(suffix, str):
        return
    if len(suffix) > LONGEST_SUFFIX or "." in suffix:
        message = (
            f"Invalid 'suffix': at Azure it has at most {LONGEST_SUFFIX} characters and no dot; "
            f"this one has {len(suffix)} characters{' and a dot' * ('.' in suffix)}."
        )
        raise ApiError(400, message, "invalid_value", "suffix")


def _listed(values: tuple[str, ...]) -> str:
    *first, last = (f"'{value}'" for value in values)
    return f"{', '.join(first)} or {last}"


class AzureModels(ModelEndpoints):
    """/models, with Azure's names."""

    def shown(self, answer: dict[str, Any]) -> JSONResponse:
        return JSONResponse(names.renamed(answer))

    def meant(self, name: str) -> str:
        return names.inside(name, self._store)


class AzureGeneration(GenerationEndpoint):
    """What answers with text, by the name of a deployment, in the path or in the body."""

    def __init__(self, lab: Lab, endpoint: str) -> None:
        super().__init__(lab, endpoint)
        self._deployments = Deployments(lab)

    async def plan(self, request: Request, body: Any) -> Plan:
        if not isinstance(body, dict):
            return await super().plan(request, body)
        name = request.path_params.get("model", body.get("model"))
        if not isinstance(name, str):
            return await super().plan(request, body)
        model = await run_in_threadpool(self._deployments.model_of, name)
        plan: Any = await super().plan(request, body | {"model": model})
        shown = names.outside(model)  # an answer says which model stands behind the deployment
        if hasattr(plan, "model"):
            return dataclasses.replace(plan, model=shown)
        return dataclasses.replace(plan, body=plan.body | {"model": shown})
