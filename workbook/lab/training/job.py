"""A job that learns from examples, from its first step to its last: steps, checkpoints, going on.

Appends to `progress.jsonl`; when it is run again it goes on from its last saved state, see
`adapter_job`. What is computed, `forward` and `losses` know. It knows nothing of processes, HTTP,
ids or the database.
"""

import math
import time
from pathlib import Path
from typing import Any

import torch

from workbook.lab.training import data, defaults
from workbook.lab.training.adapter_job import AdapterJob
from workbook.lab.training.failures import UnrecoverableError
from workbook.lab.training.forward import ForwardPass
from workbook.lab.training.losses import DPOLoss, Metrics, SupervisedLoss


class Job(AdapterJob):
    """A job that learns from examples, supervised or by preferences."""

    def __init__(self, folder: Path) -> None:
        """Reads everything; goes on from the last saved state where there is one."""
        super().__init__(folder)
        spec, reference = self.spec, self.state.get("reference", {})

        def loss(kind: str) -> SupervisedLoss | DPOLoss:
            examples = data.read_examples(Path(spec[f"{kind}_file"]), self.tokenizer)
            forward = ForwardPass(self.model, self.adapter, examples)
            if self.method == "supervised":
                return SupervisedLoss(forward)
            return DPOLoss(forward, spec["beta"], reference.get(kind))

        self.training = loss("training")
        self.validation = loss("validation") if spec["validation_file"] else None
        self.steps_per_epoch = math.ceil(len(self.training.lengths) / self.batch_size)
        self.steps = self.steps_per_epoch * self.n_epochs

    def more_state(self) -> dict[str, Any]:
        if self.method != "dpo":
            return {}
        losses = {"training": self.training, "validation": self.validation}
        return {
            "reference": {
                kind: loss.reference for kind, loss in losses.items() if isinstance(loss, DPOLoss)
            }
        }

    def save_checkpoint(self, metrics: Metrics) -> None:
        """Keep the adapter as it is at the end of an epoch, and only the last few of them."""
        super().save_checkpoint(metrics)
        self.drop_checkpoints(self.checkpoints()[: -defaults.KEPT_CHECKPOINTS])

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
