"""An eval's items: the request that each becomes, and how its answer is judged.

Knows OpenAI's data sources, templates and samples; knows nothing of threads or records.
"""

import json
from typing import Any

from workbook.grading import graders, templates
from workbook.grading.judging import Judge
from workbook.lab.errors import ApiError
from workbook.lab.generation.plan import Plan
from workbook.lab.serving.types import Completion

ENDPOINTS = {"completions": "/v1/chat/completions", "responses": "/v1/responses"}
SEED = 42  # where none is asked for: a run can be repeated


def request(source: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """The body that asks for an answer to an item. Raises ApiError (400).

    source: of type completions or responses.
    """
    sampling = dict(source.get("sampling_params", {}))
    messages = _messages(source, item)
    if source["type"] == "completions":
        return {"model": source["model"], "messages": messages} | sampling
    sampling.pop("seed", None)  # Responses has none: it goes to the engine by itself
    if "max_completion_tokens" in sampling:
        sampling["max_output_tokens"] = sampling.pop("max_completion_tokens")
    if sampling.pop("reasoning_effort", None):
        message = "'reasoning_effort' is not supported by the lab: leave it out."
        raise ApiError(400, message, "unsupported_parameter", "reasoning_effort")
    return {"model": source["model"], "input": messages} | sampling


def seeded(plan: Plan, source: dict[str, Any]) -> Plan:
    """The plan with the run's seed."""
    for each in plan.requests:
        each.seed = source.get("sampling_params", {}).get("seed", SEED)
    return plan


def _messages(source: dict[str, Any], item: dict[str, Any]) -> Any:
    messages_source = source["input_messages"]
    if messages_source["type"] == "item_reference":
        path = messages_source["item_reference"].removeprefix("item.").split(".")
        value: Any = item
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, list):
            message = f"'{messages_source['item_reference'][:80]}' is no list of messages."
            raise ApiError(400, message, "invalid_value", "input_messages")
        return value
    try:
        return [
            {
                "role": message["role"],
                "content": templates.fill_item(_text(message["content"]), item),
            }
            for message in messages_source["template"]
        ]
    except ValueError as error:
        raise ApiError(400, f"{error}.", "invalid_template", "input_messages") from None


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return "".join(part["text"] for part in parts)


def sample(body: dict[str, Any], plan: Plan, done: Completion) -> dict[str, Any]:
    """OpenAI's `sample` of an answer."""
    answer = plan.answer([done])
    usage, asked = answer["usage"], plan.requests[0]
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    return {
        "error": None,
        "finish_reason": done.finish_reason,
        "input": [
            {"role": message["role"], "content": _text(message.get("content") or "")}
            for message in body["messages" if "messages" in body else "input"]
        ],
        "max_completion_tokens": asked.max_tokens,
        "model": body["model"],
        "output": [{"role": "assistant", "content": _answer_text(answer)}],
        "seed": asked.seed,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": usage["total_tokens"] - prompt,
            "total_tokens": usage["total_tokens"],
            "cached_tokens": details["cached_tokens"],
        },
    }


def _answer_text(answer: dict[str, Any]) -> str:
    """What was said; a tool call as JSON."""
    if "choices" in answer:
        message = answer["choices"][0]["message"]
        calls = [call["function"] for call in message.get("tool_calls") or []]
        return message["content"] or json.dumps(calls)
    [item] = answer["output"]
    if item["type"] == "function_call":
        return json.dumps([{"name": item["name"], "arguments": item["arguments"]}])
    text: str = item["content"][0]["text"]
    return text


def given_sample(row: dict[str, Any], error: ApiError | None = None) -> dict[str, Any]:
    """The `sample` of an item that brings its answer along, or whose answer failed."""
    text = (row.get("sample") or {}).get("output_text", "")
    tokens = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
    fault = None if error is None else {"code": error.code or "error", "message": error.message}
    return {
        "error": fault,
        "finish_reason": "stop" if error is None else "error",
        "input": [],
        "max_completion_tokens": 0,
        "model": "",
        "output": [{"role": "assistant", "content": text if isinstance(text, str) else ""}],
        "seed": 0,
        "temperature": 0.0,
        "top_p": 1.0,
        "usage": dict.fromkeys(tokens, 0),
    }


def judge(
    criteria: list[dict], item: dict[str, Any], text: str, ask: Judge
) -> tuple[str, list[dict]]:
    """An item's status, and the result of each criterion. Raises GraderError.

    ask: asks models, for criteria that need one.
    """
    results = []
    for criterion in criteria:
        grade = graders.run(criterion, item, text, ask)
        threshold = criterion.get("pass_threshold", 1.0)
        result = {
            "name": criterion["name"],
            "type": criterion["type"],
            "score": grade.reward,
            "passed": not grade.errors and grade.reward >= threshold,
            "sample": None,
        }
        if grade.errors:  # a template names what is not there, say
            result["errors"] = sorted(grade.errors)
        results.append(result)
    return "pass" if all(result["passed"] for result in results) else "fail", results
