"""Sampling in training and the policy gradient, against the plain way to compute both."""

from pathlib import Path

import numpy as np
import pytest
import tinybase
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from workbook.lab.model import bases, checkpoint, lora
from workbook.lab.model.llama import Llama
from workbook.lab.training import policy_gradient, rollouts
from workbook.lab.training.policy_gradient import Group, PolicyGradient

TEMPERATURE, KL, ANSWERS, MOST = 0.7, 0.1, 4, 10
STOPS = {1, *range(40, 60)}  # many, so that answers end at different places


@pytest.fixture
def model(home: Path, tmp_path: Path) -> Llama:
    return checkpoint.load(bases.add("tiny", tinybase.folder(tmp_path / "hf")), torch.float32)


def adapters(model: Llama) -> tuple[lora.Adapter, lora.Adapter]:
    """One to train, and one that is not far from it."""
    random = torch.Generator().manual_seed(0)
    start = lora.create(model, range(1, 2), random)
    adapter = {
        name: (tensor + torch.randn(tensor.shape, generator=random) * 0.05).requires_grad_()
        for name, tensor in start.items()
    }
    other = {
        name: tensor.detach() + torch.randn(tensor.shape, generator=random) * 0.02
        for name, tensor in adapter.items()
    }
    return adapter, other


def sampled(
    model: Llama, adapter: lora.Adapter, prompts: list[list[int]]
) -> tuple[list[rollouts.Rollout], list[np.ndarray]]:
    sampler = rollouts.RolloutSampler(model, adapter, 1, STOPS, TEMPERATURE)
    draws = [np.random.default_rng([1, i]).random((ANSWERS, MOST)) for i in range(len(prompts))]
    return sampler.sample(prompts, draws), draws


def logits(model: Llama, ids: list[int]) -> torch.Tensor:
    """After each token of one text, with torch's own attention."""

    def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        heads = (each.transpose(0, 1)[None] for each in (q, k, v))
        out = F.scaled_dot_product_attention(*heads, is_causal=True, enable_gqa=True)
        return out[0].transpose(0, 1)

    x, angles = model.embed(torch.tensor(ids)), model.angles(torch.arange(len(ids)))
    for layer in range(model.config.layers):
        x = model.block(layer, x, angles, attend)
    return model.logits(x) / TEMPERATURE


# With a beginning in common, with none, alone, and one that is another's beginning.
PROMPTS = [
    [[0, 5, 6, 7, 8], [0, 5, 6, 9, 10, 11, 12, 13], [0, 5, 6, 3]],
    [[3, 5, 6], [4, 5, 6, 7]],
    [[7, 7, 7, 7, 9]],
    [[5, 6], [5, 6, 7, 8]],
]


@pytest.mark.parametrize("prompts", PROMPTS)
def test_answers_are_those_that_their_draws_fall_upon(model: Llama, prompts) -> None:
    adapter, _ = adapters(model)
    results, draws = sampled(model, adapter, prompts)
    plain = rollouts.adapted(model, adapter)
    for prompt, result, numbers in zip(prompts, results, draws, strict=True):
        for answer, row in zip(result.answers, numbers, strict=True):
            ids = list(prompt)
            for token, point in zip(answer, row, strict=False):
                edges = logits(plain, ids)[-1].double().softmax(-1).cumsum(-1)
                assert int(torch.searchsorted(edges, point, right=True)) == token
                ids.append(token)
            assert len(answer) == MOST or answer[-1] in STOPS
            assert not STOPS & set(answer[:-1])


@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("weights", [2**23, 50])
def test_the_gradient_is_the_one_that_autograd_finds(model, prompts, weights, monkeypatch) -> None:
    monkeypatch.setattr("workbook.lab.training.tree_attention.MAX_WEIGHTS", weights)
    monkeypatch.setattr(policy_gradient, "MICRO_BATCH", 60 if weights == 50 else 1024)
    adapter, reference = adapters(model)
    results, _ = sampled(model, adapter, prompts)
    spread = [[0.5, -0.5, 0.2, -0.2], [1.0, 0.0, 0.0, -1.0], [0.1, 0.2, 0.3, -0.6]]
    groups = [Group(result, some) for result, some in zip(results, spread, strict=False)]
    n_tokens = sum(len(answer) for result in results for answer in result.answers)
    gradient = PolicyGradient(model, adapter, reference, KL, TEMPERATURE)
    metrics = gradient.backward(groups, n_tokens)
    ours = {name: tensor.grad for name, tensor in adapter.items()}

    for tensor in adapter.values():
        tensor.grad = None
    plain, other = rollouts.adapted(model, adapter), rollouts.adapted(model, reference)
    loss, plain_loss = torch.zeros(()), 0.0
    for group in groups:
        prompt = group.rollout.prompt
        for answer, advantage in zip(group.rollout.answers, group.advantages, strict=True):
            ids = torch.tensor(answer)[:, None]
            policy, start = (
                logits(each, prompt + answer)[len(prompt) - 1 : -1].log_softmax(-1).gather(1, ids)
                for each in (plain, other)
            )
            loss = loss - ((advantage - KL * (policy - start)).detach() * policy).sum()
            plain_loss -= advantage * float(policy.detach().sum())
    (loss / n_tokens).backward()
    assert metrics["loss"] == pytest.approx(plain_loss / n_tokens, abs=1e-5)
    for name, tensor in adapter.items():
        torch.testing.assert_close(ours[name], tensor.grad, atol=1e-5, rtol=1e-3)


def test_many_prompts_are_sampled_as_few_are(model: Llama, monkeypatch) -> None:
    """In parts that fit the memory, and given back in order."""
    adapter, _ = adapters(model)
    prompts = [[0, *range(5, 6 + i % 7), i + 10] for i in range(20)]
    whole, _ = sampled(model, adapter, prompts)
    monkeypatch.setattr(rollouts, "TOKENS", 150)
    parts, _ = sampled(model, adapter, prompts)
    assert [part.prompt for part in parts] == prompts
    assert [part.answers for part in parts] == [each.answers for each in whole]
