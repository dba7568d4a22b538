"""Vertex AI's paths as one application: which path leads where, and errors in Google's shape.

Knows routes and how an error looks; what a path does, its module here knows.
"""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workbook.lab.api import error_responses
from workbook.lab.api.vertex.buckets import BucketEndpoints
from workbook.lab.api.vertex.generate import GenerateContent
from workbook.lab.api.vertex.tuning import TuningJobs
from workbook.lab.service import Lab

_PLACE = "/{project}/locations/{location}"
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


def create(lab: Lab) -> Starlette:
    """For a mount at the projects of an API version: /v1beta1/projects, /v1/projects."""
    jobs, one = TuningJobs(lab), _PLACE + "/tuningJobs/{id}"
    whole, stream = GenerateContent(lab, stream=False), GenerateContent(lab, stream=True)
    routes = [
        Route(_PLACE + "/tuningJobs", jobs.create, methods=["POST"]),
        Route(_PLACE + "/tuningJobs", jobs.list),
        Route(one + ":cancel", jobs.cancel, methods=["POST"]),
        Route(one, jobs.retrieve),
    ]
    for target in ("/endpoints/{id}", "/publishers/google/models/{model}"):
        for verb, endpoint in (("generateContent", whole), ("streamGenerateContent", stream)):
            route = Route(f"{_PLACE}{target}:{verb}", endpoint.create, methods=["POST"])
            routes.append(route)
    return _with_errors(routes)


def storage(lab: Lab) -> Starlette:
    """For a mount at /storage/v1: who may read a bucket."""
    buckets = BucketEndpoints(lab)
    return _with_errors(
        [
            Route("/b/{bucket}/iam", buckets.policy),
            Route("/b/{bucket}/iam", buckets.set_policy, methods=["PUT"]),
        ]
    )


def _with_errors(routes: list[Route]) -> Starlette:
    handlers = dict.fromkeys(error_responses.HANDLERS, _respond)
    return Starlette(routes=routes, exception_handlers=handlers)


async def _respond(request: Request, error: Exception) -> Response:
    """What everybody is told, in Google's shape."""
    answer = await error_responses.respond(request, error)
    if not answer.body:
        return answer
    code = answer.status_code
    message = json.loads(bytes(answer.body))["error"]["message"]
    status = _STATUS.get(code, "UNKNOWN")
    return JSONResponse({"error": {"code": code, "message": message, "status": status}}, code)
