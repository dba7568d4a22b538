"""What is exported: a base or tuned model of the lab, its weights merged, its tokenizer's words.

Knows the lab's folders and records; nothing of other programs' formats. Nothing here is changed.

Shapes: weights are (out, in), R rank.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from workbook.errors import WorkbookError
from workbook.lab.ids import base_of
from workbook.lab.model import bases, chatml, lora
from workbook.lab.model.chat_template import PLAIN
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.state import inventory
from workbook.lab.state.tables import DATABASE

# The lab's matrix -> Hugging Face's, whose rows follow one another in it.
MATRICES = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
# What the lab does with a conversation of the course's own model, in the language of templates.
CHATML = (
    "{%- if not messages or messages[0]['role'] != 'system' -%}"
    "{{ '<|im_start|>system\\n" + chatml.DEFAULT_SYSTEM + "<|im_end|>\\n' }}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


@dataclass(frozen=True)
class Subject:
    """A model as the lab keeps it.

    adapter: the folder of what training changed; None: the base itself
    job: the columns of the job that made it, as the records have them; None for a base
    dtype: the number format in which the lab serves it; `find` does not know it
    """

    id: str
    base: str
    folder: Path
    adapter: Path | None
    job: dict[str, Any] | None
    dtype: torch.dtype = torch.bfloat16

    @property
    def config(self) -> dict[str, Any]:
        """The base's config.json."""
        config: dict[str, Any] = json.loads((self.folder / "config.json").read_text("utf-8"))
        return config

    @property
    def template(self) -> str:
        """The chat template, in Jinja."""
        if self.is_chatml:
            return CHATML
        about = json.loads((self.folder / "base.json").read_text(encoding="utf-8"))
        return about["chat_template"] or PLAIN

    @property
    def is_chatml(self) -> bool:
        """Whether it is the course's own model, whose template the lab has in code."""
        return not (self.folder / "base.json").exists()

    def tokenizer(self) -> Tokenizer:
        """The lab's own tokenizer, by which an export is judged."""
        return Tokenizer(self.folder)

    def special_tokens(self) -> dict[str, str | None]:
        """`bos_token` and `eos_token`: what a text begins with, and what ends an answer."""
        if self.is_chatml:
            return {"bos_token": None, "eos_token": "<|im_end|>"}
        about = json.loads((self.folder / "base.json").read_text(encoding="utf-8"))
        return {name: about[name] for name in ("bos_token", "eos_token")}

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Every weight by Hugging Face's name, the adapter merged in.

        In the base's dtype; merged ones not coarser than the lab serves them, or the export would
        answer otherwise where the lab computes in float32 from a base in bfloat16.
        """
        changes = dict(self._changes())
        with safe_open(self.folder / "model.safetensors", "pt") as file:
            for name in sorted(file.keys()):
                weight = file.get_tensor(name)
                if name in changes:
                    a, b = changes[name]  # as in lora.merge: added in float32
                    dtype = torch.promote_types(weight.dtype, self.dtype)
                    weight = (weight.float() + b @ a * lora.scale(a)).to(dtype)
                yield name, weight

    def low_rank(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """(Hugging Face's name of a matrix, A (R, in), B (out, R)) for each that training changed.

        Matrices that the lab keeps as one share an A there; here each has its own copy.
        """
        for name, (a, b) in self._changes():
            yield name, a, b

    def _changes(self) -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
        if self.adapter is None:
            return
        adapter = lora.load(self.adapter)
        rows = self._rows()
        for layer in lora.layers(adapter):
            for matrix, parts in MATRICES.items():
                if f"{layer}.{matrix}.a" not in adapter:
                    continue
                a, b = adapter[f"{layer}.{matrix}.a"], adapter[f"{layer}.{matrix}.b"]
                pieces = torch.split(b, [rows[part] for part in parts])
                for part, piece in zip(parts, pieces, strict=True):
                    yield f"model.layers.{layer}.{part}.weight", (a, piece)

    def _rows(self) -> dict[str, int]:
        c = self.config
        head = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
        queries, keys = c["num_attention_heads"] * head, c["num_key_value_heads"] * head
        mlp, width = c["intermediate_size"], c["hidden_size"]
        names = (name for parts in MATRICES.values() for name in parts)
        return dict(zip(names, (queries, keys, keys, width, mlp, mlp, width), strict=True))


def find(model: str, state: Path) -> Subject:
    """The model of this name: a base's, or a tuned model's or checkpoint's of a state folder.

    Raises WorkbookError when there is none, and where its base is gone.
    """
    if not model.startswith("ft:"):
        name, folder = bases.find(model)
        return Subject(name, name, folder, None, None)
    known = {each.id: each for each in inventory.tuned_models(state)}
    if model not in known:
        names = ", ".join(list(known)[-3:]) or "none yet"
        raise WorkbookError(
            f"The lab has no model {model!r}. Tuned models there: {names}. "
            "All of them: workbook lab models"
        )
    name, folder = bases.find(base_of(model))
    place, job = _records(state, model)
    if not (state / place / "adapter.safetensors").exists():
        raise WorkbookError(f"The weights of {model} are not in {state} any more.")
    return Subject(model, name, folder, state / place, job)


def _records(state: Path, model: str) -> tuple[str, dict[str, Any]]:
    address = (state / DATABASE).resolve().as_uri() + "?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        database.row_factory = sqlite3.Row
        [row] = database.execute("SELECT folder, job_id FROM models WHERE id = ?", (model,))
        jobs = database.execute("SELECT * FROM jobs WHERE id = ?", (row["job_id"],)).fetchall()
    return row["folder"], dict(jobs[0]) if jobs else {}
