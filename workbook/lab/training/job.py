"""A training job from its first step to its last: the optimizer's steps, checkpoints, going on.

Reads `spec.json` in the job's folder and appends to `progress.jsonl`; when it is run again it goes
on from its last saved state. What is computed, `forward` and `losses` know. It knows nothing of
processes, HTTP, ids or the database.
"""

import json
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from workbook import files
from workbook.lab.model import checkpoint, device, lora
from workbook.lab.model.llama import Llama
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.training import data, defaults
from workbook.lab.training.failures import UnrecoverableError
from workbook.lab.training.forward import ForwardPass
from workbook.lab.training.losses import DPOLoss, Metrics, SupervisedLoss
from workbook.lab.training.optimizer import AdamW
from workbook.lab.training.progress import Progress


class Job:
    """A job's settings, and what is trained: the adapter with its optimizer, and the data."""

    def __init__(self, folder: Path) -> None:
        """Reads everything; goes on from the last saved state where there is one."""
        spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        self.folder, self.seed = folder, spec["seed"]
        self.batch_size, self.n_epochs = spec["batch_size"], spec["n_epochs"]
        self.method = spec.get("method", "supervised")  # an older lab wrote none
        self.peak_rate = defaults.LEARNING_RATES[self.method] * spec["learning_rate_multiplier"]
        self.progress = Progress(folder)

        state, place = self._read_state(), device.choose()
        # What was begun in one number format goes on in it.
        self.dtype = state.get("dtype") or device.dtype(place)
        tokenizer = Tokenizer(Path(spec["base"]))
        model = checkpoint.load(Path(spec["base"]), self.dtype, place)
        if state:
            adapter = state["adapter"]
        elif spec["start_from"]:
            adapter = _load_adapter(Path(spec["start_from"]), model)
        else:
            layers = range(max(0, model.config.layers - defaults.TOP_LAYERS), model.config.layers)
            adapter = lora.create(model, layers, torch.Generator().manual_seed(self.seed))
        self.adapter = {k: v.to(place).requires_grad_() for k, v in adapter.items()}
        self.optimizer = AdamW(self.adapter.values())

        def loss(kind: str) -> SupervisedLoss | DPOLoss:
            examples = data.read_examples(Path(spec[f"{kind}_file"]), tokenizer)
            forward = ForwardPass(model, self.adapter, examples)
            if self.method == "supervised":
                return SupervisedLoss(forward)
            return DPOLoss(forward, spec["beta"], state.get("reference", {}).get(kind))

        self.training = loss("training")
        self.validation = loss("validation") if spec["validation_file"] else None
        self.steps_per_epoch = math.ceil(len(self.training.lengths) / self.batch_size)
        self.steps = self.steps_per_epoch * self.n_epochs
        self.step = 0  # the last one done
        if state:
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def _read_state(self) -> dict[str, Any]:
        path = self.folder / "state.pt"
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else {}

    def save(self) -> None:
        """Write all that a resumed job needs, in one file that is either the old or the new one."""
        state = {
            "step": self.step,
            "dtype": self.dtype,
            "adapter": {name: tensor.detach() for name, tensor in self.adapter.items()},
            "optimizer": self.optimizer.state_dict(),
        }
        if self.method == "dpo":
            losses = {"training": self.training, "validation": self.validation}
            state["reference"] = {
                kind: loss.reference for kind, loss in losses.items() if isinstance(loss, DPOLoss)
            }
        with files.replacing(self.folder / "state.pt", only_writer=True) as file:
            torch.save(state, file)

    def save_checkpoint(self, metrics: Metrics) -> None:
        """Keep the adapter as it is at the end of an epoch, and only the last few of them."""
        target = self.folder / "checkpoints" / f"step-{self.step}"
        target.parent.mkdir(exist_ok=True)
        with files.beside(target, only_writer=True) as staging:
            staging.mkdir()
            lora.save(staging, self.adapter, {"step": self.step})
            files.remove(target)
            os.replace(staging, target)
        self.progress.add(
            "checkpoint",
            step=self.step,
            folder=f"checkpoints/{target.name}",
            metrics={"step": self.step} | metrics,
        )
        old = sorted(target.parent.glob("step-*"), key=lambda path: int(path.name[5:]))
        for path in old[: -defaults.KEPT_CHECKPOINTS]:
            shutil.rmtree(path, ignore_errors=True)

    def optimize(self, batch: list[int]) -> Metrics:
        """One step of the optimizer; the value is the batch's metrics before it.

        Raises UnrecoverableError when the loss is not a number.
        """
        self.optimizer.zero_gradients()
        metrics = self.training.forward_backward(batch)
        if not math.isfinite(metrics["loss"]):
            raise UnrecoverableError(
                "loss_not_finite",
                f"The loss is not a number at step {self.step}. Lower learning_rate_multiplier "
                "(1 is a good start) and create the job again.",
            )
        self.optimizer.clip_gradients(defaults.MAX_GRADIENT_NORM)
        self.optimizer.step(defaults.learning_rate(self.step, self.steps, self.peak_rate))
        return metrics


def train(folder: Path) -> None:
    """Run the job in `folder` to its end, from its last saved state if it has one.

    Raises UnrecoverableError when it can't be trained, and OSError when the disk is full.
    """
    job = Job(folder)
    progress, lengths = job.progress, job.training.lengths
    progress.rewind(job.step)
    if job.step == 0:
        job.save()
        progress.add("start", steps=job.steps, examples=len(lengths), tokens_per_epoch=sum(lengths))
    start_time = save_time = time.monotonic()
    start_step = job.step
    batches: list[list[int]] = []
    while job.step < job.steps:
        epoch, place = divmod(job.step, job.steps_per_epoch)
        if not batches or place == 0:
            batches = data.batches(lengths, job.batch_size, job.seed, epoch)
        job.step += 1
        metrics = _prefixed("train", job.optimize(batches[place]))
        ends_epoch = place == job.steps_per_epoch - 1
        if job.validation and (
            ends_epoch or job.step % max(1, job.steps // defaults.VALIDATIONS) == 0
        ):
            metrics |= _prefixed("valid", _measure(job.validation, limit=4 * job.batch_size))
        seconds = (time.monotonic() - start_time) / (job.step - start_step)
        progress.add("step", step=job.step, epoch=epoch + 1, seconds=round(seconds, 3), **metrics)
        if ends_epoch:
            whole = _measure(job.validation) if job.validation else {}
            job.save_checkpoint(metrics | _prefixed("full_valid", whole))
        if ends_epoch or time.monotonic() - save_time > defaults.SAVE_SECONDS:
            job.save()
            save_time = time.monotonic()
    progress.add("done", trained_tokens=job.n_epochs * sum(lengths))


def _load_adapter(folder: Path, model: Llama) -> lora.Adapter:
    """The adapter of the tuned model that a job goes on from. Raises UnrecoverableError."""
    try:
        adapter = lora.load(folder)
        lora.check(model, adapter)
    except FileNotFoundError:
        reason = "was deleted before the job started"
    except (SafetensorError, ValueError) as error:
        reason = f"is damaged ({error})"
    else:
        return adapter
    raise UnrecoverableError(
        "model_not_found",
        f"The model that this job starts from {reason}. Train it again, or start from another one.",
    )


def _measure(loss: SupervisedLoss | DPOLoss, limit: int | None = None) -> Metrics:
    """Metrics over all entries (or the first `limit`), without gradient."""
    with torch.no_grad():
        return loss.forward_backward(data.by_length(loss.lengths[:limit]))


def _prefixed(prefix: str, metrics: Metrics) -> Metrics:
    """Metrics under OpenAI's names; those of preferences, for which it publishes none, likewise."""
    return {
        f"{prefix}_{'mean_token_accuracy' if name == 'accuracy' else name}": value
        for name, value in metrics.items()
    }
