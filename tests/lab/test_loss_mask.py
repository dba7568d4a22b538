"""The lab's look at the loss mask: which tokens of an example are learned."""

from labserver import ASK, Server


def test_the_loss_mask_marks_what_the_assistant_says(lab: Server) -> None:
    tokens = lab.call(
        "POST", "/lab/loss_mask", {"messages": [*ASK, {"role": "assistant", "content": "Blue."}]}
    )[1]["tokens"]
    assert "".join(t["text"] for t in tokens if t["trained"]) == "Blue.<|im_end|>"
    pair = lab.call("POST", "/lab/loss_mask", {"prompt": "A:", "completion": " b"})[1]["tokens"]
    assert [t["trained"] for t in pair] == [False, False, True, True]
    assert lab.refused("POST", "/lab/loss_mask", {"messages": ASK})[:2] == (400, "invalid_example")
