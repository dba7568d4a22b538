"""GGUF files as bases: every quantisation, tokenizers rebuilt, what is refused."""

import gguf
import numpy as np
import pytest
import tinybase
import torch
from gguf import GGMLQuantizationType as Kind
from logits import logits
from safetensors.torch import load_file

from workbook.errors import WorkbookError
from workbook.lab.model import bases, checkpoint
from workbook.lab.model.tokenizer import Tokenizer

COARSE = {
    Kind.F32: 0,
    Kind.F16: 1e-3,
    Kind.BF16: 4e-3,
    Kind.Q8_0: 0.01,
    Kind.Q5_0: 0.06,
    Kind.Q5_1: 0.06,
    Kind.Q4_0: 0.12,
    Kind.Q4_1: 0.12,
}


@pytest.mark.parametrize("kind", COARSE, ids=lambda kind: kind.name)
def test_every_quantisation_gives_the_weights_back(kind: Kind, home, tmp_path) -> None:
    place = bases.add("tiny", tinybase.gguf_file(tmp_path / "tiny.gguf", kind))
    read = load_file(place / "model.safetensors")
    for name, weight in tinybase.weights(len(read["lm_head.weight"])).items():
        error = (read[name].float() - weight).abs().max() / weight.abs().max()
        assert error <= max(COARSE[kind], 0 if kind == Kind.F32 else 4e-3), name
    ours, theirs = Tokenizer(place), tinybase.tokenizer()
    assert ours.encode("The answer: 12, ñ") == theirs.encode("The answer: 12, ñ").ids
    assert ours.encode("</s>") != [1] and ours.stops == {1}


K_QUANTS = [Kind.Q2_K, Kind.Q3_K, Kind.Q4_K, Kind.Q5_K, Kind.Q6_K, Kind.IQ4_XS]


@pytest.mark.parametrize("kind", K_QUANTS, ids=lambda kind: kind.name)
def test_k_quants_are_read(kind: Kind, home, tmp_path) -> None:
    place = bases.add("tiny", tinybase.gguf_file(tmp_path / "tiny.gguf", kind))
    read = load_file(place / "model.safetensors")
    down = read["model.layers.1.mlp.down_proj.weight"]
    assert down.shape == (64, 256) and not down.any() and read["lm_head.weight"].any()


def test_a_gguf_of_another_kind_is_refused(home, tmp_path) -> None:
    with pytest.raises(WorkbookError, match="gemma model"):
        bases.add("tiny", tinybase.gguf_file(tmp_path / "a.gguf", Kind.F32, "gemma"))
    odd = tinybase.gguf_file(tmp_path / "b.gguf", Kind.F32, pre="tekken")
    with pytest.raises(WorkbookError, match=r"'tekken'.*--tokenizer"):
        bases.add("tiny", odd)
    tinybase.tokenizer().save(str(tmp_path / "tokenizer.json"))
    assert bases.add("tiny", odd, tmp_path / "tokenizer.json").name == "tiny"


def test_a_tensor_that_the_model_has_no_place_for_is_named(home, tmp_path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "llama")
    writer.add_tensor("odd", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(WorkbookError, match="the tensor odd"):
        bases.add("tiny", tmp_path / "odd.gguf")


@pytest.mark.full
@pytest.mark.parametrize("kind", [Kind.F32, Kind.Q8_0, Kind.Q4_1], ids=lambda kind: kind.name)
def test_a_gguf_agrees_with_transformers(kind, home, tmp_path, package) -> None:
    transformers = package("transformers")
    file = tinybase.gguf_file(tmp_path / "tiny.gguf", kind)
    place = bases.add("tiny", file)
    about = {"gguf_file": file.name}
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, **about
    )
    reader = transformers.AutoTokenizer.from_pretrained(tmp_path, **about)
    text = "The answer: 12 ñandúes, one after another"
    ids = Tokenizer(place).encode(text)
    assert ids == reader.encode(text, add_special_tokens=False)
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0]
    close = 1e-4 if kind == Kind.F32 else 0.05  # the lab keeps what was quantised in bfloat16
    torch.testing.assert_close(
        logits(checkpoint.load(place, torch.float32), ids), expected, atol=close, rtol=close
    )
