"""A model as one GGUF file, for llama.cpp and what is built on it (Ollama, LM Studio).

Knows llama.cpp's names and layout; `workbook.lab.model.from_gguf` reads what is written here.

Shapes: weights are (out, in).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer as Encoder
from torch import Tensor

from workbook.errors import WorkbookError
from workbook.lab.export.subject import Subject
from workbook.lab.model.from_gguf import BLOCK, OUTER, ROPE
from workbook.lab.model.gguf_tokenizer import CONTROL, CUTS

KINDS = ("f16", "q8_0", "q4_0", "f32")
_NORMAL, _UNUSED = 1, 5  # gguf.TokenType
# A text that the ways of cutting before byte-level BPE cut differently.
_PROBE = "It's 1234 o'clock,  a_b\n\n“ñandú” 日本 don't 3.14"


def write(subject: Subject, file: Path, kind: str = "f16") -> None:
    """Write the model into one file.

    kind: how numbers are kept, of KINDS; norms are float32 in any case
    Raises WorkbookError where the tokenizer is of a kind that is not known how to write.
    """
    import gguf

    names = {"f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0", "q4_0": "MOSTLY_Q4_0", "f32": "ALL_F32"}
    quantization = gguf.GGMLQuantizationType[kind.upper()]
    writer = gguf.GGUFWriter(file, "llama")
    try:
        writer.add_name(subject.id)
        writer.add_file_type(gguf.LlamaFileType[names[kind]])
        _add_settings(writer, subject.config)
        _add_tokenizer(writer, subject)
        for name, weight in subject.weights():
            _add_weight(writer, subject.config, name, weight, quantization)
        divisors = subject.config.get("rope_divisors")
        if divisors:
            writer.add_tensor(ROPE, np.asarray(divisors, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _add_settings(writer: Any, config: dict[str, Any]) -> None:
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_weight(writer: Any, config: dict[str, Any], name: str, weight: Tensor, kind: Any) -> None:
    import gguf

    array = weight.float()
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    part = name.removesuffix(".weight").rpartition(".")[2]
    if part in heads:
        array = _permute(array, config[heads[part]])
    numbers = array.numpy()
    # What can't be cut into blocks of this kind, and the norms, stay as they are.
    size = gguf.GGML_QUANT_SIZES[kind][0]
    if numbers.ndim == 1 or numbers.shape[-1] % size:
        kind = gguf.GGMLQuantizationType.F32
    quantized = gguf.quants.quantize(numbers, kind)
    writer.add_tensor(_gguf_name(name), quantized, raw_dtype=kind)


def _permute(weight: Tensor, heads: int) -> Tensor:
    """Hugging Face has the two halves of a rotary head one after another, GGUF interleaved."""
    rows, columns = weight.shape
    halves = weight.view(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns).contiguous()


def _gguf_name(name: str) -> str:
    for short, long in OUTER.items():
        if name == f"{long}.weight":
            return f"{short}.weight"
    layer, _, part = name.removeprefix("model.layers.").removesuffix(".weight").partition(".")
    [short] = [short for short, long in BLOCK.items() if long == part]
    return f"blk.{layer}.{short}.weight"


def _add_tokenizer(writer: Any, subject: Subject) -> None:
    path = subject.folder / "tokenizer.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    cut = _cut(Encoder.from_file(str(path)), stored)
    if cut is None:
        raise WorkbookError(
            f"The tokenizer of {subject.base} is of a kind that can't be written as GGUF here. "
            "Take the model --to merged, and convert that folder with llama.cpp's own "
            "convert_hf_to_gguf.py."
        )
    pieces, kinds = _pieces(stored, subject.config["vocab_size"])
    tokenizer, special = subject.tokenizer(), subject.special_tokens()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    writer.add_token_list(pieces)
    writer.add_token_types(kinds)
    merges = stored["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    if special["bos_token"] in pieces:
        writer.add_bos_token_id(pieces.index(special["bos_token"]))
    writer.add_eos_token_id(tokenizer.end_of_text)
    writer.add_eot_token_id(tokenizer.end)
    writer.add_add_bos_token(bool(tokenizer.text_prompt("")))
    writer.add_chat_template(subject.template)


def _cut(encoder: Encoder, stored: dict[str, Any]) -> str | None:
    """llama.cpp's name for how text is cut before pairs are merged; None: it is another way."""
    if stored["model"].get("type") != "BPE" or stored.get("normalizer"):
        return None
    if stored["model"].get("byte_fallback") or encoder.pre_tokenizer is None:
        return None
    from tokenizers import pre_tokenizers

    own = encoder.pre_tokenizer.pre_tokenize_str(_PROBE)
    for name, parts in CUTS.items():
        if pre_tokenizers.Sequence(parts()).pre_tokenize_str(_PROBE) == own:
            return name
    return None


def _pieces(stored: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """Every row of the embedding by its token's name, and what kind of token that is."""
    names = {id: piece for piece, id in stored["model"]["vocab"].items()}
    kinds = dict.fromkeys(names, _NORMAL)
    for token in stored["added_tokens"]:
        names[token["id"]] = token["content"]
        kinds[token["id"]] = CONTROL if token["special"] else _NORMAL
    pieces = [names.get(id, f"[PAD{id}]") for id in range(rows)]
    return pieces, [kinds.get(id, _UNUSED) for id in range(rows)]
