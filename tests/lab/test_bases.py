"""Other base models from Hugging Face folders: registered, checked, refused."""

import json
import os
import shutil

import pytest
import tinybase
import torch
from gguf import GGMLQuantizationType as Kind
from labserver import MODEL
from logits import logits
from safetensors.torch import load_file, save_file

from workbook.errors import WorkbookError
from workbook.lab.model import base_check, bases, checkpoint


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


def _cut_header(source) -> None:
    (source / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")


def _not_finite(source) -> None:
    tensors = load_file(source / "model.safetensors")
    tensors["model.norm.weight"][3] = float("nan")
    save_file(tensors, source / "model.safetensors")


def _sparse(source) -> None:
    with open(source / "model.safetensors", "r+b") as file:
        file.truncate(2**42)


def _pipe(source) -> None:
    (source / "config.json").unlink()
    os.mkfifo(source / "config.json")


def _settings(**changes):
    def change(source) -> None:
        config = json.loads((source / "config.json").read_text()) | changes
        (source / "config.json").write_text(json.dumps(config))

    return change


def _text(name: str, text: str):
    return lambda source: (source / name).write_text(text)


HOSTILE = {
    "a header of exabytes": _cut_header,
    "not a number": _not_finite,
    "a sparse file": _sparse,
    "a pipe": _pipe,
    "settings that are a list": _text("config.json", "[]"),
    "settings that are deep": _text("config.json", "[" * 100_000),
    "no heads": _settings(num_attention_heads=0),
    "a size in words": _settings(hidden_size="large"),
    "layers without number": _settings(num_hidden_layers=-1),
    "a size of null": _settings(vocab_size=[]),
    "an index that is a list": _text("model.safetensors.index.json", "[1]"),
    "an index that leads away": _text(
        "model.safetensors.index.json", '{"weight_map": {"a": "../../x"}}'
    ),
    "a tokenizer that is none": _text("tokenizer.json", "{}"),
    "a tokenizer's settings": _text("tokenizer_config.json", '{"chat_template": 5}'),
    "a template without end": _text(
        "chat_template.jinja",
        "{% set r = range(99999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
    ),
    "a template in parts": _text("tokenizer_config.json", '{"chat_template": [3]}'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_a_sentence_and_leaves_nothing(name, home, tmp_path, monkeypatch):
    monkeypatch.setattr(base_check, "MOST_SECONDS", 0.5)
    source = tinybase.folder(tmp_path / "hf")
    HOSTILE[name](source)
    with pytest.raises(WorkbookError) as error:
        bases.add("tiny", source)
    assert len(str(error.value)) < 700
    assert bases.names() == [MODEL] and list((home / "bases").iterdir()) == []
