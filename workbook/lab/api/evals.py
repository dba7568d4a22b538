"""OpenAI's /evals: evals are described, and carried out on items.

How a run is carried out, `jobs.eval_runner` knows.
"""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workbook.lab import schema
from workbook.lab.api import eval_responses, responses
from workbook.lab.api.bodies import read_json
from workbook.lab.api.eval_source import rows_of
from workbook.lab.api.paging import page
from workbook.lab.errors import ApiError
from workbook.lab.ids import new_id, now
from workbook.lab.jobs import eval_items, item_schema
from workbook.lab.schema import Draft202012Validator, jsonschema
from workbook.lab.service import Lab
from workbook.lab.state.evals import RUN_UNFINISHED, Evals
from workbook.lab.state.records import (
    Eval,
    EvalItem,
    EvalRun,
    Record,
    UnknownIdError,
)


class EvalEndpoints:
    """/evals"""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._store, self._evals = lab, lab.store, Evals(lab.store)

    # Evals

    async def create(self, request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(self._create, body))

    def _create(self, body: Any) -> dict[str, Any]:
        body = schema.check("CreateEvalRequest", body)
        config = body["data_source_config"]
        if config["type"] != "custom":
            message = (
                f"The lab stores no completions, so it has no data source '{config['type']}'. "
                "Describe your items: type 'custom', with 'item_schema'."
            )
            raise ApiError(400, message, "unsupported_parameter", "data_source_config.type")
        try:
            Draft202012Validator.check_schema(config["item_schema"])
        except jsonschema.SchemaError as error:
            param = "data_source_config.item_schema"
            message = f"Invalid '{param}': {error.message[:200]}."
            raise ApiError(400, message, "invalid_schema", param) from None
        names = [criterion["name"] for criterion in body["testing_criteria"]]
        for i, criterion in enumerate(body["testing_criteria"]):
            self._lab.check_grader(criterion, f"testing_criteria[{i}]")
            if criterion["name"] in names[:i]:
                message = f"Two criteria are called '{criterion['name'][:80]}': give each a name."
                param = f"testing_criteria[{i}].name"
                raise ApiError(400, message, "invalid_value", param)
        record = Eval(
            id=new_id("eval_"),
            name=body.get("name", "Evaluation"),
            config=config,
            criteria=body["testing_criteria"],
            metadata=body.get("metadata"),
            created_at=now(),
        )
        self._store.add(record)
        return eval_responses.evaluation(record)

    def list(self, request: Request) -> Response:
        records, more = page(self._store, Eval, request, {}, newest_first=_newest_first(request))
        return JSONResponse(
            responses.listing([eval_responses.evaluation(e) for e in records], more)
        )

    def retrieve(self, request: Request) -> Response:
        return JSONResponse(eval_responses.evaluation(self._eval(request)))

    async def update(self, request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(self._update, request, body))

    def _update(self, request: Request, body: Any) -> dict[str, Any]:
        body = schema.check("UpdateEvalRequest", body)
        record = self._eval(request)
        if body:
            self._evals.update_eval(record.id, **body)
        return eval_responses.evaluation(self._eval(request))

    def delete(self, request: Request) -> Response:
        record = self._eval(request)
        self._evals.delete_eval(record.id)
        return JSONResponse({"object": "eval.deleted", "deleted": True, "eval_id": record.id})

    # Runs

    async def create_run(self, request: Request) -> Response:
        body = await read_json(request)
        return JSONResponse(await run_in_threadpool(self._create_run, request, body))

    def _create_run(self, request: Request, body: Any) -> dict[str, Any]:
        evaluation = self._eval(request)
        body = schema.check("CreateEvalRunRequest", body)
        self._lab.quotas.check_waiting(EvalRun, RUN_UNFINISHED)
        source = body["data_source"]
        rows = rows_of(source["source"], self._store)
        items = [row["item"] for row in rows]
        if problem := item_schema.problem(evaluation.config["item_schema"], items):
            raise ApiError(400, f"{problem}.", "invalid_item", "data_source.source")
        if source["type"] != "jsonl":
            self._try(source, rows[0]["item"])
        run = EvalRun(
            id=new_id("evalrun_"),
            eval_id=evaluation.id,
            status="queued",
            name=body.get("name", "Run"),
            model=source.get("model", ""),
            data_source=source,
            metadata=body.get("metadata"),
            created_at=now(),
        )
        items = [
            EvalItem(new_id("outputitem_"), run.id, place, row, run.created_at)
            for place, row in enumerate(rows)
        ]
        with self._store.transaction():
            self._lab.quotas.check_waiting(EvalRun, RUN_UNFINISHED)
            self._evals.add_run(run, items)
        self._lab.eval_runner.wake()
        return self._run_object(evaluation, run)

    def _try(self, source: dict[str, Any], item: dict[str, Any]) -> None:
        """Raise ApiError (400, 404) for what no item could be asked with."""
        for name in ("model", "input_messages"):
            if name not in source:
                param = f"data_source.{name}"
                message = f"Missing required parameter: '{param}'."
                raise ApiError(400, message, "missing_required_parameter", param)
        endpoint = eval_items.ENDPOINTS[source["type"]]
        self._lab.plan(endpoint, eval_items.request(source, item))

    def list_runs(self, request: Request) -> Response:
        evaluation = self._eval(request)
        where: dict[str, Any] = {"eval_id": evaluation.id}
        if status := request.query_params.get("status"):
            where["status"] = status
        order = _newest_first(request)
        runs, more = page(self._store, EvalRun, request, where, newest_first=order)
        return JSONResponse(
            responses.listing([self._run_object(evaluation, r) for r in runs], more)
        )

    def retrieve_run(self, request: Request) -> Response:
        return JSONResponse(self._run_object(self._eval(request), self._run(request)))

    def cancel_run(self, request: Request) -> Response:
        run = self._run(request)
        if not self._evals.update_run(run.id, RUN_UNFINISHED, status="canceled"):
            message = f"The run is {run.status}: it can only be cancelled before."
            raise ApiError(400, message, "invalid_run_status")
        return self.retrieve_run(request)

    def delete_run(self, request: Request) -> Response:
        run = self._run(request)
        self._evals.delete_run(run.id)
        return JSONResponse({"object": "eval.run.deleted", "deleted": True, "run_id": run.id})

    def list_items(self, request: Request) -> Response:
        run = self._run(request)
        where: dict[str, Any] = {"run_id": run.id, "done": 1}
        if status := request.query_params.get("status"):
            where["status"] = status
        order = _newest_first(request)
        items, more = page(self._store, EvalItem, request, where, newest_first=order)
        data = [eval_responses.output_item(item, run.eval_id) for item in items]
        return JSONResponse(responses.listing(data, more))

    def retrieve_item(self, request: Request) -> Response:
        run = self._run(request)
        item = self._get(EvalItem, request.path_params["item"], "output item")
        if item.run_id != run.id or not item.done:
            raise _unknown("output item", item.id)
        return JSONResponse(eval_responses.output_item(item, run.eval_id))

    def _run_object(self, evaluation: Eval, run: EvalRun) -> dict[str, Any]:
        return eval_responses.run(run, self._evals.totals(evaluation, run))

    def _eval(self, request: Request) -> Eval:
        return self._get(Eval, request.path_params["id"], "eval")

    def _run(self, request: Request) -> EvalRun:
        run = self._get(EvalRun, request.path_params["run"], "run")
        if run.eval_id != request.path_params["id"]:
            raise _unknown("run", run.id)
        return run

    def _get(self, kind: type[Record], id: str, name: str) -> Record:
        try:
            return self._store.get(kind, id)
        except UnknownIdError:
            raise _unknown(name, id) from None


def _unknown(name: str, id: str) -> ApiError:
    return ApiError(404, f"No {name} found with id '{id[:80]}'.", "not_found")


def _newest_first(request: Request) -> bool:
    order = request.query_params.get("order", "asc")
    if order not in ("asc", "desc"):
        message = f"Invalid value: '{order[:80]}'. Supported values are: 'asc', 'desc'."
        raise ApiError(400, message, "invalid_value", "order")
    return order == "desc"
