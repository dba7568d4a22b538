"""Sampling in training and the policy gradient, against the plain way to compute both."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tinybase
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from workbook.lab.generation import structured_output
from workbook.lab.model import bases, checkpoint, lora
from workbook.lab.model.grammar import GrammarCompiler
from workbook.lab.model.llama import Llama
from workbook.lab.training import policy_gradient, rollouts
from workbook.lab.training.answer_form import AnswerForm
from workbook.lab.training.failures import UnrecoverableError
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


SCHEMA = {
    "type": "object",
    "properties": {"s": {"enum": [1, 2, 30]}, "t": {"type": "string", "maxLength": 3}},
    "required": ["s", "t"],
}


def grammar(schema: dict = SCHEMA) -> str:
    form = {"type": "json_schema", "json_schema": {"name": "form", "schema": schema}}
    return structured_output.job_grammar(form) or ""


def tokenizer_file() -> Path:
    return bases.find("tiny")[1] / "tokenizer.json"


def sampled(
    model: Llama,
    adapter: lora.Adapter,
    prompts: list[list[int]],
    form: str = "",
    most: int = MOST,
    stops: set[int] = STOPS,
) -> tuple[list[rollouts.Rollout], list[np.ndarray]]:
    shape = AnswerForm(tokenizer_file(), model.config.vocabulary, 1, form) if form else None
    sampler = rollouts.RolloutSampler(model, adapter, 1, stops, TEMPERATURE, shape)
    draws = [np.random.default_rng([1, i]).random((ANSWERS, most)) for i in range(len(prompts))]
    return sampler.sample(prompts, draws), draws


def held_to(form: str, logits: torch.Tensor, answer: list[int]) -> torch.Tensor:
    """Logits of an answer's places (T, V) without what the grammar forbids, a place at a time."""
    if not form:
        return logits
    matcher = GrammarCompiler(tokenizer_file(), logits.shape[-1], 1).matcher(form)
    allowed = torch.zeros_like(logits)
    for place, token in zip(allowed, answer, strict=True):
        place.copy_(matcher.mask(place))
        matcher.advance(token)
    return logits + allowed


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
@pytest.mark.parametrize("form", ["", grammar()], ids=["free", "schema"])
def test_the_gradient_is_the_one_that_autograd_finds(
    model, prompts, weights, form, monkeypatch
) -> None:
    monkeypatch.setattr("workbook.lab.training.tree_attention.MAX_WEIGHTS", weights)
    monkeypatch.setattr(policy_gradient, "MICRO_BATCH", 60 if weights == 50 else 1024)
    adapter, reference = adapters(model)
    results, _ = sampled(model, adapter, prompts, form)
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
                held_to(form, logits(each, prompt + answer)[len(prompt) - 1 : -1], answer)
                .log_softmax(-1)
                .gather(1, ids)
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


def test_answers_keep_to_a_schema_and_end_with_it(model: Llama) -> None:
    adapter, _ = adapters(model)
    results, _ = sampled(model, adapter, PROMPTS[0], grammar(), most=40, stops={1})
    tokenizer = tinybase.tokenizer()
    texts = [tokenizer.decode(answer) for result in results for answer in result.answers]
    for text in texts:
        jsonschema.validate(json.loads(text), SCHEMA)
    assert len(set(texts)) > 6
    alone = [sampled(model, adapter, [prompt], grammar(), 40, {1})[0][0] for prompt in PROMPTS[0]]
    assert alone[0].answers == results[0].answers  # the same draws, whoever is beside it


def test_a_schema_that_nothing_fits_ends_the_job_with_a_sentence(model: Llama) -> None:
    adapter, _ = adapters(model)
    nothing = {"type": "string", "pattern": "(?=a)b"}
    with pytest.raises(UnrecoverableError, match="response_format"):
        sampled(model, adapter, PROMPTS[0], grammar(nothing))
