"""The lab's look at the loss mask: which tokens of an example are learned."""

import threading
from pathlib import Path

from labserver import ASK, Server, offline


def test_the_loss_mask_marks_what_the_assistant_says(lab: Server) -> None:
    tokens = lab.call(
        "POST", "/lab/loss_mask", {"messages": [*ASK, {"role": "assistant", "content": "Blue."}]}
    )[1]["tokens"]
    assert "".join(t["text"] for t in tokens if t["trained"]) == "Blue.<|im_end|>"
    pair = lab.call("POST", "/lab/loss_mask", {"prompt": "A:", "completion": " b"})[1]["tokens"]
    assert [t["trained"] for t in pair] == [False, False, True, True]
    assert lab.refused("POST", "/lab/loss_mask", {"messages": ASK})[:2] == (400, "invalid_example")


def test_a_long_example_is_refused_beside_the_event_loop(tmp_path: Path, monkeypatch) -> None:
    lab, client = offline(tmp_path)
    threads: list[str] = []
    example = lab.tokenizer.row_example

    def watched(row: dict) -> tuple:
        threads.append(threading.current_thread().name)
        return example(row)

    monkeypatch.setattr(lab.tokenizer, "row_example", watched)
    long = {"prompt": "one two " * lab.context, "completion": " three"}
    answer = client.post("/v1/lab/loss_mask", json=long)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert all("worker thread" in name for name in threads) and threads  # others are answered
