"""Asking by the Batch API: one file of requests, one price, answers within a day.

A batch that was sent is written into the file of answers, and a later run fetches it instead of
sending a second. Knows the Batch API. Knows nothing of grading.
"""

import asyncio
import inspect
import json
from collections.abc import Mapping
from typing import Any

from workbook.evals import completions
from workbook.evals.answers import Answer, AnswerFile
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example

_ENDED = ("completed", "failed", "expired", "cancelled")
_POLL = (1.0, 30.0)  # seconds: the first wait, and the longest


async def fetch(
    client: Any,
    model: str,
    questions: Mapping[str, Example],
    store: AnswerFile,
    settings: Mapping[str, Any],
) -> None:
    """Get the answers that `store` lacks. Raises EvaluationError where the batch failed."""
    for batch, keys in store.batches().items():
        if any(key in questions and store.last(key) is None for key in keys):
            await _collect(client, batch, model, questions, store, settings)
    missing = {key: each for key, each in questions.items() if store.get(key) is None}
    if not missing:
        return
    lines = [_request(key, model, each, settings) for key, each in missing.items()]
    data = "\n".join(lines).encode("utf-8") + b"\n"
    file = await _result(client.files.create(file=("requests.jsonl", data), purpose="batch"))
    batch = await _result(
        client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
    )
    store.add_batch(batch.id, list(missing))
    await _collect(client, batch.id, model, questions, store, settings)


def _request(key: str, model: str, example: Example, settings: Mapping[str, Any]) -> str:
    body = {"model": model, "messages": list(example.messages), **settings}
    line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line, ensure_ascii=True)


async def _collect(
    client: Any,
    id: str,
    model: str,
    questions: Mapping[str, Example],
    store: AnswerFile,
    settings: Mapping[str, Any],
) -> None:
    """Wait for a batch, and keep the answers of it that are asked for."""
    wait = _POLL[0]
    while (batch := await _result(client.batches.retrieve(id))).status not in _ENDED:
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, _POLL[1])
    if batch.status == "failed":
        errors = batch.errors.data if batch.errors and batch.errors.data else []
        reason = "; ".join(error.message or "" for error in errors) or "no reason is given"
        raise EvaluationError(f"Batch {id} failed: {reason}")
    for file_id in (batch.output_file_id, batch.error_file_id):
        if file_id is None:
            continue
        content = await _result(client.files.content(file_id))
        for line in content.text.split("\n"):
            if not line.strip():
                continue
            record = json.loads(line)
            if record["custom_id"] in questions:
                store.add(_answer(record, model, questions, client, settings))


def _answer(
    record: Mapping[str, Any],
    model: str,
    questions: Mapping[str, Example],
    client: Any,
    settings: Mapping[str, Any],
) -> Answer:
    from openai.types.chat import ChatCompletion

    key, response, seed = record["custom_id"], record.get("response"), settings.get("seed")
    id = questions[key].id
    if response and response["status_code"] == 200:
        completion = ChatCompletion.model_validate(response["body"])
        host = completions.host_of(client)
        return completions.answer(completion, key, id, model, host, seed, batch=True)
    error = record.get("error") or (response or {}).get("body", {}).get("error") or {}
    message = error.get("message") or "no reason is given"
    return Answer(key, id, model, seed, error=message, at=completions.now())


async def _result(value: Any) -> Any:
    """What a call gives, whether the client is asynchronous or not."""
    return await value if inspect.isawaitable(value) else value
