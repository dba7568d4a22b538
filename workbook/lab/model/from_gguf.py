"""A GGUF file of the Llama family as a Hugging Face folder: config, weights, tokenizer, template.

Knows llama.cpp's format, in every quantisation that the `gguf` package can undo; the tokenizer is
rebuilt by `gguf_tokenizer`. Knows nothing of where models are kept, or of running them.
"""

import json
from pathlib import Path
from typing import Any

import torch
from gguf import GGMLQuantizationType as Quantization
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import save_file
from torch import Tensor

from workbook.errors import WorkbookError
from workbook.lab.model import gguf_tokenizer
from workbook.lab.model.config import CONTEXT

# GGUF tensor name -> Hugging Face name, for one block
BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
ROPE = "rope_freqs.weight"  # what each rotary frequency is divided by (Llama 3.1 and later)


def convert(gguf_file: Path, folder: Path, own_tokenizer: bool = True) -> dict[str, Any]:
    """Write config.json, model.safetensors and tokenizer.json; the value is what is known of chat.

    The weights become float32 or float16 where the file has those, else bfloat16. The value holds
    `chat_template`, `bos_token`, `eos_token` and `stops`, as `bases` keeps them.

    folder: where to write them.
    own_tokenizer: False when the model's tokenizer.json is at hand and the file's is not needed.
    Raises WorkbookError when the file is no GGUF file, or has what the lab's model lacks; KeyError
    when it lacks what every such file has.
    """
    try:
        reader = GGUFReader(gguf_file)
    except (ValueError, IndexError) as error:
        raise WorkbookError(f"{gguf_file.name} is no GGUF file, or is cut off: {error}.") from None
    meta = {name: field.contents() for name, field in reader.fields.items()}
    if meta.get("general.architecture") != "llama":
        raise WorkbookError(
            f"{gguf_file.name} is a {meta.get('general.architecture')} model; "
            "the lab runs the Llama family only."
        )
    tensors, divisors = _tensors(reader, meta, gguf_file.name)
    config = _config(meta, tensors, divisors)
    if own_tokenizer:
        text = gguf_tokenizer.build(meta).to_str()
        (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return _chat(meta)


def _tensors(reader: Any, meta: dict, file: str) -> tuple[dict[str, Tensor], list[float] | None]:
    """The weights under Hugging Face's names, and the divisors of the rotary frequencies if any."""
    kinds = {tensor.tensor_type for tensor in reader.tensors}
    plain = {Quantization.F32: torch.float32, Quantization.F16: torch.float16}
    dtype = torch.bfloat16
    if (
        kinds <= plain.keys()
    ):  # norms are F32 in every file: the larger number says what the rest is
        dtype = plain[max(kinds)]
    tensors: dict[str, Tensor] = {}
    divisors = None
    for tensor in reader.tensors:
        try:
            array = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        except NotImplementedError:
            raise WorkbookError(
                f"{file}: the quantisation {tensor.tensor_type.name} (of {tensor.name}) can't be "
                "read. Take another file of the model: Q4_0 to Q8_0, a K-quant, F16 or BF16."
            ) from None
        if tensor.name == ROPE:
            divisors = array.tolist()
            continue
        kind = tensor.name.removesuffix(".weight").rpartition(".")[2]
        if kind in ("attn_q", "attn_k"):
            array = _unpermute(array, _heads(meta)[kind == "attn_k"])
        tensors[_hugging_face_name(tensor.name, file)] = array.to(dtype).contiguous()
    return tensors, divisors


def _heads(meta: dict) -> tuple[int, int]:
    """Heads of queries, and of keys and values."""
    heads = meta["llama.attention.head_count"]
    return heads, meta.get("llama.attention.head_count_kv", heads)


def _unpermute(weight: Tensor, heads: int) -> Tensor:
    """GGUF has the two halves of each rotary head interleaved, Hugging Face one after another."""
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _hugging_face_name(name: str, file: str) -> str:
    parts = name.split(".")
    table, part = (BLOCK, parts[-2]) if parts[0] == "blk" else (OUTER, parts[0])
    if part not in table or parts[-1] != "weight":
        raise WorkbookError(
            f"{file} has the tensor {name}, which the lab's model has no place for (biases and "
            "mixtures of experts are not supported)."
        )
    return (
        f"model.layers.{parts[1]}.{BLOCK[part]}.weight"
        if table is BLOCK
        else f"{OUTER[part]}.weight"
    )


def _config(meta: dict, tensors: dict[str, Tensor], divisors: list[float] | None) -> dict:
    width, (heads, kv_heads) = meta["llama.embedding_length"], _heads(meta)
    head_width = (
        meta.get("llama.attention.key_length")
        or meta.get("llama.rope.dimension_count")
        or width // heads
    )
    scaling = meta.get("llama.rope.scaling.type", "none")
    if scaling == "linear":
        divisors = [float(meta["llama.rope.scaling.factor"])] * (head_width // 2)
    elif scaling != "none":
        raise WorkbookError(
            f"The rotary embedding is scaled by {scaling!r}; the lab's model has "
            "'linear' and 'llama3' only."
        )
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": meta["llama.feed_forward_length"],
        "num_hidden_layers": meta["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_width,
        "max_position_embeddings": min(CONTEXT, meta["llama.context_length"]),
        "rope_theta": meta.get("llama.rope.freq_base", 10_000.0),
        "rope_divisors": divisors,
        "rms_norm_eps": meta["llama.attention.layer_norm_rms_epsilon"],
        "vocab_size": len(tensors["model.embed_tokens.weight"]),
        "tie_word_embeddings": "lm_head.weight" not in tensors,
        "bos_token_id": meta.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": meta.get("tokenizer.ggml.eos_token_id"),
        "torch_dtype": str(next(iter(tensors.values())).dtype).removeprefix("torch."),
    }


def _chat(meta: dict) -> dict[str, Any]:
    pieces = meta["tokenizer.ggml.tokens"]
    ids = {name: meta.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "eot")}
    return {
        "chat_template": meta.get("tokenizer.chat_template"),
        "bos_token": None if ids["bos"] is None else pieces[ids["bos"]],
        "eos_token": None if ids["eos"] is None else pieces[ids["eos"]],
        "stops": [ids[name] for name in ("eos", "eot") if ids[name] is not None],
    }
