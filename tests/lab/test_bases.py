"""Other base models from Hugging Face folders: registered, checked, refused."""

import json
import shutil

import pytest
import tinybase
import torch
from gguf import GGMLQuantizationType as Kind
from labserver import MODEL
from logits import logits
from safetensors.torch import load_file, save_file

from workbook.errors import WorkbookError
from workbook.lab.model import bases, checkpoint


def test_a_folder_is_copied_so_that_the_original_may_go(home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    place = bases.add("tiny", source)
    shutil.rmtree(source)
    assert bases.names() == [MODEL, "tiny"] and bases.find("tiny") == ("tiny", place)
    assert checkpoint.load(place, torch.float32).config.vocabulary == len(
        load_file(place / "model.safetensors")["lm_head.weight"]
    )
    with pytest.raises(WorkbookError, match="already"):
        bases.add("tiny", source)
    bases.remove("tiny")
    assert bases.names() == [MODEL] and not place.exists()


def test_weights_in_several_files_and_an_unused_head(home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    whole = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    names = sorted(whole)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, tensors in parts.items():
        save_file({name: whole[name] for name in tensors}, source / file)
    index = {name: file for file, tensors in parts.items() for name in tensors}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    config = json.loads((source / "config.json").read_text()) | {"tie_word_embeddings": True}
    (source / "config.json").write_text(json.dumps(config))
    model = checkpoint.load(bases.add("tiny", source), torch.float32)
    assert torch.equal(model.head.weight, whole["model.embed_tokens.weight"])
    assert torch.equal(model.blocks[1].down.weight, whole["model.layers.1.mlp.down_proj.weight"])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"model_type": "qwen2"}, "'qwen2'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"sliding_window": 64}, "sliding_window 64"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, "'yarn'"),
        ({"num_hidden_layers": None}, "num_hidden_layers"),
        ({"num_hidden_layers": 3}, "model.layers.2"),
        ({"intermediate_size": 95}, r"\[95, 64\]"),
    ],
)
def test_what_the_model_lacks_is_named(settings, complaint, home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    config = json.loads((source / "config.json").read_text()) | settings
    config = {name: value for name, value in config.items() if value is not None}
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(WorkbookError, match=complaint):
        bases.add("tiny", source)
    assert bases.names() == [MODEL] and list((home / "bases").iterdir()) == []


@pytest.mark.parametrize(
    ("lacking", "complaint"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "--tokenizer"),
        ("model.safetensors", "safetensors format only"),
    ],
)
def test_a_missing_file_is_named(lacking, complaint, home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    (source / lacking).unlink()
    with pytest.raises(WorkbookError, match=complaint):
        bases.add("tiny", source)


def test_no_model_no_name_and_no_template(home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    for name in ("ft:x", "Tiny", "../tiny", MODEL):
        with pytest.raises(WorkbookError):
            bases.add(name, source)
    (tmp_path / "text.gguf").write_text("no model " * 9)
    with pytest.raises(WorkbookError, match="no GGUF file"):
        bases.add("tiny", tmp_path / "text.gguf")
    with pytest.raises(WorkbookError, match="not there"):
        bases.add("tiny", tmp_path / "nothing")
    whole = tinybase.gguf_file(tmp_path / "whole.gguf", Kind.F32).read_bytes()
    for cut in (3, 100, len(whole) // 2, len(whole) - 40_000):
        (tmp_path / "cut.gguf").write_bytes(whole[:cut])
        with pytest.raises(WorkbookError, match=r"cut\.gguf"):
            bases.add("tiny", tmp_path / "cut.gguf")
    weights_file = source / "model.safetensors"
    kept = weights_file.read_bytes()
    weights_file.write_bytes(kept[:-100])
    with pytest.raises(WorkbookError, match="can't be read"):
        bases.add("tiny", source)
    weights_file.write_bytes(kept)
    (source / "chat_template.jinja").write_text("{% if %}")
    with pytest.raises(WorkbookError, match="chat template is wrong"):
        bases.add("tiny", source)
    with pytest.raises(WorkbookError, match=f"{MODEL}.*models add"):
        bases.find("unknown")


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@pytest.mark.full
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tie_word_embeddings": True},
        {"rope_theta": 500.0, "head_dim": 32},
        {"rope_scaling": LLAMA3},
        {"rope_scaling": {"type": "linear", "factor": 4.0}},
        {"rope_theta": None, "rope_parameters": LLAMA3 | {"rope_theta": 5000.0}},
    ],
)
def test_logits_agree_with_transformers(settings, home, tmp_path, package) -> None:
    transformers = package("transformers")
    source = tinybase.folder(tmp_path / "hf", **settings)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    ids = torch.randint(5, 250, (90,), generator=torch.Generator().manual_seed(1)).tolist()
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0]
    ours = logits(checkpoint.load(bases.add("tiny", source), torch.float32), ids)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
