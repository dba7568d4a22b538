"""A model as Hugging Face's libraries load it: a whole folder, or an adapter for peft.

Knows their files and settings; nothing of how they are proven to be right.
"""

import functools
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from workbook.errors import WorkbookError
from workbook.lab.export.subject import Subject
from workbook.lab.model import lora

# Where the course's own base comes from; the lab's copy went through four bits a number on the way.
_HUB = {"smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}


def write_merged(subject: Subject, folder: Path) -> None:
    """A whole model folder: weights with the adapter merged in, tokenizer, chat template.

    All weights are in one dtype, the widest that one of them needs.
    Raises WorkbookError where the base's rotary embedding is scaled in a way that config.json
    can't say again.
    """
    weights = dict(subject.weights())
    dtype = functools.reduce(torch.promote_types, {each.dtype for each in weights.values()})
    config = _config(subject) | {"torch_dtype": str(dtype).removeprefix("torch.")}
    _write(folder / "config.json", config)
    weights = {name: weight.to(dtype) for name, weight in weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    stops = sorted(subject.tokenizer().stops)
    _write(folder / "generation_config.json", {"do_sample": False, "eos_token_id": stops})
    write_tokenizer(subject, folder)


def write_tokenizer(subject: Subject, folder: Path) -> None:
    """tokenizer.json as it is, and what transformers needs to know beside it."""
    text = (subject.folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": subject.config["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
        "chat_template": subject.template,
    }
    special = {name: token for name, token in subject.special_tokens().items() if token}
    _write(folder / "tokenizer_config.json", settings | special)
    (folder / "chat_template.jinja").write_text(subject.template, encoding="utf-8")


def write_peft(subject: Subject, folder: Path) -> None:
    """An adapter that peft puts on the base.

    Raises WorkbookError for a base, which has none.
    """
    adapter = {}
    for name, a, b in subject.low_rank():
        place = f"base_model.model.{name.removesuffix('.weight')}"
        adapter[f"{place}.lora_A.weight"] = a.contiguous().clone()
        adapter[f"{place}.lora_B.weight"] = b.contiguous().clone()
        rank, alpha = len(a), lora.ALPHA
    if not adapter:
        raise WorkbookError(
            f"{subject.id} is a base model: there is no adapter. "
            f"Take it whole: workbook lab export {subject.id} --to merged"
        )
    save_file(adapter, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    names = [name.split(".") for name, _, _ in subject.low_rank()]
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": _HUB.get(subject.base, subject.base),
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({parts[-2] for parts in names}),
        "layers_to_transform": sorted({int(parts[2]) for parts in names}),
        "layers_pattern": "layers",
        "inference_mode": True,
    }
    _write(folder / "adapter_config.json", settings)
    write_tokenizer(subject, folder)


def _config(subject: Subject) -> dict[str, Any]:
    config = {name: value for name, value in subject.config.items() if name != "rope_divisors"}
    divisors = subject.config.get("rope_divisors") or []
    if len(set(divisors)) > 1:
        raise WorkbookError(
            f"{subject.base} scales its rotary embedding as Llama 3.1 does, and the lab keeps only "
            "the result. --to gguf takes it along exactly."
        )
    if divisors:
        config["rope_scaling"] = {"rope_type": "linear", "factor": divisors[0]}
    return config | {"eos_token_id": subject.tokenizer().end}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
