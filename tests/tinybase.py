"""A base model that trains in no time: two narrow layers of random weights, the real tokenizer."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from helpers.lab import weights

CONFIG = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "vocab_size": 49152,
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
}


def make(folder: Path) -> Path:
    """Write it into a new folder, as a Hugging Face model; the folder."""
    folder.mkdir(parents=True)
    shutil.copyfile(weights.ensure() / "tokenizer.json", folder / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file(_tensors(), folder / "model.safetensors")
    return folder


def _tensors() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    c, f = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    q = CONFIG["num_attention_heads"] * CONFIG["head_dim"]
    k = CONFIG["num_key_value_heads"] * CONFIG["head_dim"]
    shapes = {"model.embed_tokens.weight": (CONFIG["vocab_size"], c)}
    for i in range(CONFIG["num_hidden_layers"]):
        block = {
            "self_attn.q_proj": (q, c),
            "self_attn.k_proj": (k, c),
            "self_attn.v_proj": (k, c),
            "self_attn.o_proj": (c, q),
            "mlp.gate_proj": (f, c),
            "mlp.up_proj": (f, c),
            "mlp.down_proj": (c, f),
        }
        shapes |= {f"model.layers.{i}.{name}.weight": shape for name, shape in block.items()}
    tensors = {
        name: torch.randn(shape, generator=random) * 0.1 for name, shape in shapes.items()
    }
    norms = ["model.norm"] + [
        f"model.layers.{i}.{name}"
        for i in range(CONFIG["num_hidden_layers"])
        for name in ("input_layernorm", "post_attention_layernorm")
    ]
    return tensors | {f"{name}.weight": torch.ones(c) for name in norms}
