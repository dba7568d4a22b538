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
from workbook.lab.grading.graders import Grade


class GraderEndpoints:
    """/fine_tuning/alpha/graders"""

    async def run(self, request: Request) -> Response:
        body = await read_json(request)
        body = schema.check("RunGraderRequest", body)
        began = time.monotonic()
        grade = await run_in_threadpool(_grade, body)
        answer = responses.grade(body["grader"], grade, time.monotonic() - began)
        return JSONResponse(answer)

    async def validate(self, request: Request) -> Response:
        body = await read_json(request)
        body = schema.check("ValidateGraderRequest", body)
        graders.check(body["grader"])
        return JSONResponse({"grader": body["grader"]})


def _grade(body: dict[str, Any]) -> Grade:
    graders.check(body["grader"])
    return graders.run(body["grader"], body.get("item") or {}, body["model_sample"])
