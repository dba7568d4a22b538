"""OpenAI's /fine_tuning/alpha/graders: graders are tried on an answer, or only looked at."""

import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from helpers.lab import graders, objects, spec, wire
from helpers.lab.graders import Grade


class Graders:
    """/fine_tuning/alpha/graders"""

    async def run(self, request: Request) -> Response:
        body = await wire.read_json(request)
        spec.check("RunGraderRequest", body)
        began = time.monotonic()
        grade = await run_in_threadpool(_grade, body)
        answer = objects.grade(body["grader"], grade, time.monotonic() - began)
        return JSONResponse(answer)

    async def validate(self, request: Request) -> Response:
        body = await wire.read_json(request)
        spec.check("ValidateGraderRequest", body)
        graders.check(body["grader"])
        return JSONResponse({"grader": body["grader"]})


def _grade(body: dict[str, Any]) -> Grade:
    graders.check(body["grader"])
    return graders.run(body["grader"], body.get("item") or {}, body["model_sample"])
