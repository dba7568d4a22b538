"""The sizes of a Llama-family model, as `config.json` gives them. Knows no weights."""

import json
from dataclasses import dataclass
from pathlib import Path

CONTEXT = 8192  # tokens that a base may read; more would take memory that nobody uses


@dataclass(frozen=True)
class Config:
    """What the lab's model reads of Hugging Face's settings."""

    layers: int  # L
    width: int  # C
    heads: int  # H, of queries
    kv_heads: int  # K, of keys and values: each is shared by H / K query heads
    head_width: int  # D
    mlp_width: int  # F
    vocabulary: int  # V: rows of the embedding; there may be fewer tokens
    context: int  # the most tokens that it can read
    rope_theta: float  # base of the rotary frequencies
    epsilon: float  # of the norms
    rope_divisors: tuple[float, ...] = ()  # one a rotary frequency (D / 2), where they are scaled

    @classmethod
    def read(cls, folder: Path) -> "Config":
        """The settings in a folder's config.json."""
        raw = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        return cls(
            layers=raw["num_hidden_layers"],
            width=raw["hidden_size"],
            heads=raw["num_attention_heads"],
            kv_heads=raw["num_key_value_heads"],
            head_width=raw.get("head_dim") or raw["hidden_size"] // raw["num_attention_heads"],
            mlp_width=raw["intermediate_size"],
            vocabulary=raw["vocab_size"],
            context=raw["max_position_embeddings"],
            rope_theta=raw["rope_theta"],
            epsilon=raw["rms_norm_eps"],
            rope_divisors=tuple(raw.get("rope_divisors") or ()),
        )
