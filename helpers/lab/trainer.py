"""Trains an adapter on a file of examples: `python -m helpers.lab.trainer JOB_FOLDER`.

A process of its own, at low priority, that reads `spec.json` and appends to `progress.jsonl`; when
it is killed and started again it goes on from its last saved state. It knows nothing of HTTP, ids
or the database.

Three things make it fast on a CPU. The frozen layers below the adapter are run once per example,
not once per epoch. What all examples of a batch begin with (the system prompt) is run once per
batch. Logits are computed only where there is a label.

Shapes: B examples a batch, P shared tokens at their beginning, T tokens after it (padded),
N = P + B T rows, C model width, H heads, D head width.
"""

import json
import math
import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from helpers.lab import rows

RATE = 1e-3  # learning rate at learning_rate_multiplier 1
WARMUP = 5  # steps of linear warm-up; then linear decay to zero
TOP_LAYERS = 16  # layers with an adapter; those below stay frozen, and are run once
KEPT_CHECKPOINTS = 3  # as OpenAI: those of the last three epochs
SAVE_SECONDS = 10.0  # how much work a crash may cost
CACHE_BYTES = 512 * 2**20  # memory for the frozen layers' outputs
VALIDATIONS = 10  # how often a batch of validation examples is measured during a job


def auto_hyperparameters(n_examples: int) -> dict[str, int | float]:
    """What "auto" means. Epochs by OpenAI's published rule (Cookbook, chat fine-tuning data prep)."""
    epochs = 3
    if n_examples * epochs < 100:
        epochs = min(25, 100 // max(1, n_examples))
    elif n_examples * epochs > 25_000:
        epochs = max(1, 25_000 // n_examples)
    batch = 8 if n_examples >= 100 else 4
    return {"n_epochs": epochs, "batch_size": batch, "learning_rate_multiplier": 1.0}


def read_examples(path: Path, tokenizer) -> list[tuple[list[int], list[bool]]]:
    """Token ids and loss mask of each row of a checked file, cut at the model's context later."""
    return [tokenizer.row_example(row) for row in rows.examples(path)]


def batches(lengths: list[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Example numbers of each batch of an epoch, shuffled, alike in length within a batch.

    The same arguments give the same batches, so that a resumed job sees what it would have seen.
    """
    import numpy as np

    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    group = batch_size * 8  # sorted within a group: little padding, still shuffled
    grouped = []
    for start in range(0, len(order), group):
        near = sorted(order[start : start + group], key=lambda i: lengths[i])
        grouped += [near[i : i + batch_size] for i in range(0, len(near), batch_size)]
    return [[int(i) for i in grouped[j]] for j in random.permutation(len(grouped))]


@dataclass
class Metrics:
    """Loss (mean natural-log loss a token), share of tokens predicted right, number of tokens."""

    loss: float
    accuracy: float
    tokens: int


class Learner:
    """The model with its adapter and the examples: loss of a batch, with or without gradient."""

    def __init__(self, model, first_layer: int, examples: list[tuple[list[int], list[bool]]]) -> None:
        self._model, self._first = model, first_layer
        context = model.config.context
        self._ids = [ids[:context] for ids, _ in examples]
        self._trained = [trained[:context] for _, trained in examples]
        self._cache: dict[int, object] = {}  # example -> output of the frozen layers (length, C)
        self._cache_room = CACHE_BYTES

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each example, after the cut at the model's context."""
        return [len(ids) for ids in self._ids]

    def loss(self, batch: list[int]):
        """Mean loss of a batch as a tensor, and its Metrics."""
        import torch
        import torch.nn.functional as F

        rows = [self._ids[i] for i in batch]
        shared = self._shared(batch)
        width = max(len(row) for row in rows) - shared
        layout = Layout(len(batch), shared, width)
        model = self._model
        positions = torch.cat([torch.arange(shared),
                               torch.arange(shared, shared + width).repeat(len(batch))])  # fmt: skip
        angles = model.angles(positions)
        x = self._below(batch, layout, angles)
        for i in range(self._first, model.config.layers):
            x = model.block(i, x, angles, layout.attend)
        at, labels = [], []  # the row before a trained token predicts it
        for b, i in enumerate(batch):
            for t, learn in enumerate(self._trained[i]):
                if learn and t > 0:
                    at.append(layout.row(b, t - 1))
                    labels.append(self._ids[i][t])
        target = torch.tensor(labels)
        logits = model.logits(x.index_select(0, torch.tensor(at, dtype=torch.long)))
        loss = F.cross_entropy(logits, target)
        right = (logits.detach().argmax(-1) == target).float().mean()
        return loss, Metrics(float(loss.detach()), float(right), len(labels))

    def measure(self, batch_size: int, limit: int | None = None) -> Metrics:
        """Metrics over all examples (or the first `limit`), without gradient."""
        import torch

        order = sorted(range(min(limit or len(self), len(self))), key=lambda i: len(self._ids[i]))
        parts = []
        with torch.no_grad():
            for start in range(0, len(order), batch_size):
                parts.append(self.loss(order[start : start + batch_size])[1])
        total = sum(part.tokens for part in parts)
        return Metrics(
            sum(part.loss * part.tokens for part in parts) / total,
            sum(part.accuracy * part.tokens for part in parts) / total,
            total,
        )

    def _shared(self, batch: list[int]) -> int:
        """How many untrained tokens all examples of a batch begin with."""
        rows = [self._ids[i] for i in batch]
        limit = min(min(len(row) for row in rows) - 1,
                    min(self._trained[i].index(True) for i in batch) - 1)  # fmt: skip
        length = 0
        while length < limit and all(row[length] == rows[0][length] for row in rows):
            length += 1
        return length

    def _below(self, batch: list[int], layout: "Layout", angles):
        """The frozen layers' output for a batch (N, C), from the cache where it is there."""
        import torch

        model = self._model
        if any(i not in self._cache for i in batch):
            rows = [self._ids[i] for i in batch]
            x = model.embed(torch.tensor(layout.pack(rows)))
            with torch.no_grad():
                for i in range(self._first):
                    x = model.block(i, x, angles, layout.attend)
            self._keep(batch, layout, x)
            return x
        start = self._cache[batch[0]][: layout.shared]
        ends = [self._cache[i][layout.shared :] for i in batch]
        padded = torch.nn.utils.rnn.pad_sequence(ends, batch_first=True)
        return torch.cat([start, padded.flatten(0, 1)])

    def _keep(self, batch: list[int], layout: "Layout", x) -> None:
        import torch

        for b, i in enumerate(batch):
            length = len(self._ids[i]) - layout.shared
            begin = layout.row(b, layout.shared)
            row = torch.cat([x[: layout.shared], x[begin : begin + length]])
            if i not in self._cache and row.nbytes <= self._cache_room:
                self._cache[i] = row
                self._cache_room -= row.nbytes


class Layout:
    """Where the tokens of a batch stand in the packed rows, and who sees whom.

    Rows 0..P-1 are the shared beginning, seen by all; then T rows for each example, padded at the
    end, where padding is seen by nothing that counts.
    """

    def __init__(self, size: int, shared: int, width: int) -> None:
        import torch

        self.size, self.shared, self.width = size, shared, width
        own = torch.ones(width, width, dtype=torch.bool).tril()
        self._mask = torch.cat([torch.ones(width, shared, dtype=torch.bool), own], dim=1)

    def row(self, example: int, position: int) -> int:
        """The packed row of a token of an example."""
        if position < self.shared:
            return position
        return self.shared + example * self.width + position - self.shared

    def pack(self, rows: list[list[int]]) -> list[int]:
        """Token ids of all packed rows; padding is token 0."""
        packed = list(rows[0][: self.shared])
        for row in rows:
            own = row[self.shared :]
            packed += own + [0] * (self.width - len(own))
        return packed

    def attend(self, layer: int, q, k, v):
        """Causal attention of (N, H, D) queries on (N, K, D) keys, within each example."""
        import torch
        import torch.nn.functional as F

        p, shape = self.shared, (self.size, self.width)
        q_own, k_own, v_own = (t[p:].unflatten(0, shape).transpose(1, 2) for t in (q, k, v))
        mixed = []
        if p:
            q_all, k_all, v_all = (t[:p].transpose(0, 1)[None] for t in (q, k, v))
            start = F.scaled_dot_product_attention(q_all, k_all, v_all, is_causal=True,
                                                   enable_gqa=True)  # fmt: skip
            mixed.append(start[0].transpose(0, 1))
            k_own = torch.cat([k_all.expand(self.size, -1, -1, -1), k_own], dim=2)
            v_own = torch.cat([v_all.expand(self.size, -1, -1, -1), v_own], dim=2)
        own = F.scaled_dot_product_attention(q_own, k_own, v_own, self._mask, enable_gqa=True)
        mixed.append(own.transpose(1, 2).flatten(0, 1))
        return torch.cat(mixed)


class Progress:
    """The job's diary: lines that are only ever appended, each on disk before the next step."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "progress.jsonl"

    def add(self, kind: str, **values) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"type": kind} | values) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rewind(self, step: int) -> None:
        """Forget what was written after a step: a resumed job will write it again."""
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # half a line from a crash
            if entry.get("step", 0) <= step and entry["type"] not in ("done", "failed"):
                kept.append(line + "\n")
        scratch = self._path.with_suffix(".tmp")
        scratch.write_text("".join(kept), encoding="utf-8")
        os.replace(scratch, self._path)


def train(folder: Path) -> None:
    """Run the job in `folder` to its end, from its last saved state if it has one."""
    import torch

    from helpers.lab import adapter as adapters
    from helpers.lab.model import Llama, pick_dtype
    from helpers.lab.tokenizer import Tokenizer

    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    progress = Progress(folder)
    base = Path(spec["base"])
    tokenizer = Tokenizer(base)
    model = Llama.load(base, pick_dtype()[0])
    first = max(0, model.config.layers - TOP_LAYERS)
    if spec.get("start_from"):
        adapter = adapters.load(Path(spec["start_from"]))
    else:
        generator = torch.Generator().manual_seed(spec["seed"])
        adapter = adapters.create(model, range(first, model.config.layers), generator)
    parameters = [tensor.requires_grad_() for tensor in adapter.values()]
    optimizer = torch.optim.AdamW(parameters, lr=1.0, weight_decay=0.0)
    state = _restore(folder, adapter, optimizer)
    adapters.attach(model, adapter)
    learner = Learner(model, first, read_examples(Path(spec["training_file"]), tokenizer))
    check = None
    if spec.get("validation_file"):
        check = Learner(model, first, read_examples(Path(spec["validation_file"]), tokenizer))

    size, epochs = spec["batch_size"], spec["n_epochs"]
    per_epoch = math.ceil(len(learner) / size)
    steps = per_epoch * epochs
    rate = RATE * spec["learning_rate_multiplier"]
    progress.rewind(state["step"])
    if state["step"] == 0:
        progress.add("start", steps=steps, examples=len(learner),
                     tokens_per_epoch=sum(learner.lengths))  # fmt: skip
    saved = time.monotonic()
    for step in range(state["step"] + 1, steps + 1):
        began = time.monotonic()
        epoch, place = divmod(step - 1, per_epoch)
        batch = batches(learner.lengths, size, spec["seed"], epoch)[place]
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / WARMUP) * (1 - (step - 1) / steps)
        loss, metrics = learner.loss(batch)
        if not math.isfinite(metrics.loss):
            raise FloatingPointError(step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        ends_epoch = place == per_epoch - 1
        seen = None
        if check and (ends_epoch or step % max(1, steps // VALIDATIONS) == 0):
            seen = check.measure(size, limit=4 * size)
        progress.add("step", step=step, epoch=epoch + 1, train_loss=metrics.loss,
                     train_accuracy=metrics.accuracy, valid_loss=seen and seen.loss,
                     valid_accuracy=seen and seen.accuracy,
                     seconds=round(time.monotonic() - began, 3))  # fmt: skip
        if ends_epoch:
            whole = check.measure(32) if check else None
            _checkpoint(folder, adapter, progress, step, metrics, seen, whole)
        if ends_epoch or time.monotonic() - saved > SAVE_SECONDS:
            _save(folder, adapter, optimizer, step)
            saved = time.monotonic()
    progress.add("done", trained_tokens=epochs * sum(learner.lengths))


def _checkpoint(folder, adapter, progress, step, metrics, seen, whole) -> None:
    """Keep the adapter as it is at the end of an epoch, and only the last few of them."""
    from helpers.lab import adapter as adapters

    target = folder / "checkpoints" / f"step-{step}"
    staging = folder / "checkpoints" / f".step-{step}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    numbers = {"step": step, "train_loss": metrics.loss, "train_mean_token_accuracy": metrics.accuracy}
    if seen:
        numbers |= {"valid_loss": seen.loss, "valid_mean_token_accuracy": seen.accuracy}
    if whole:
        numbers |= {"full_valid_loss": whole.loss, "full_valid_mean_token_accuracy": whole.accuracy}
    adapters.save(staging, adapter, {"step": step})
    shutil.rmtree(target, ignore_errors=True)
    os.replace(staging, target)
    progress.add("checkpoint", step=step, folder=f"checkpoints/{target.name}", metrics=numbers)
    old = sorted(target.parent.glob("step-*"), key=lambda path: int(path.name[5:]))
    for path in old[:-KEPT_CHECKPOINTS]:
        shutil.rmtree(path, ignore_errors=True)


def _save(folder: Path, adapter, optimizer, step: int) -> None:
    """Write all that a resumed job needs, in one file that is either the old or the new one."""
    import torch

    scratch = folder / "state.tmp"
    with open(scratch, "wb") as file:
        torch.save({"step": step, "adapter": adapter, "optimizer": optimizer.state_dict()}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, folder / "state.pt")


def _restore(folder: Path, adapter, optimizer) -> dict:
    import torch

    path = folder / "state.pt"
    if not path.exists():
        return {"step": 0}
    state = torch.load(path, weights_only=True)
    with torch.no_grad():
        for name, tensor in adapter.items():
            tensor.copy_(state["adapter"][name])
    optimizer.load_state_dict(state["optimizer"])
    return state


def _be_polite() -> None:
    """Let chat requests go first: training takes what they leave.

    Threads that wait must sleep, not spin: on a busy machine spinning threads keep the very
    threads off the processor that they wait for (measured: 0 to 1 steps in 25 s, against 3 to 19).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported
    if hasattr(os, "nice"):
        os.nice(15)
    else:
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)


def _end_with_stdin() -> None:
    """End at once when the server at the other end of standard input is gone, however it went."""
    while os.read(0, 1024):  # not sys.stdin: Python aborts when it ends while that is being read
        pass
    os._exit(1)


def main() -> int:
    """Train the job in the folder named on the command line; failures go into its diary."""
    folder = Path(sys.argv[1])
    if "--until-stdin-closes" in sys.argv[2:]:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    _be_polite()
    try:
        train(folder)
    except FloatingPointError as error:
        message = (f"The loss is not a number at step {error}. Lower learning_rate_multiplier "
                   "(1 is a good start) and create the job again.")  # fmt: skip
        Progress(folder).add("failed", code="loss_not_finite", message=message)
    except MemoryError:
        message = "Out of memory. Use a smaller batch_size or shorter examples."
        Progress(folder).add("failed", code="out_of_memory", message=message)
    except OSError as error:
        message = f"Could not write the job's files: {error.strerror}."
        try:
            Progress(folder).add("failed", code="disk_error", message=message)
        except OSError:
            print(message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
