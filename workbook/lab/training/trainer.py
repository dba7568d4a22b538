"""Trains an adapter on a file of examples: `python -m workbook.lab.training.trainer JOB_FOLDER`.

A process of its own, at low priority, that reads `spec.json` and appends to `progress.jsonl`; when
it is killed and started again it goes on from its last saved state. What is computed, `learner` and
`losses` know. It knows nothing of HTTP, ids or the database.
"""

import json
import math
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from workbook import files
from workbook.epochs import default_epochs
from workbook.errors import WorkbookError
from workbook.lab.training import training_file

if TYPE_CHECKING:  # torch takes a second to import, and the server needs the constants only
    from workbook.lab.model.lora import Adapter
    from workbook.lab.training.losses import Metrics, Preferences, Supervised

# Learning rates at learning_rate_multiplier 1. DPO goes on from what a model can do already, and
# its loss pushes away from the worse answers without a floor: it needs smaller steps. Measured on a
# dozen pairs: 2e-4 leaves the answers as they were for 6 epochs, 5e-4 turns them in 4, and at 1e-3
# unrelated questions suffer.
RATES = {"supervised": 1e-3, "dpo": 5e-4}
BETA = 0.1  # of DPO, for "auto"
WARMUP = 5  # steps of linear warm-up; then linear decay to zero
TOP_LAYERS = 16  # layers with an adapter; those below stay frozen, and are run once
KEPT_CHECKPOINTS = 3  # as OpenAI: those of the last three epochs
SAVE_SECONDS = 10.0  # how much work a crash may cost
VALIDATIONS = 10  # how often a batch of validation examples is measured during a job


class Hopeless(Exception):
    """The job cannot be trained, however often it is tried; a code, and a sentence for its owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def auto_hyperparameters(n_examples: int) -> dict[str, int | float]:
    """What "auto" means. Raises WorkbookError for a file without examples."""
    batch = 8 if n_examples >= 100 else 4
    return {
        "n_epochs": default_epochs(n_examples),
        "batch_size": batch,
        "learning_rate_multiplier": 1.0,
        "beta": BETA,
    }


def read_examples(path: Path, tokenizer) -> Iterator[tuple[list[int], list[bool]]]:
    """Token ids and loss mask of each example of a checked file; two for each preference."""
    for row in training_file.examples(path):
        for conversation in training_file.conversations(row):
            yield tokenizer.row_example(conversation)


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
        files.replace_text(self._path, "".join(kept), only_writer=True)


class Job:
    """A job's settings, and what is trained: the adapter with its optimizer, and the data."""

    def __init__(self, folder: Path) -> None:
        """Reads everything; goes on from the last saved state where there is one."""
        import torch

        from workbook.lab.model import device
        from workbook.lab.model import lora as adapters
        from workbook.lab.model.llama import Llama
        from workbook.lab.model.tokenizer import Tokenizer
        from workbook.lab.training import losses
        from workbook.lab.training.forward import Learner

        spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        self.folder, self.seed = folder, spec["seed"]
        self.size, self.epochs = spec["batch_size"], spec["n_epochs"]
        self.method = spec.get("method", "supervised")  # an older lab wrote none
        self.rate = RATES[self.method] * spec["learning_rate_multiplier"]
        self.progress = Progress(folder)

        saved, base, place = self._saved(), Path(spec["base"]), device.choose()
        self.dtype = saved.get("dtype") or device.dtype(
            place
        )  # what is begun in one, goes on in it
        tokenizer, model = Tokenizer(base), Llama.load(base, self.dtype, place)
        first = max(0, model.config.layers - TOP_LAYERS)
        if saved:
            adapter = saved["adapter"]
        elif spec["start_from"]:
            adapter = _start_from(Path(spec["start_from"]), model)
        else:
            random = torch.Generator().manual_seed(self.seed)
            adapter = adapters.create(model, range(first, model.config.layers), random)
        self.adapter = {k: v.to(place).requires_grad_() for k, v in adapter.items()}
        self.optimizer = torch.optim.AdamW(
            self.adapter.values(), lr=1.0, weight_decay=0.0, fused=True
        )

        def objective(kind: str) -> "Supervised | Preferences | None":
            if not spec[f"{kind}_file"]:
                return None
            examples = read_examples(Path(spec[f"{kind}_file"]), tokenizer)
            learner = Learner(model, self.adapter, examples)
            if self.method == "supervised":
                return losses.Supervised(learner)
            return losses.Preferences(learner, spec["beta"], saved.get("reference", {}).get(kind))

        self.training, self.validation = objective("training"), objective("validation")
        self.per_epoch = math.ceil(len(self.training.lengths) / self.size)
        self.steps = self.per_epoch * self.epochs
        self.step = 0  # the last one done
        if saved:
            self.optimizer.load_state_dict(saved["optimizer"])
            self.step = saved["step"]

    def _saved(self) -> dict[str, Any]:
        import torch

        path = self.folder / "state.pt"
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else {}

    def save(self) -> None:
        """Write all that a resumed job needs, in one file that is either the old or the new one."""
        import torch

        state = {
            "step": self.step,
            "dtype": self.dtype,
            "adapter": {name: tensor.detach() for name, tensor in self.adapter.items()},
            "optimizer": self.optimizer.state_dict(),
        }
        if self.method == "dpo":
            objectives = {"training": self.training, "validation": self.validation}
            state["reference"] = {k: each.reference for k, each in objectives.items() if each}
        with files.replacing(self.folder / "state.pt", only_writer=True) as file:
            torch.save(state, file)

    def checkpoint(self, numbers: "Metrics") -> None:
        """Keep the adapter as it is at the end of an epoch, and only the last few of them."""
        from workbook.lab.model import lora as adapters

        target = self.folder / "checkpoints" / f"step-{self.step}"
        target.parent.mkdir(exist_ok=True)
        with files.beside(target, only_writer=True) as staging:
            staging.mkdir()
            adapters.save(staging, self.adapter, {"step": self.step})
            files.remove(target)
            os.replace(staging, target)
        self.progress.add(
            "checkpoint",
            step=self.step,
            folder=f"checkpoints/{target.name}",
            metrics={"step": self.step} | numbers,
        )
        old = sorted(target.parent.glob("step-*"), key=lambda path: int(path.name[5:]))
        for path in old[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(path, ignore_errors=True)


def _start_from(folder: Path, model) -> "Adapter":
    """The adapter of the tuned model that a job goes on from. Raises Hopeless."""
    from safetensors import SafetensorError

    from workbook.lab.model import lora as adapters

    try:
        adapter = adapters.load(folder)
        adapters.check(model, adapter)
    except FileNotFoundError:
        reason = "was deleted before the job started"
    except (SafetensorError, ValueError) as error:
        reason = f"is damaged ({error})"
    else:
        return adapter
    raise Hopeless(
        "model_not_found",
        f"The model that this job starts from {reason}. Train it again, or start from another one.",
    )


def train(folder: Path) -> None:
    """Run the job in `folder` to its end, from its last saved state if it has one."""
    job = Job(folder)
    progress, lengths = job.progress, job.training.lengths
    progress.rewind(job.step)
    if job.step == 0:
        job.save()
        progress.add("start", steps=job.steps, examples=len(lengths), tokens_per_epoch=sum(lengths))
    began = saved = time.monotonic()
    before = job.step
    order: list[list[int]] = []
    while job.step < job.steps:
        epoch, place = divmod(job.step, job.per_epoch)
        if not order or place == 0:
            order = batches(lengths, job.size, job.seed, epoch)
        job.step += 1
        metrics = _learn(job, order[place])
        ends_epoch = place == job.per_epoch - 1
        seen = None
        if job.validation and (ends_epoch or job.step % max(1, job.steps // VALIDATIONS) == 0):
            seen = _measure(job.validation, limit=4 * job.size)
        numbers = _named("train", metrics) | _named("valid", seen or {})
        each = (time.monotonic() - began) / (job.step - before)
        progress.add("step", step=job.step, epoch=epoch + 1, seconds=round(each, 3), **numbers)
        if ends_epoch:
            whole = _measure(job.validation) if job.validation else {}
            job.checkpoint(numbers | _named("full_valid", whole))
        if ends_epoch or time.monotonic() - saved > SAVE_SECONDS:
            job.save()
            saved = time.monotonic()
    progress.add("done", trained_tokens=job.epochs * sum(lengths))


def _learn(job: Job, batch: list[int]) -> "Metrics":
    """One step of the optimizer. Raises Hopeless when the loss is not a number."""
    import torch

    warm, left = min(1.0, job.step / WARMUP), 1 - (job.step - 1) / job.steps
    for group in job.optimizer.param_groups:
        group["lr"] = job.rate * warm * left
    job.optimizer.zero_grad()
    metrics = job.training.learn(batch)
    if not math.isfinite(metrics["loss"]):
        raise Hopeless(
            "loss_not_finite",
            f"The loss is not a number at step {job.step}. Lower learning_rate_multiplier "
            "(1 is a good start) and create the job again.",
        )
    torch.nn.utils.clip_grad_norm_(job.adapter.values(), 1.0)
    job.optimizer.step()
    return metrics


def _measure(objective: "Supervised | Preferences", limit: int | None = None) -> "Metrics":
    """Metrics over all entries (or the first `limit`), without gradient."""
    import torch

    from workbook.lab.training.losses import by_length

    with torch.no_grad():
        return objective.learn(by_length(objective.lengths[:limit]))


def _named(prefix: str, metrics: "Metrics") -> "Metrics":
    """Metrics under OpenAI's names; those of preferences, for which it publishes none, likewise."""
    return {
        f"{prefix}_{'mean_token_accuracy' if name == 'accuracy' else name}": value
        for name, value in metrics.items()
    }


def _be_polite() -> None:
    """Let chat requests go first: training takes what they leave.

    Threads that wait for each other spin for some 20 microseconds, then sleep. With sleep alone a
    training on a quiet machine runs at two thirds of this speed (measured: 1,120 tokens a second
    against 1,680); with ten times the spinning, beside another busy program, at a third.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # both are read when torch is imported
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
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


def reason(error: Exception) -> tuple[str, str]:
    """Code and message of what ended a training, for the job's owner."""
    if isinstance(error, Hopeless):
        return error.code, str(error)
    # Of the processor's memory torch speaks in a RuntimeError, of a GPU's in a class of its own.
    full = "DefaultCPUAllocator" in str(error) or type(error).__name__ == "OutOfMemoryError"
    if full or isinstance(error, MemoryError):
        return "out_of_memory", (
            "The training ran out of memory. Close other programs, shorten the longest examples, or "
            "use a smaller batch_size, then create the job again."
        )
    if isinstance(error, OSError):
        return (
            "disk_error",
            f"The job's files could not be read or written: {error.strerror or error}.",
        )
    if isinstance(error, WorkbookError):
        return "training_process_died", str(error)
    return "training_process_died", (
        f"The training stopped at an error that the lab did not expect: {type(error).__name__}: "
        f"{str(error)[:300]}. More is in trainer.log, in the job's folder. The lab goes on."
    )


def main() -> int:
    """Train the job in the folder named on the command line; failures go into its diary."""
    folder = Path(sys.argv[1])
    if "--until-stdin-closes" in sys.argv[2:]:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    _be_polite()
    try:
        with FileLock(folder / "lock"):  # a killed server's trainer may need a moment to end
            train(folder)
    except Exception as error:
        traceback.print_exc()
        code, message = reason(error)
        try:
            Progress(folder).add("failed", code=code, message=message)
        except OSError:
            return 1  # no room to say why: the last line of the traceback is in the log
    return 0


if __name__ == "__main__":
    sys.exit(main())
