"""The trainer alone: its losses beside plain ones, its memory, its end and its going on."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tinybase
import torch
import torch.nn.functional as F

from workbook import paths
from workbook.errors import WorkbookError
from workbook.lab.jobs import runner
from workbook.lab.model import bases, device, weights
from workbook.lab.model import lora as adapters
from workbook.lab.model.llama import LINEARS, Dense, Llama
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.serving.engine import Engine, Request
from workbook.lab.training import forward, losses, packed_attention, trainer, training_file
from workbook.lab.training.forward import Learner

FIRST = 1  # of two layers, the one that has an adapter
ANSWERS = [
    ("Good.", "5 stars", "1 star, awful"),
    ("Good.", "4 stars", "3"),
    ("Broke after a day, sadly.", "1 star", "5 stars"),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return weights.ensure()


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


# Losses and gradients, beside ones that are written plainly


class Adapted(Dense):
    """A matrix with its adapter, left to torch to differentiate."""

    def __init__(self, weight, a, b) -> None:
        self.weight, self.a, self.b = weight, a, b

    def __call__(self, x):
        return F.linear(x, self.weight + adapters.SCALE * self.b @ self.a)


@pytest.fixture
def model(tiny: Path) -> tuple[Llama, adapters.Adapter]:
    """The base in float32 with an adapter that changes it."""
    model = Llama.load(tiny, torch.float32)
    adapter = adapters.create(model, range(FIRST, 2), torch.Generator().manual_seed(1))
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


def gradient(adapter: adapters.Adapter) -> dict[str, torch.Tensor]:
    taken = {name: tensor.grad.clone() for name, tensor in adapter.items()}
    for tensor in adapter.values():
        tensor.grad = None
    return taken


def assert_same(objective, adapter, loss: torch.Tensor, monkeypatch) -> None:
    """The objective's loss and gradient over all entries are those of `loss`, however it computes
    them: all at once, from the cache, and in portions of one entry, computed again, with attention
    for a few tokens at a time."""
    loss.backward()
    expected = gradient(adapter)
    everything = list(range(len(objective.lengths)))
    for portion, labels, queries in ((1024, 512, 256), (1024, 512, 256), (1, 2, 5)):
        monkeypatch.setattr(forward, "PORTION", portion)
        monkeypatch.setattr(forward, "KEPT", portion)
        monkeypatch.setattr(forward, "LABELS", labels)
        monkeypatch.setattr(packed_attention, "QUERIES", queries)
        metrics = objective.learn(everything)
        assert math.isclose(metrics["loss"], float(loss.detach()), rel_tol=1e-4)
        for name, found in gradient(adapter).items():
            assert (found - expected[name]).norm() <= 0.01 * expected[name].norm(), name


def test_supervised_loss_and_gradient_are_those_of_the_formula(model, examples, monkeypatch):
    model, adapter = model
    loss = -torch.cat([plain(model, *example) for example in examples]).mean()
    objective = losses.Supervised(Learner(model, adapter, examples))
    assert_same(objective, adapter, loss, monkeypatch)


def test_dpo_loss_and_gradient_are_those_of_the_formula(model, examples, monkeypatch):
    """Rafailov et al. 2023, equation 7, with a reference that differs from the model."""
    model, adapter = model
    beta, reference = 0.3, torch.tensor([[-45.0, -90.0], [-44.0, -14.0], [-40.0, -47.0]])
    logs = torch.stack([plain(model, *example).sum() for example in examples]).view(3, 2)
    ratios = logs - reference
    loss = -F.logsigmoid(beta * ratios[:, 0] - beta * ratios[:, 1]).mean()
    objective = losses.Preferences(Learner(model, adapter, examples), beta, reference)
    assert_same(objective, adapter, loss, monkeypatch)


def test_dpo_begins_at_its_reference(model, examples):
    objective = losses.Preferences(Learner(*model, examples), 0.1)
    with torch.no_grad():
        start = objective.learn([0, 1, 2])
    assert math.isclose(start["loss"], math.log(2), abs_tol=1e-3)
    assert abs(start["reward_margin"]) < 1e-3


# What "auto" means, and the order of the data


def test_epochs_follow_openais_rule():
    epochs = [trainer.auto_hyperparameters(n)["n_epochs"] for n in (1, 10, 40, 300, 10_000, 50_000)]
    assert epochs == [25, 10, 3, 3, 2, 1]


def test_every_example_is_in_every_epoch_once():
    lengths = [10 + i % 7 for i in range(53)]
    first, again, second = (trainer.batches(lengths, 8, seed=3, epoch=e) for e in (0, 0, 1))
    assert sorted(sum(first, [])) == list(range(53))
    assert first == again != second


# Devices


@pytest.mark.parametrize(
    ("asked", "there", "chosen"),
    [
        (None, (), "cpu"),
        ("auto", ("mps",), "mps"),
        ("", ("cuda", "mps"), "cuda"),
        ("cpu", ("cuda",), "cpu"),
        ("cuda", (), "no such device"),
        ("gpu", (), "it can be auto"),
    ],
)
def test_a_gpu_is_used_where_there_is_one_unless_it_is_switched_off(
    asked, there, chosen, monkeypatch
):
    monkeypatch.delenv(device.VARIABLE, raising=False)
    if asked is not None:
        monkeypatch.setenv(device.VARIABLE, asked)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    if chosen in device.NAMES:
        assert device.choose() == torch.device(chosen)
    else:
        with pytest.raises(WorkbookError, match=chosen):
            device.choose()


def test_nothing_is_computed_beside_the_models_device(tiny):
    """torch's meta device stands for a GPU: it refuses to work with the processor's tensors."""
    model = Llama.load(tiny, torch.float32)
    adapter = adapters.create(model, range(1, 2), torch.Generator())
    there = {name: tensor.to("meta").requires_grad_() for name, tensor in adapter.items()}
    for block in model.blocks:
        block.norm1, block.norm2 = block.norm1.to("meta"), block.norm2.to("meta")
        for name in LINEARS:
            setattr(block, name, Dense(getattr(block, name).weight.to("meta")))
    head = Dense(model.head.weight.to("meta"))
    embedding, norm = model.embedding.to("meta"), model.norm.to("meta")
    model = Llama(model.config, embedding, model.blocks, norm, head)
    ids = list(range(9))
    batch = Learner(
        model, there, [(ids, [False] * 5 + [True] * 4), (ids[:7], [False] * 4 + [True] * 3)]
    )
    for _ in range(2):  # the second time from the cache
        batch.logprobs([0, 1])[0].sum().backward()
    assert all(tensor.grad.is_meta for tensor in there.values())


# Whole jobs


def job_folder(
    base: Path, at: Path, epochs: int, examples: list[dict] | None = None, **changes
) -> Path:
    examples = examples or [
        {
            "messages": [
                {"role": "user", "content": f"Say the word for {i}."},
                {"role": "assistant", "content": f"word {i}"},
            ]
        }
        for i in range(12)
    ]
    at.mkdir()
    (at / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples))
    spec = {
        "method": "supervised",
        "base": str(base),
        "start_from": None,
        "validation_file": None,
        "training_file": str(at / "train.jsonl"),
        "n_epochs": epochs,
        "batch_size": 4,
        "learning_rate_multiplier": 1.0,
        "seed": 7,
    } | changes
    (at / "spec.json").write_text(json.dumps(spec))
    return at


def start(job: Path, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "workbook.lab.training.trainer", str(job)]
    return subprocess.Popen(command, cwd=paths.ROOT, **options)


def test_a_trainer_gets_what_saves_memory_and_no_key(monkeypatch):
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "secret")
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "7")  # what the user has set stays
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    around = runner.surroundings()
    assert "WORKBOOK_LAB_KEY" not in around and around["PATH"] == os.environ["PATH"]
    assert around["LRU_CACHE_CAPACITY"] == "7"
    assert around["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "100"


def diary(job: Path, kind: str) -> list[dict]:
    lines = (job / "progress.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["type"] == kind]


def tuned(job: Path) -> Path:
    return job / diary(job, "checkpoint")[-1]["folder"]


def test_a_killed_job_goes_on_and_ends_as_if_nothing_had_happened(folder, tmp_path):
    whole, broken = (job_folder(folder, tmp_path / name, 3) for name in ("whole", "broken"))
    assert start(whole).wait(600) == 0
    process = start(broken)
    while not (broken / "checkpoints" / "step-3").exists():  # until the first epoch is done
        time.sleep(0.01)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not diary(broken, "done")
    assert start(broken).wait(600) == 0
    assert [e["step"] for e in diary(broken, "step")] == list(range(1, 10))
    for ours, theirs in zip(diary(broken, "step"), diary(whole, "step"), strict=True):
        assert math.isclose(ours["train_loss"], theirs["train_loss"], abs_tol=0.05)
    first, last = diary(whole, "step")[0]["train_loss"], diary(whole, "step")[-1]["train_loss"]
    assert last < first / 2
    kept = {e["folder"] for e in diary(broken, "checkpoint")}
    assert kept == {f"checkpoints/step-{n}" for n in (3, 6, 9)}
    assert diary(broken, "done")[0]["trained_tokens"] == diary(whole, "done")[0]["trained_tokens"]


def test_a_loss_that_is_not_a_number_fails_the_job_with_a_reason(tiny, tmp_path):
    job = job_folder(tiny, tmp_path / "wild", 25, learning_rate_multiplier=1e30)
    assert start(job).wait(600) == 0
    assert diary(job, "failed")[0]["code"] == "loss_not_finite"
    assert not diary(job, "done")


def test_the_engine_answers_as_the_trainer_taught_and_dpo_changes_its_mind(folder, tmp_path):
    """A supervised job, then preferences on what it made: each does what its data say."""
    taught = job_folder(folder, tmp_path / "taught", 8)
    assert start(taught).wait(600) == 0
    pairs = [
        {
            "input": {"messages": [{"role": "user", "content": f"Say the word for {i}."}]},
            "preferred_output": [{"role": "assistant", "content": f"number {i}"}],
            "non_preferred_output": [{"role": "assistant", "content": f"word {i}"}],
        }
        for i in range(12)
    ]
    turned = job_folder(
        folder, tmp_path / "turned", 4, pairs, method="dpo", beta=0.1, start_from=str(tuned(taught))
    )
    assert start(turned).wait(600) == 0
    steps = diary(turned, "step")
    assert math.isclose(steps[0]["train_loss"], math.log(2), abs_tol=0.05)
    assert steps[0]["train_reward_accuracy"] < 1 == steps[-1]["train_reward_accuracy"]
    assert steps[-1]["train_reward_margin"] > 1
    asked = Tokenizer(folder).chat_prompt([{"role": "user", "content": "Say the word for 3."}])
    engine = Engine(folder, dtype=torch.float32)
    answers = [
        engine.submit(Request(asked, 8, temperature=0, adapter=a)).result(60).text
        for a in (None, tuned(taught), tuned(turned))
    ]
    engine.close()
    assert answers[0] != answers[1] == "word 3"
    assert answers[2] == "number 3"


def test_a_damaged_model_to_start_from_is_said_to_be_damaged(tiny, tmp_path):
    broken = tmp_path / "adapter"
    broken.mkdir()
    (broken / "adapter.safetensors").write_bytes(b"no adapter")
    job = job_folder(tiny, tmp_path / "job", 1, start_from=str(broken))
    assert start(job).wait(600) == 0
    assert "damaged" in diary(job, "failed")[0]["message"]


@pytest.mark.parametrize("take", [lambda: torch.empty(2**50), lambda: bytearray(2**60)])
def test_want_of_memory_is_told_from_other_errors(take):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        take()
    assert trainer.reason(caught.value)[0] == "out_of_memory"
    assert trainer.reason(RuntimeError("shapes differ"))[0] == "training_process_died"


def test_a_diary_that_was_rewound_and_grew_again_is_read_from_its_beginning(tmp_path) -> None:
    """A quick training writes more after its rewind than stood there when it was last read."""
    progress = trainer.Progress(tmp_path)
    for step in range(1, 6):
        progress.add("step", step=step)
    diary = runner._Diary(tmp_path / "progress.jsonl")
    assert [entry["step"] for entry in diary.new()] == [1, 2, 3, 4, 5]
    progress.rewind(3)
    for step in range(4, 10):
        progress.add("step", step=step, train_loss=0.5)
    assert {entry["step"] for entry in diary.new()} >= set(range(4, 10))
    progress.add("step", step=10)
    assert [entry["step"] for entry in diary.new()] == [10]
