"""Losses and gradients, beside ones that are written plainly and left to torch to differentiate."""

import json
import math
from pathlib import Path

import pytest
import tinybase
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from workbook.lab.model import bases, checkpoint, lora
from workbook.lab.model.linear import LINEARS, Linear
from workbook.lab.model.llama import Llama
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.training import forward, losses, packed_attention, training_file
from workbook.lab.training.forward import ForwardPass
from workbook.lab.training.lora_layers import LoRALinear

ANSWERS = [
    ("Good.", "5 stars", "1 star, awful"),
    ("Good.", "4 stars", "3"),
    ("Broke after a day, sadly.", "1 star", "5 stars"),
]


FIRST = 1  # of two layers, the one that has an adapter


@pytest.fixture
def tiny(home: Path, tmp_path: Path) -> Path:
    """A base that trains in no time."""
    return bases.add("tiny", tinybase.folder(tmp_path / "hf"))


def preference(text: str, better: str, worse: str) -> dict:
    return {
        "input": {
            "messages": [
                {"role": "system", "content": "Rate the review."},
                {"role": "user", "content": text},
            ]
        },
        "preferred_output": [{"role": "assistant", "content": better}],
        "non_preferred_output": [{"role": "assistant", "content": worse}],
    }


class Adapted(Linear):
    """A matrix with its adapter, left to torch to differentiate."""

    def __init__(self, weight, a, b) -> None:
        self.weight, self.a, self.b = weight, a, b

    def __call__(self, x):
        return F.linear(x, self.weight + lora.scale(self.a) * self.b @ self.a)


@pytest.fixture
def model(tiny: Path) -> tuple[Llama, lora.Adapter]:
    """The base in float32 with an adapter that changes it."""
    model = checkpoint.load(tiny, torch.float32)
    adapter = lora.create(model, range(FIRST, 2), torch.Generator().manual_seed(1))
    random = torch.Generator().manual_seed(2)
    for name, tensor in adapter.items():
        if name.endswith(".b"):
            tensor.normal_(std=0.1, generator=random)
        tensor.requires_grad_()
    for key in adapter:
        layer, name, _ = key.split(".")
        pair = (adapter[f"{layer}.{name}.{ab}"] for ab in "ab")
        setattr(
            model.blocks[int(layer)],
            name,
            Adapted(getattr(model.blocks[int(layer)], name).weight, *pair),
        )
    return model, adapter


@pytest.fixture
def examples(tiny: Path) -> list[tuple[list[int], list[bool]]]:
    """Three pairs, the preferred answer first."""
    parsed = [training_file.parse(json.dumps(preference(*each)).encode()) for each in ANSWERS]
    tokenizer = Tokenizer(tiny)
    return [
        tokenizer.row_example(chat) for row in parsed for chat in training_file.conversations(row)
    ]


def plain(model: Llama, ids: list[int], trained: list[bool]) -> torch.Tensor:
    """log p of each trained token, from all logits of one example."""
    n, config = len(ids), model.config

    def attend(layer, q, k, v):
        k, v = (each.repeat_interleave(config.heads // config.kv_heads, 1) for each in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q, k) / config.head_width**0.5
        future = torch.ones(n, n).triu(1).bool()
        return torch.einsum("hqk,khd->qhd", scores.masked_fill(future, -1e9).softmax(-1), v)

    x, angles = model.embed(torch.tensor(ids)), model.angles(torch.arange(n))
    for i in range(config.layers):
        x = model.block(i, x, angles, attend)
    logprobs = model.logits(x).log_softmax(-1)
    return torch.stack([logprobs[t - 1, ids[t]] for t in range(1, n) if trained[t]])


def gradient(adapter: lora.Adapter) -> dict[str, torch.Tensor]:
    gradients = {name: tensor.grad.clone() for name, tensor in adapter.items()}
    for tensor in adapter.values():
        tensor.grad = None
    return gradients


def assert_same(objective, adapter, loss: torch.Tensor, monkeypatch) -> None:
    """The objective's loss and gradient over all entries are those of `loss`, however it computes
    them: all at once, from the cache, and in micro-batches of one entry, computed again, with
    attention for a few tokens at a time."""
    loss.backward()
    expected = gradient(adapter)
    everything = list(range(len(objective.lengths)))
    for rows, labels, queries in ((1024, 512, 256), (1024, 512, 256), (1, 2, 5)):
        monkeypatch.setattr(forward, "MICRO_BATCH", rows)
        monkeypatch.setattr(forward, "RECOMPUTE_ABOVE", rows)
        monkeypatch.setattr(forward, "LOGIT_ROWS", labels)
        monkeypatch.setattr(packed_attention, "QUERY_ROWS", queries)
        metrics = objective.forward_backward(everything)
        assert math.isclose(metrics["loss"], float(loss.detach()), rel_tol=1e-4)
        for name, actual in gradient(adapter).items():
            assert (actual - expected[name]).norm() <= 0.01 * expected[name].norm(), name


def test_supervised_loss_and_gradient_are_those_of_the_formula(model, examples, monkeypatch):
    model, adapter = model
    loss = -torch.cat([plain(model, *example) for example in examples]).mean()
    objective = losses.SupervisedLoss(ForwardPass(model, adapter, examples))
    assert_same(objective, adapter, loss, monkeypatch)


def test_dpo_loss_and_gradient_are_those_of_the_formula(model, examples, monkeypatch):
    """Rafailov et al. 2023, equation 7, with a reference that differs from the model."""
    model, adapter = model
    beta, reference = 0.3, torch.tensor([[-45.0, -90.0], [-44.0, -14.0], [-40.0, -47.0]])
    logs = torch.stack([plain(model, *example).sum() for example in examples]).view(3, 2)
    ratios = logs - reference
    loss = -F.logsigmoid(beta * ratios[:, 0] - beta * ratios[:, 1]).mean()
    objective = losses.DPOLoss(ForwardPass(model, adapter, examples), beta, reference)
    assert_same(objective, adapter, loss, monkeypatch)


def test_dpo_begins_at_its_reference(model, examples):
    objective = losses.DPOLoss(ForwardPass(*model, examples), 0.1)
    with torch.no_grad():
        start = objective.forward_backward([0, 1, 2])
    assert math.isclose(start["loss"], math.log(2), abs_tol=1e-3)
    assert abs(start["reward_margin"]) < 1e-3


def test_nothing_is_computed_beside_the_models_device(tiny):
    """torch's meta device stands for a GPU: it refuses to work with the processor's tensors."""
    model = checkpoint.load(tiny, torch.float32)
    adapter = lora.create(model, range(1, 2), torch.Generator())
    there = {name: tensor.to("meta").requires_grad_() for name, tensor in adapter.items()}
    for block in model.blocks:
        block.norm1, block.norm2 = block.norm1.to("meta"), block.norm2.to("meta")
        for name in LINEARS:
            setattr(block, name, Linear(getattr(block, name).weight.to("meta")))
    head = Linear(model.head.weight.to("meta"))
    embedding, norm = model.embedding.to("meta"), model.norm.to("meta")
    model = Llama(model.config, embedding, model.blocks, norm, head)
    ids = list(range(9))
    batch = ForwardPass(
        model, there, [(ids, [False] * 5 + [True] * 4), (ids[:7], [False] * 4 + [True] * 3)]
    )
    for _ in range(2):  # the second time from the cache
        batch.logprobs([0, 1])[0].sum().backward()
    assert all(tensor.grad.is_meta for tensor in there.values())


def test_a_lora_linears_gradients_are_torchs():
    random = torch.Generator().manual_seed(3)
    x, weight, d_y = (torch.randn(*s, generator=random) for s in ((5, 8), (6, 8), (5, 6)))
    a, b = (torch.randn(*s, generator=random, requires_grad=True) for s in ((2, 8), (6, 2)))
    x.requires_grad_()
    y = x @ (weight + lora.scale(a) * b @ a).T
    expected = torch.autograd.grad(y, [x, a, b], d_y)
    with torch.no_grad():
        linear = LoRALinear(weight, a, b)
        ours, ax = linear.forward(x)
        d_x = linear.backward(x, ax, d_y)
    torch.testing.assert_close(ours, y.detach())
    for actual, gradient in zip((d_x, a.grad, b.grad), expected, strict=True):
        torch.testing.assert_close(actual, gradient)


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_an_adapter_of_any_rank_computes_the_same_before_and_after_it_is_merged(tiny, rank):
    model, random = checkpoint.load(tiny, torch.float32), torch.Generator().manual_seed(4)
    adapter = lora.create(model, range(2), random, rank)
    for name in ("0.qkv.b", "1.down.b"):
        adapter[name].normal_(generator=random)
    x = {
        name: torch.randn(3, adapter[f"{name}.a"].shape[1], generator=random)
        for name in ("0.qkv", "1.down")
    }
    weights = {"0.qkv": model.blocks[0].qkv.weight, "1.down": model.blocks[1].down.weight}
    parts = {
        name: LoRALinear(weights[name], adapter[f"{name}.a"], adapter[f"{name}.b"]).forward(x[name])
        for name in x
    }
    lora.merge(dict(enumerate(model.blocks)), adapter)
    for name, merged in (("0.qkv", model.blocks[0].qkv), ("1.down", model.blocks[1].down)):
        expected = merged(x[name])
        rounding = float(expected.abs().max()) * 2**-18  # six of the 24 bits of float32
        torch.testing.assert_close(parts[name][0], expected, rtol=0, atol=rounding)
    assert not torch.equal(model.blocks[0].qkv.weight, weights["0.qkv"])
