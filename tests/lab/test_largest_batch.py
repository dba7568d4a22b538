"""A batch of as many requests as there may be: nobody waits for it, and memory is bounded."""

import json
import time
from typing import Any

import psutil
import pytest
from labserver import MODEL, Server
from waiting import until

from workbook.lab.jobs.batch_input import MAX_REQUESTS

CHAT = "/v1/chat/completions"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
LINE = {"method": "POST", "url": CHAT, "body": BODY}


@pytest.mark.full
def test_it_is_taken_in_listed_and_cancelled_quickly(lab: Server) -> None:
    client, process, slowest = lab.client(), psutil.Process(lab.process.pid), 0.0
    client.chat.completions.create(**BODY)  # the model is loaded
    before = process.memory_info().rss

    def asked(call: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal slowest
        began = time.monotonic()
        answer = call(*arguments, **more)
        slowest = max(slowest, time.monotonic() - began)
        return answer

    def batch_of(count: int) -> Any:
        lines = (json.dumps(LINE | {"custom_id": str(i)}) + "\n" for i in range(count))
        file = client.files.create(file=("in.jsonl", "".join(lines).encode()), purpose="batch")
        how = {"endpoint": CHAT, "completion_window": "24h"}
        return asked(client.batches.create, input_file_id=file.id, **how)

    def ended(batch: Any) -> Any:
        def is_over() -> bool:
            return asked(client.batches.retrieve, batch.id).status in ("failed", "cancelled")

        until(is_over, 600)
        return client.batches.retrieve(batch.id)

    refused, batch = batch_of(MAX_REQUESTS + 1), batch_of(MAX_REQUESTS)

    def has_begun() -> int:
        assert batch.id in [each.id for each in asked(client.batches.list).data]
        return client.batches.retrieve(batch.id).request_counts.completed

    until(has_begun, 600, 0.2)
    assert client.batches.retrieve(batch.id).request_counts.total == MAX_REQUESTS
    began = time.monotonic()
    asked(client.batches.cancel, batch.id)
    batch = ended(batch)
    assert batch.status == "cancelled" and time.monotonic() - began < 20
    answers = client.files.content(batch.output_file_id).text.splitlines()
    assert len(answers) == batch.request_counts.completed > 0
    again = batch_of(MAX_REQUESTS)
    asked(client.batches.cancel, again.id)  # while it is validated
    assert ended(again).status == "cancelled"
    assert ended(refused).errors.data[0].code == "too_many_requests"
    assert slowest < 5 and process.memory_info().rss - before < 2**28
