"""What every training job has: its folder and settings, the model, the adapter with its optimizer.

Reads `spec.json` in the job's folder, writes `state.pt` to go on from, and checkpoints. Knows
nothing of data, losses or the order of steps, nor of processes, HTTP or the database.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from workbook import files
from workbook.lab.model import checkpoint, device, lora
from workbook.lab.model.llama import Llama
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.training import defaults
from workbook.lab.training.failures import UnrecoverableError
from workbook.lab.training.optimizer import AdamW
from workbook.lab.training.progress import Progress


class AdapterJob:
    """A job's settings, and what is trained."""

    def __init__(self, folder: Path) -> None:
        """Reads everything; goes on from the last saved state where there is one."""
        self.spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        spec, self.folder, self.seed = self.spec, folder, self.spec["seed"]
        self.batch_size, self.n_epochs = spec["batch_size"], spec["n_epochs"]
        self.method = spec.get("method", "supervised")  # an older lab wrote none
        self.peak_rate = defaults.LEARNING_RATES[self.method] * spec["learning_rate_multiplier"]
        self.progress = Progress(folder)

        self.state, place = self._read_state(), device.choose()
        # What was begun in one number format goes on in it.
        self.dtype = self.state.get("dtype") or device.dtype(place)
        self.tokenizer = Tokenizer(Path(spec["base"]))
        self.model = model = checkpoint.load(Path(spec["base"]), self.dtype, place)
        if self.state:
            adapter = self.state["adapter"]
        elif spec["start_from"]:
            adapter = _load_adapter(Path(spec["start_from"]), model)
        else:
            layers = range(max(0, model.config.layers - defaults.TOP_LAYERS), model.config.layers)
            adapter = lora.create(model, layers, torch.Generator().manual_seed(self.seed))
        self.adapter = {k: v.to(place).requires_grad_() for k, v in adapter.items()}
        self.optimizer = AdamW(self.adapter.values())
        self.step = 0  # the last one done
        if self.state:
            self.optimizer.load_state_dict(self.state["optimizer"])
            self.step = self.state["step"]

    def _read_state(self) -> dict[str, Any]:
        path = self.folder / "state.pt"
        return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else {}

    def more_state(self) -> dict[str, Any]:
        """What a method has to remember besides."""
        return {}

    def save(self) -> None:
        """Write all that a resumed job needs, in one file that is either the old or the new one."""
        state = {
            "step": self.step,
            "dtype": self.dtype,
            "adapter": {name: tensor.detach() for name, tensor in self.adapter.items()},
            "optimizer": self.optimizer.state_dict(),
        } | self.more_state()
        with files.replacing(self.folder / "state.pt", only_writer=True) as file:
            torch.save(state, file)

    def save_checkpoint(self, metrics: dict[str, float]) -> None:
        """Keep the adapter as it is, as a model."""
        target = self.checkpoint_folder(self.step)
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

    def checkpoint_folder(self, step: int) -> Path:
        return self.folder / "checkpoints" / f"step-{step}"

    def checkpoints(self) -> list[int]:
        """The steps of those that are kept, in order."""
        folders = (self.folder / "checkpoints").glob("step-*")
        return sorted(int(path.name[5:]) for path in folders)

    def drop_checkpoints(self, steps: list[int]) -> None:
        """Delete those of these steps."""
        for step in steps:
            shutil.rmtree(self.checkpoint_folder(step), ignore_errors=True)


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
