"""A Hugging Face folder of the Llama family, copied in the lab's own form.

Knows Hugging Face's settings, and which of them the lab's model can't do; nothing of where models
are kept, or of running them.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file

from workbook.errors import WorkbookError
from workbook.lab.model.config import CONTEXT

_FAMILY = ("llama", "mistral")
_FIXED = {  # settings that have one value in the lab's model
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "sliding_window": None,
    "quantization_config": None,
}


def convert(source: Path, folder: Path, own_tokenizer: bool = True) -> dict[str, Any]:
    """Write config.json, model.safetensors and tokenizer.json; the value is what is known of chat.

    It holds `chat_template`, `bos_token`, `eos_token` and `stops`, as `bases` keeps them.

    folder: where to write them.
    own_tokenizer: False when another tokenizer.json is at hand and the folder's is not needed.
    Raises WorkbookError when something is missing, or is what the lab's model lacks; KeyError when
    config.json lacks a size.
    """
    settings = _json(source / "config.json")
    if settings is None:
        raise WorkbookError(f"{source} has no config.json: it is not a Hugging Face model folder.")
    config = _config(settings, source.name)
    _copy_weights(source, folder / "model.safetensors", config["tie_word_embeddings"])
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    if own_tokenizer:
        if not (source / "tokenizer.json").exists():
            raise WorkbookError(
                f"{source.name} has no tokenizer.json. transformers writes one: "
                "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER). Or give another "
                "with --tokenizer FILE."
            )
        shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    return _chat(source, settings)


def _config(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings that the lab's model reads. Raises WorkbookError for what it can't do."""
    lacking = []
    if settings.get("model_type") not in _FAMILY:
        model_type = settings.get("model_type")
        lacking.append(f"model_type {model_type!r} (only {' and '.join(_FAMILY)})")
    for key, value in _FIXED.items():
        if settings.get(key, value) not in (value, None):
            shown = "" if isinstance(settings[key], dict) else f" {settings[key]!r}"
            lacking.append(f"{key}{shown}")
    scaling = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in ("default", "linear", "llama3"):
        lacking.append(f"rotary embedding scaled by {kind!r} (only 'linear' and 'llama3')")
    partial = scaling.get("partial_rotary_factor", settings.get("partial_rotary_factor", 1.0))
    if partial != 1.0:
        lacking.append("partial_rotary_factor")
    if lacking:
        raise WorkbookError(
            f"The lab can't run {name}. Its config.json has what the lab's model "
            f"lacks: {'; '.join(lacking)}."
        )
    heads, width = settings["num_attention_heads"], settings["hidden_size"]
    theta = settings.get("rope_theta") or scaling.get("rope_theta") or 10_000.0
    head_width = settings.get("head_dim") or width // heads
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": settings["intermediate_size"],
        "num_hidden_layers": settings["num_hidden_layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": settings.get("num_key_value_heads") or heads,
        "head_dim": head_width,
        "max_position_embeddings": min(CONTEXT, settings["max_position_embeddings"]),
        "rope_theta": theta,
        "rope_divisors": _divisors(kind, scaling, theta, head_width),
        "rms_norm_eps": settings.get("rms_norm_eps", 1e-6),
        "vocab_size": settings["vocab_size"],
        "tie_word_embeddings": bool(settings.get("tie_word_embeddings")),
    }


def _divisors(kind: str, scaling: dict[str, Any], theta: float, head_width: int) -> list[float]:
    """What each rotary frequency is divided by: Llama 3.1's rule leaves fast ones as they are."""
    if kind == "default":
        return []
    factor, half = float(scaling["factor"]), head_width // 2
    if kind == "linear":
        return [factor] * half
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    divisors = []
    for i in range(half):
        turns = scaling["original_max_position_embeddings"] * theta ** (-i / half) / (2 * math.pi)
        share = min(1.0, max(0.0, (turns - low) / (high - low)))  # of the frequency left unscaled
        divisors.append(1 / ((1 - share) / factor + share))
    return divisors


def _copy_weights(source: Path, target: Path, tied: bool) -> None:
    """One file of weights, whether they come in one or in several.

    tied: the head is the embedding, and is left out.
    """
    index = _json(source / "model.safetensors.index.json")
    files = sorted(set(index["weight_map"].values())) if index else ["model.safetensors"]
    for file in files:
        if not (source / file).exists():
            raise WorkbookError(
                f"{source.name} has no {file}. The lab reads weights in the "
                "safetensors format only."
            )
    tensors = {}
    for file in files:
        with safe_open(source / file, "pt") as reader:
            for name in reader.keys():  # noqa: SIM118 - it is no dict
                # Older checkpoints keep the rotary frequencies, which are known without them.
                if "rotary_emb" not in name and not (tied and name == "lm_head.weight"):
                    tensors[name] = reader.get_tensor(name)
    save_file(tensors, target, metadata={"format": "pt"})


def _chat(source: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The chat template and the tokens that end an answer, from wherever the folder says them."""
    tokenizer = _json(source / "tokenizer_config.json") or {}
    template = tokenizer.get("chat_template")
    if isinstance(template, list):  # several, by name
        template = {each["name"]: each["template"] for each in template}.get("default")
    if (source / "chat_template.jinja").exists():
        template = (source / "chat_template.jinja").read_text(encoding="utf-8")
    generation = _json(source / "generation_config.json") or {}
    stops = generation.get("eos_token_id", settings.get("eos_token_id"))
    stops = stops if isinstance(stops, list) else [stops]
    special = {name: tokenizer.get(name) for name in ("bos_token", "eos_token")}
    special = {
        name: token["content"] if isinstance(token, dict) else token
        for name, token in special.items()
    }
    return {"chat_template": template, "stops": [s for s in stops if s is not None]} | special


def _json(path: Path) -> dict[str, Any] | None:
    """A JSON file's object; None when there is no file. Raises WorkbookError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise WorkbookError(f"{path} is not JSON: {error}.") from None
