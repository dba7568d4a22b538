"""The tokenizer of a GGUF file, rebuilt as Hugging Face's `tokenizers` has it.

Knows the kinds of tokenizers that models of the Llama family have, by llama.cpp's names for them;
nothing of weights.
"""

from collections.abc import Callable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.decoders import Decoder
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer
from tokenizers.processors import TemplateProcessing

from workbook.errors import WorkbookError

CONTROL, _BYTE = 3, 6  # gguf.TokenType
_LLAMA3 = (  # the regular expression of Llama 3's tokenizer
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# How text is cut before pairs are merged, by the name that llama.cpp gives it
CUTS: dict[str, Callable[[], list[PreTokenizer]]] = {
    "gpt-2": lambda: [pre_tokenizers.ByteLevel(add_prefix_space=False)],
    "smollm": lambda: [  # digits stand alone
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ],
    "llama-bpe": lambda: [
        pre_tokenizers.Split(Regex(_LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ],
}


def build(meta: dict[str, Any]) -> Tokenizer:
    """The file's vocabulary as a tokenizer.

    meta: the file's fields.
    Raises WorkbookError where the tokenizer's kind is not known.
    """
    kind = meta.get("tokenizer.ggml.model")
    pieces, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    tokenizer = _sentencepiece(meta) if kind == "llama" else _byte_level(meta, kind)
    tokenizer.add_special_tokens(
        [
            AddedToken(piece, special=True, normalized=False)
            for piece, token_type in zip(pieces, types, strict=True)
            if token_type == CONTROL
        ]
    )
    first = meta.get("tokenizer.ggml.bos_token_id")
    if first is not None and meta.get("tokenizer.ggml.add_bos_token", kind == "llama"):
        tokenizer.post_processor = TemplateProcessing(
            single=f"{pieces[first]} $A", special_tokens=[(pieces[first], first)]
        )
    return tokenizer


def _byte_level(meta: dict[str, Any], kind: str | None) -> Tokenizer:
    """Byte-level BPE, as GPT-2 introduced it; what differs is how text is cut beforehand."""
    cut = meta.get("tokenizer.ggml.pre", "gpt-2") if kind == "gpt2" else kind
    if cut not in CUTS:
        raise WorkbookError(
            f"The file's tokenizer is of the kind {cut!r}, which the lab can't rebuild. Give the "
            "model's own tokenizer.json with --tokenizer FILE."
        )
    vocabulary = {piece: index for index, piece in enumerate(meta["tokenizer.ggml.tokens"])}
    merges = [tuple(pair.split(" ", 1)) for pair in meta["tokenizer.ggml.merges"]]
    model = models.BPE(vocab=vocabulary, merges=merges, ignore_merges=cut == "llama-bpe")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(CUTS[cut]())
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentencepiece(meta: dict[str, Any]) -> Tokenizer:
    """SentencePiece's BPE, whose merges follow from the pieces' scores: the likeliest go first."""
    pieces, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    candidates = []
    for piece, token_type, score in zip(pieces, types, meta["tokenizer.ggml.scores"], strict=True):
        if token_type in (CONTROL, _BYTE):
            continue
        halves = ((piece[:i], piece[i:]) for i in range(1, len(piece)))
        candidates += [
            (-score, vocabulary[a], vocabulary[b], a, b)
            for a, b in halves
            if a in vocabulary and b in vocabulary
        ]
    merges = [(a, b) for *_, a, b in sorted(candidates)]
    unknown = meta.get("tokenizer.ggml.unknown_token_id")
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            fuse_unk=True,
            byte_fallback=True,
            unk_token=None if unknown is None else pieces[unknown],
        )
    )
    before: list[Normalizer] = [normalizers.Replace(" ", "▁")]
    after: list[Decoder] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if meta.get("tokenizer.ggml.add_space_prefix", True):
        before.insert(0, normalizers.Prepend("▁"))
        after.append(decoders.Strip(" ", 1, 0))
    tokenizer.normalizer = normalizers.Sequence(before)
    tokenizer.decoder = decoders.Sequence(after)
    return tokenizer
