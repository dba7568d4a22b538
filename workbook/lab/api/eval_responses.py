"""Evals, runs and output items as OpenAI's objects.

As dicts: the SDK's types would not take the null that OpenAI sends where there is no error. Knows
the shapes of answers and nothing else.
"""

from typing import Any

from workbook.lab.state.evals import RunTotals
from workbook.lab.state.records import Eval, EvalItem, EvalRun

_STRING = {"type": "string"}
_SAMPLE = {
    "type": "object",
    "properties": {"model": _STRING, "output_text": _STRING, "finish_reason": _STRING},
    "required": ["model", "output_text", "finish_reason"],
}


def evaluation(record: Eval) -> dict[str, Any]:
    """An `eval` object."""
    return {
        "object": "eval",
        "id": record.id,
        "name": record.name,
        "created_at": record.created_at,
        "data_source_config": _config(record.config),
        "testing_criteria": record.criteria,
        "metadata": record.metadata or {},
    }


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """What a template may name."""
    properties = {"item": config["item_schema"]}
    if config.get("include_sample_schema"):
        properties["sample"] = _SAMPLE
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "custom", "schema": schema}


def run(record: EvalRun, totals: RunTotals) -> dict[str, Any]:
    """An `eval.run` object."""
    used = totals.usage["invocation_count"]
    return {
        "object": "eval.run",
        "id": record.id,
        "eval_id": record.eval_id,
        "report_url": "",  # there is no page to look at it
        "status": record.status,
        "model": record.model,
        "name": record.name,
        "created_at": record.created_at,
        "result_counts": totals.counts,
        "per_model_usage": [{"model_name": record.model} | totals.usage] if used else [],
        "per_testing_criteria_results": [
            {"testing_criteria": name, "passed": passed, "failed": failed}
            for name, (passed, failed) in totals.criteria.items()
        ],
        "data_source": record.data_source,
        "error": record.error,
        "metadata": record.metadata or {},
    }


def output_item(record: EvalItem, eval_id: str) -> dict[str, Any]:
    """An `eval.run.output_item` object."""
    return {
        "object": "eval.run.output_item",
        "id": record.id,
        "created_at": record.created_at,
        "run_id": record.run_id,
        "eval_id": eval_id,
        "status": record.status,
        "datasource_item_id": record.place,
        "datasource_item": record.item["item"],
        "results": record.results,
        "sample": record.sample,
    }
