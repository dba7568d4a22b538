"""OpenAI's /fine_tuning/alpha/graders: graders are tried on an answer, or only looked at."""

import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.grading import graders
from workbook.lab import schema
from workbook.lab.api import responses
from workbook.lab.api.bodies import read_json
from workbook.lab.service import Lab


class GraderEndpoints:
    """/fine_tuning/alpha/graders"""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def run(self, request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(self._grade, body))

    async def validate(self, request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(self._validate, body))

    def _grade(self, body: Any) -> dict[str, Any]:
        body = schema.check("RunGraderRequest", body)
        began, grader = time.monotonic(), body["grader"]
        self._lab.check_grader(grader)
        grade = graders.run(grader, body.get("item") or {}, body["model_sample"], self._lab.judge)
        return responses.grade(grader, grade, time.monotonic() - began)

    def _validate(self, body: Any) -> dict[str, Any]:
        body = schema.check("ValidateGraderRequest", body)
        self._lab.check_grader(body["grader"])
        return {"grader": body["grader"]}
