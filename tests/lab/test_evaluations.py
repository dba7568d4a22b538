"""The evaluation harness over a real lab: chats, and a batch that is sent once."""

import json
from pathlib import Path

from labserver import MODEL, Server

from workbook import evals
from workbook.evals import graders, results
from workbook.evals.examples import Example


def test_chats_and_a_batch_are_kept_and_no_batch_is_sent_twice(lab: Server, tmp_path: Path) -> None:
    asked = [
        Example(str(i), [{"role": "user", "content": f"What is {i} plus 1?"}], i + 1)
        for i in range(4)
    ]
    settings = {"temperature": 0, "max_completion_tokens": 6, "logprobs": True}
    client = lab.client()
    one = evals.run(client, MODEL, asked, tmp_path / "a.jsonl", progress=False, **settings)
    sent = tmp_path / "b.jsonl"
    many = evals.run(client, MODEL, asked, sent, through_batch=True, **settings)
    assert all(each.text for each in [*one, *many])
    assert all(each.logprobs and each.logprobs[0]["logprob"] <= 0 for each in many)
    table = results.grade(asked, many, {"exact": graders.number_within(0)})
    assert table["completion_tokens"].between(1, 6).all() and table["usd"].eq(0).all()

    # As after a crash: the batch is known, its answers are not on disk.
    first = sent.read_text().splitlines()[0]
    batch = json.loads(first)["batch"]
    sent.write_text(first + "\n")
    again = evals.run(client, MODEL, asked, sent, through_batch=True, **settings)
    assert [each.text for each in again] == [each.text for each in many]
    assert next(iter(client.batches.list())).id == batch
