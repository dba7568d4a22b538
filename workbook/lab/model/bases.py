"""Base models beside the course's own: registered by name, checked, kept in the lab's own form.

A registered base is a folder: config.json, model.safetensors and tokenizer.json as Hugging Face has
them, and base.json with where it came from and its chat template. What is registered is a copy, so
the original may go. Knows what the lab's model can run; runs nothing.
"""

import json
import math
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from workbook import files, paths
from workbook.errors import WorkbookError
from workbook.lab.model import from_gguf, weights

VARIABLE = "WORKBOOK_LAB_BASE"
_FAMILY = ("llama", "mistral")
_LINEARS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def names() -> list[str]:
    """The course's own model, then what was registered."""
    registered = sorted(path.parent.name for path in _home().glob("*/base.json"))
    # A hidden folder is one that is just being added, or removed.
    return [weights.MODEL, *(name for name in registered if not name.startswith("."))]


def find(name: str | None = None) -> tuple[str, Path]:
    """Name and folder of a base: `name`, or WORKBOOK_LAB_BASE, or the course's own, fetched if it
    is not there. Raises WorkbookError when there is none of that name."""
    name = name or os.environ.get(VARIABLE) or weights.MODEL
    if name == weights.MODEL:
        return name, weights.ensure()
    if name not in names():
        raise WorkbookError(
            f"There is no base model {name!r}. Registered: {', '.join(names())}. "
            "Add one: workbook lab models add NAME PATH"
        )
    return name, _home() / name


def location(name: str) -> Path:
    """Where a base's files lie; the course's own may not have been fetched yet."""
    return paths.cache() / name if name == weights.MODEL else _home() / name


def add(name: str, source: Path, tokenizer: Path | None = None) -> Path:
    """Register a Hugging Face folder or a GGUF file of the Llama family; the value is its folder.

    tokenizer: a tokenizer.json to use instead of the model's own.
    Raises WorkbookError that names what the lab can't run, or what is missing.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise WorkbookError(f"{name!r} can't be a name: use small letters, digits, '.', '_', '-'.")
    if name in names():
        raise WorkbookError(
            f"There is a base model {name!r} already. Choose another name, or "
            f"remove that one: workbook lab models remove {name}"
        )
    source = source.expanduser().resolve()
    try:
        with files.beside(_home() / name) as staging:
            staging.mkdir()
            if source.is_dir():
                chat = _from_folder(source, staging, tokenizer is None)
            elif source.is_file():
                chat = from_gguf.convert(source, staging, tokenizer is None)
            else:
                raise WorkbookError(f"{source} is not there. Name a folder or a GGUF file.")
            if tokenizer is not None:
                shutil.copyfile(tokenizer, staging / "tokenizer.json")
            about = {"source": str(source), "added": int(time.time())} | chat
            (staging / "base.json").write_text(json.dumps(about, indent=2), encoding="utf-8")
            _check(staging, source.name)
            os.replace(staging, _home() / name)
    except OSError as error:
        raise WorkbookError(
            f"{error.filename or source}: {error.strerror}. Nothing was registered."
        ) from None
    except SafetensorError as error:
        raise WorkbookError(f"The weights in {source.name} can't be read: {error}.") from None
    except KeyError as error:
        raise WorkbookError(
            f"{source.name} does not say what it must: {error} is missing."
        ) from None
    return _home() / name


def remove(name: str) -> None:
    """Delete a registered base. Raises WorkbookError for the course's own, or an unknown one."""
    if name == weights.MODEL or name not in names():
        raise WorkbookError(
            f"{name!r} is no registered base model. Registered: {', '.join(names()[1:]) or 'none'}."
        )
    gone = _home() / f".removing-{name}"
    os.replace(_home() / name, gone)  # at once: a base is there whole, or not at all
    shutil.rmtree(gone)


def _home() -> Path:
    folder = paths.home() / "bases"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


# From a Hugging Face folder


def _from_folder(source: Path, folder: Path, own_tokenizer: bool) -> dict[str, Any]:
    """Copy what the lab needs, in its own form; the value is what base.json says of chat."""
    raw = _json(source / "config.json")
    if raw is None:
        raise WorkbookError(f"{source} has no config.json: it is not a Hugging Face model folder.")
    config = _config(raw, source.name)
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
    return _chat(source, raw)


def _config(raw: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings that the lab's model reads. Raises WorkbookError for what it can't do."""
    wrong = []
    if raw.get("model_type") not in _FAMILY:
        wrong.append(f"model_type {raw.get('model_type')!r} (only {' and '.join(_FAMILY)})")
    for key, fine in (
        ("hidden_act", "silu"),
        ("attention_bias", False),
        ("mlp_bias", False),
        ("sliding_window", None),
        ("quantization_config", None),
    ):
        if raw.get(key, fine) not in (fine, None):
            shown = "" if isinstance(raw[key], dict) else f" {raw[key]!r}"
            wrong.append(f"{key}{shown}")
    scaling = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in ("default", "linear", "llama3"):
        wrong.append(f"rotary embedding scaled by {kind!r} (only 'linear' and 'llama3')")
    if scaling.get("partial_rotary_factor", raw.get("partial_rotary_factor", 1.0)) != 1.0:
        wrong.append("partial_rotary_factor")
    if wrong:
        raise WorkbookError(
            f"The lab can't run {name}. Its config.json has what the lab's model "
            f"lacks: {'; '.join(wrong)}."
        )
    heads, width = raw["num_attention_heads"], raw["hidden_size"]
    theta = raw.get("rope_theta") or scaling.get("rope_theta") or 10_000.0
    head_width = raw.get("head_dim") or width // heads
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": raw["intermediate_size"],
        "num_hidden_layers": raw["num_hidden_layers"],
        "num_attention_heads": heads,
        "num_key_value_heads": raw.get("num_key_value_heads") or heads,
        "head_dim": head_width,
        "max_position_embeddings": min(from_gguf.CONTEXT, raw["max_position_embeddings"]),
        "rope_theta": theta,
        "rope_divisors": _divisors(kind, scaling, theta, head_width),
        "rms_norm_eps": raw.get("rms_norm_eps", 1e-6),
        "vocab_size": raw["vocab_size"],
        "tie_word_embeddings": bool(raw.get("tie_word_embeddings")),
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
    """One file of weights, whether they come in one or in several."""
    from safetensors.torch import save_file

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
        with safe_open(source / file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - it is no dict
                if "rotary_emb" not in name and not (tied and name == "lm_head.weight"):
                    tensors[name] = opened.get_tensor(name)
    save_file(tensors, target, metadata={"format": "pt"})


def _chat(source: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The chat template and the tokens that end an answer, from wherever the folder says them."""
    tokenizer = _json(source / "tokenizer_config.json") or {}
    template = tokenizer.get("chat_template")
    if isinstance(template, list):  # several, by name
        template = {each["name"]: each["template"] for each in template}.get("default")
    if (source / "chat_template.jinja").exists():
        template = (source / "chat_template.jinja").read_text(encoding="utf-8")
    generation = _json(source / "generation_config.json") or {}
    stops = generation.get("eos_token_id", config.get("eos_token_id"))
    stops = stops if isinstance(stops, list) else [stops]
    named = {name: tokenizer.get(name) for name in ("bos_token", "eos_token")}
    named = {
        name: token["content"] if isinstance(token, dict) else token
        for name, token in named.items()
    }
    return {"chat_template": template, "stops": [s for s in stops if s is not None]} | named


# Checks


def _check(folder: Path, name: str) -> None:
    """Raise WorkbookError unless weights, tokenizer and template fit each other."""
    from workbook.lab.model.tokenizer import Tokenizer

    config = _json(folder / "config.json") or {}
    _check_weights(folder, config, name)
    try:
        tokenizer = Tokenizer(folder)
        highest = max(tokenizer.encode("The lab tries it: 1, 2, 3."), default=0)
        tokenizer.chat_prompt([{"role": "user", "content": "Hello?"}])
    except Exception as error:  # tokenizers raises bare Exceptions
        raise WorkbookError(f"The lab can't chat with {name}: {error}.") from None
    if max(highest, tokenizer.end) >= config["vocab_size"]:
        raise WorkbookError(
            f"{name}: the tokenizer knows more tokens than the model's "
            f"{config['vocab_size']:,}: they don't belong together."
        )


def _check_weights(folder: Path, config: dict[str, Any], name: str) -> None:
    """Raise WorkbookError unless every weight is there, in its shape, and no other."""
    expected = _shapes(config)
    with safe_open(folder / "model.safetensors", "pt") as opened:
        found = {key: list(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
    wrong = [f"{key} is missing" for key in expected.keys() - found.keys()]
    wrong += [f"{key} has no place in it" for key in found.keys() - expected.keys()]
    wrong += [
        f"{key} is {found[key]}, not {shape}"
        for key, shape in expected.items()
        if key in found and found[key] != shape
    ]
    if wrong:
        raise WorkbookError(
            f"{name} is not the model that its settings describe: {'; '.join(sorted(wrong)[:3])}."
        )


def _shapes(c: dict[str, Any]) -> dict[str, list[int]]:
    """Every tensor of a Llama of these sizes: (out, in)."""
    width, mlp = c["hidden_size"], c["intermediate_size"]
    queries = c["num_attention_heads"] * c["head_dim"]
    keys = c["num_key_value_heads"] * c["head_dim"]
    linears = [
        [queries, width],
        [keys, width],
        [keys, width],
        [width, queries],
        [mlp, width],
        [mlp, width],
        [width, mlp],
    ]
    shapes = {"model.embed_tokens.weight": [c["vocab_size"], width], "model.norm.weight": [width]}
    if not c["tie_word_embeddings"]:
        shapes["lm_head.weight"] = [c["vocab_size"], width]
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{layer}{norm}.weight"] = [width]
        shapes |= {
            f"{layer}{part}.weight": shape for part, shape in zip(_LINEARS, linears, strict=True)
        }
    return shapes


def _json(path: Path) -> dict[str, Any] | None:
    """A JSON file's object; None when there is no file. Raises WorkbookError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise WorkbookError(f"{path} is not JSON: {error}.") from None
