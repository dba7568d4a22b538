"""A tiny Llama with random weights and its own tokenizer: as a Hugging Face folder, as GGUF."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

WIDTH, LAYERS, HEADS, KV_HEADS, MLP = 64, 2, 4, 2, 256
SPECIAL = ["<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' }}\n"
    "{{ m['content'] | trim }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "hidden_size": WIDTH,
    "intermediate_size": MLP,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def tokenizer() -> Tokenizer:
    """Byte-level BPE with a few merges and five special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[AddedToken(name, special=True) for name in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["the question and the answer, one after another"] * 9, trainer)
    return bpe


def weights(rows: int, tied: bool = False, head: int = WIDTH // HEADS) -> dict[str, torch.Tensor]:
    """Random weights by Hugging Face's names; the same at every call."""
    random = torch.Generator().manual_seed(5)
    shapes = {
        "q_proj": (HEADS * head, WIDTH),
        "k_proj": (KV_HEADS * head, WIDTH),
        "v_proj": (KV_HEADS * head, WIDTH),
        "o_proj": (WIDTH, HEADS * head),
    }
    mlp = {"gate_proj": (MLP, WIDTH), "up_proj": (MLP, WIDTH), "down_proj": (WIDTH, MLP)}
    named = {"model.embed_tokens": (rows, WIDTH)} | ({} if tied else {"lm_head": (rows, WIDTH)})
    for i in range(LAYERS):
        named |= {f"model.layers.{i}.self_attn.{name}": shape for name, shape in shapes.items()}
        named |= {f"model.layers.{i}.mlp.{name}": shape for name, shape in mlp.items()}
    matrices = {
        f"{name}.weight": torch.randn(shape, generator=random) / 8 for name, shape in named.items()
    }
    norms = ["model.norm"]
    for i in range(LAYERS):
        norms += [f"model.layers.{i}.{n}_layernorm" for n in ("input", "post_attention")]
    return matrices | {f"{n}.weight": 1 + torch.randn(WIDTH, generator=random) / 8 for n in norms}


def folder(path: Path, template: str | None = TEMPLATE, **settings: Any) -> Path:
    """A Hugging Face folder. settings: of config.json, instead of CONFIG's; None leaves one out."""
    path.mkdir(parents=True)
    bpe = tokenizer()
    config = CONFIG | {"vocab_size": bpe.get_vocab_size() + 3} | settings  # rows without a token
    config = {name: value for name, value in config.items() if value is not None}
    (path / "config.json").write_text(json.dumps(config))
    bpe.save(str(path / "tokenizer.json"))
    about = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"}
    about |= {"chat_template": template} if template else {}
    (path / "tokenizer_config.json").write_text(json.dumps(about))
    head = config.get("head_dim", WIDTH // HEADS)
    tensors = weights(config["vocab_size"], config["tie_word_embeddings"], head)
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    return path


_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_file(path: Path, kind: Kind, architecture: str = "llama", pre: str = "gpt-2") -> Path:
    """The same model as llama.cpp's converter would write it, its matrices quantised.

    What the gguf package can't make, it gets as zeros, and only where a row is a whole block.
    """
    bpe = tokenizer()
    rows = bpe.get_vocab_size()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    pieces = [bpe.id_to_token(i) for i in range(rows)]
    writer.add_token_list(pieces)
    writer.add_token_types([3 if piece in SPECIAL else 1 for piece in pieces])
    merges = json.loads(bpe.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in weights(rows).items():
        writer.add_tensor(*_as_gguf(name, tensor, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_gguf(name: str, tensor: torch.Tensor, kind: Kind) -> tuple:
    """(name, data, None, type) for the writer."""
    outer = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    name = name.removesuffix(".weight")
    if name in outer:
        name = outer[name]
    else:
        number, part = name.removeprefix("model.layers.").split(".", 1)
        name = f"blk.{number}.{_NAMES[part]}"
    if name.endswith(("attn_q", "attn_k")):  # llama.cpp interleaves the halves of each head
        heads = HEADS if name.endswith("q") else KV_HEADS
        tensor = tensor.view(heads, 2, -1, WIDTH).transpose(1, 2).reshape(tensor.shape)
    kind = kind if tensor.dim() == 2 else Kind.F32
    try:
        data = gguf.quants.quantize(tensor.numpy(), kind)
    except (NotImplementedError, gguf.quants.QuantError):
        if not name.endswith("ffn_down"):
            return f"{name}.weight", tensor.numpy(), None, Kind.F32
        data = np.zeros((len(tensor), gguf.GGML_QUANT_SIZES[kind][1]), np.uint8)
    return f"{name}.weight", data, None, kind
