"""OpenAI's /fine_tuning/alpha/graders: graders are tried on an answer, or only looked at."""

import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab import schema
from workbook.lab.api import responses
from workbook.lab.api.bodies import read_json
from workbook.lab.grading import graders


class GraderEndpoints:
    """/fine_tuning/alpha/graders"""

    async def run(self, request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(_grade, body))

    async def validate(self, request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(_validate, body))


def _grade(body: Any) -> dict[str, Any]:
    body = schema.check("RunGraderRequest", body)
    began = time.monotonic()
    graders.check(body["grader"])
    grade = graders.run(body["grader"], body.get("item") or {}, body["model_sample"])
    return responses.grade(body["grader"], grade, time.monotonic() - began)


def _validate(body: Any) -> dict[str, Any]:
    body = schema.check("ValidateGraderRequest", body)
    graders.check(body["grader"])
    return {"grader": body["grader"]}
