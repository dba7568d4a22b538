"""Models taken along: the same weights and words in every form, and differences told by cause."""

import dataclasses
import json
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import labserver
import pytest
import tinybase
import tinylab
import torch
from click.testing import CliRunner
from labserver import MODEL, Server
from logits import logits
from safetensors.torch import load_file, save_file

from workbook.cli.lab import lab as command
from workbook.errors import WorkbookError
from workbook.lab.export import gguf_file, hugging_face, ollama, proof, rereading, subject
from workbook.lab.export.subject import Subject
from workbook.lab.model import bases, checkpoint, device, lora, template_rendering
from workbook.lab.model.tokenizer import Tokenizer

TEXT = "The answer: 12 ñandúes, one after another"


@pytest.fixture
def tiny(home, tmp_path: Path) -> Subject:
    """A tiny base, and an adapter for its second layer with random numbers in B."""
    place = bases.add("tiny", tinybase.folder(tmp_path / "hf"))
    model = checkpoint.load(place, torch.float32)
    adapter = lora.create(model, range(1, 2), torch.Generator().manual_seed(1))
    random = torch.Generator().manual_seed(2)
    for name in adapter:
        if name.endswith(".b"):
            adapter[name] = torch.randn(adapter[name].shape, generator=random) / 8
    (tmp_path / "adapter").mkdir()
    lora.save(tmp_path / "adapter", adapter, {"step": 1})
    return Subject("ft:tiny:lab:x:12345678", "tiny", place, tmp_path / "adapter", None)


def expected(tiny: Subject, ids: list[int]) -> torch.Tensor:
    """What the lab computes with the adapter merged as it serves it."""
    model = checkpoint.load(tiny.folder, torch.float32)
    lora.merge(dict(enumerate(model.blocks)), lora.load(tiny.adapter))
    return logits(model, ids)


def test_a_merged_folder_comes_back_as_the_same_model(tiny, tmp_path) -> None:
    (tmp_path / "merged").mkdir()
    hugging_face.write_merged(tiny, tmp_path / "merged")
    ids = tiny.tokenizer().encode(TEXT)
    place = bases.add("again", tmp_path / "merged")
    again = logits(checkpoint.load(place, torch.float32), ids)
    torch.testing.assert_close(again, expected(tiny, ids), atol=1e-5, rtol=1e-5)
    conversation = [{"role": "user", "content": "a </s> b"}]
    assert Tokenizer(place).chat_prompt(conversation) == tiny.tokenizer().chat_prompt(conversation)
    assert Tokenizer(place).stops == tiny.tokenizer().stops


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merged_weights_are_those_that_the_lab_serves_in_its_number_format(
    tiny, tmp_path, dtype
) -> None:
    file = tiny.folder / "model.safetensors"
    save_file({name: each.bfloat16() for name, each in load_file(file).items()}, file)
    hugging_face.write_merged(dataclasses.replace(tiny, dtype=dtype), tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    served = checkpoint.load_blocks(tiny.folder, dtype, "cpu", [0, 1])
    lora.merge(served, lora.load(tiny.adapter))
    for layer, block in served.items():
        for matrix, parts in subject.MATRICES.items():
            rows = [written[f"model.layers.{layer}.{part}.weight"] for part in parts]
            assert torch.equal(torch.cat(rows), getattr(block, matrix).weight)
    assert {each.dtype for each in written.values()} == {dtype}
    config = json.loads((tmp_path / "config.json").read_text())
    assert f"torch.{config['torch_dtype']}" == str(dtype)


@pytest.mark.parametrize(("kind", "close"), [("f32", 1e-5), ("f16", 0.01), ("q8_0", 0.1)])
def test_a_gguf_file_comes_back_as_the_same_model(tiny, tmp_path, kind, close) -> None:
    gguf_file.write(tiny, tmp_path / "tiny.gguf", kind)
    assert rereading.faults(tiny, tmp_path / "tiny.gguf", kind) == []
    ids = tiny.tokenizer().encode(TEXT)
    place = bases.add("again", tmp_path / "tiny.gguf")
    again = logits(checkpoint.load(place, torch.float32), ids)
    torch.testing.assert_close(again, expected(tiny, ids), atol=close * 10, rtol=close)
    conversation = [{"role": "user", "content": TEXT}]
    assert Tokenizer(place).chat_prompt(conversation) == tiny.tokenizer().chat_prompt(conversation)
    assert Tokenizer(place).stops == tiny.tokenizer().stops


def test_a_file_with_wrong_weights_or_rope_is_told_by_reading_it_back(tiny, tmp_path) -> None:
    file = tmp_path / "tiny.gguf"
    gguf_file.write(Subject("tiny", "tiny", tiny.folder, None, None), file, "f32")
    faults = rereading.faults(tiny, file, "f32")
    assert faults and all("model.layers.1." in fault for fault in faults)
    gguf_file.write(tiny, file, "f32")
    content = bytearray(file.read_bytes())
    place = content.index(b"llama.rope.freq_base") + len(b"llama.rope.freq_base") + 4
    content[place : place + 4] = struct.pack("<f", 500_000.0)
    file.write_bytes(content)
    assert rereading.faults(tiny, file, "f32") == [
        "rope_theta is 500000.0, and 10000.0 in the lab."
    ]


def test_an_adapter_for_peft_multiplies_to_what_is_merged(tiny, tmp_path) -> None:
    (tmp_path / "peft").mkdir()
    hugging_face.write_peft(tiny, tmp_path / "peft")
    settings = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    tensors = load_file(tmp_path / "peft" / "adapter_model.safetensors")
    merged = dict(tiny.weights())
    base = dict(Subject("tiny", "tiny", tiny.folder, None, None).weights())
    name = "model.layers.1.self_attn.v_proj"
    a, b = (tensors[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    whole = base[f"{name}.weight"] + b @ a * settings["lora_alpha"] / settings["r"]
    torch.testing.assert_close(whole, merged[f"{name}.weight"])
    assert settings["layers_to_transform"] == [1] and len(settings["target_modules"]) == 7
    with pytest.raises(WorkbookError, match="--to merged"):
        hugging_face.write_peft(Subject("tiny", "tiny", tiny.folder, None, None), tmp_path)


def test_what_can_not_be_written_is_refused_with_the_way_on(home, tmp_path) -> None:
    scaled = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0}
    scaled |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    place = bases.add("scaled", tinybase.folder(tmp_path / "hf", rope_scaling=scaled))
    odd = Subject("scaled", "scaled", place, None, None)
    with pytest.raises(WorkbookError, match="--to gguf"):
        hugging_face.write_merged(odd, tmp_path / "out")
    with pytest.raises(WorkbookError, match="not ChatML"):
        ollama.write(odd, tmp_path, "model.gguf")
    stored = json.loads((place / "tokenizer.json").read_text())
    stored["pre_tokenizer"] = {"type": "Whitespace"}
    (place / "tokenizer.json").write_text(json.dumps(stored))
    with pytest.raises(WorkbookError, match="convert_hf_to_gguf"):
        gguf_file.write(odd, tmp_path / "odd.gguf")
    with pytest.raises(WorkbookError, match="no model 'ft:x'"):
        subject.find("ft:x", tmp_path)


@pytest.fixture
def tokenizer(tiny) -> Tokenizer:
    return tiny.tokenizer()


ASK = [{"role": "user", "content": "the question"}]


def judge(tokenizer: Tokenizer, answer: str, theirs: dict, margin: float = 3.0) -> str | None:
    """The cause that is told, where the lab says `answer` and ends."""
    pieces = [tokenizer.raw(id) for id in tokenizer.encode(answer)]
    ours = proof.LabAnswer(pieces, [margin] * (len(pieces) + 1), True)
    difference = proof.compare(tokenizer, ASK, ours, theirs, 0.25)
    return difference and difference.kind


def test_each_kind_of_difference_is_told_by_its_name(tokenizer) -> None:
    prompt, end = tokenizer.chat_prompt(ASK), tokenizer.end
    answer, other = tokenizer.encode("one answer"), tokenizer.encode("one other")
    same = {"prompt": prompt, "answer": [*answer, end]}
    assert judge(tokenizer, "one answer", same) is None
    changes = {
        "BOS": {"prompt": [0, *prompt]},
        "template": {"prompt": [*prompt[:-3], *tokenizer.encode("x"), *prompt[-3:]]},
        "weights": {"answer": [*other, end]},
        "stop": {"answer": [*answer, *other]},
    }
    for cause, change in changes.items():
        assert judge(tokenizer, "one answer", same | change) == cause
    near = same | {"answer": [*other, end]}
    assert judge(tokenizer, "one answer", near, margin=0.1) == "number format"
    letters = [id for letter in "the question" for id in tokenizer.encode(letter)]
    cut = tokenizer.encode("the question")
    place = next(i for i in range(len(prompt)) if prompt[i : i + len(cut)] == cut)
    other_cut = [*prompt[:place], *letters, *prompt[place + len(cut) :]]
    assert judge(tokenizer, "one answer", same | {"prompt": other_cut}) == "tokenizer"


def test_the_modelfile_says_what_the_lab_does() -> None:
    """Filled in as Ollama does, its template is the lab's own prompt."""
    text = ollama._TEMPLATE.partition("}}")[2]
    turn, _, last = text.partition("{{ end }}")
    asked = [{"Role": "system", "Content": "Be brief."}, {"Role": "user", "Content": "Hello?"}]
    filled = "".join(
        turn.replace("{{ .Role }}", each["Role"]).replace("{{ .Content }}", each["Content"])
        for each in asked
    )
    rendered = template_rendering._compile(subject.CHATML).render(
        messages=[{"role": each["Role"], "content": each["Content"]} for each in asked],
        add_generation_prompt=True,
    )
    assert filled + last == rendered


# Ollama's documented grammar of a Modelfile: an instruction and its arguments, a text of several
# lines in three quotes; the parameters used here, with their types.
INSTRUCTION = re.compile(
    r'(FROM|TEMPLATE|SYSTEM|PARAMETER|ADAPTER|LICENSE|MESSAGE)[ \t]+("""(?s:.*?)"""|[^\n]+)\n', re.I
)
PARAMETERS = {"stop": str, "temperature": float, "repeat_penalty": float, "num_ctx": int}


def test_the_modelfile_keeps_to_ollamas_documented_grammar(tmp_path, home) -> None:
    ollama.write(subject.find("smollm2-135m-instruct", tmp_path), tmp_path, "model.gguf")
    text = (tmp_path / "Modelfile").read_text(encoding="utf-8")
    comments, rest = text.split("\n", 1)
    assert comments.startswith("#")
    found, place = [], 0
    while place < len(rest):
        match = INSTRUCTION.match(rest, place)
        assert match, rest[place : place + 80]
        found.append((match[1].upper(), match[2]))
        place = match.end()
    assert [name for name, _ in found][:1] == ["FROM"] and found[0][1] == "./model.gguf"
    assert [name for name, _ in found].count("TEMPLATE") == 1
    for name, argument in found:
        if name == "PARAMETER":
            parameter, value = argument.split(maxsplit=1)
            assert PARAMETERS[parameter](value.strip('"')) or parameter == "temperature"


def test_nothing_is_overwritten(tmp_path, home) -> None:
    bases.add("tiny", tinybase.folder(tmp_path / "hf"))
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    call = ["export", "tiny", "--to", "merged", "--out", str(target)]
    done = CliRunner().invoke(command, call)
    assert isinstance(done.exception, WorkbookError) and "there already" in str(done.exception)
    shutil.rmtree(target)
    done = CliRunner().invoke(command, call, catch_exceptions=False)
    assert {path.name for path in target.iterdir()} >= {"README.md", "model.safetensors"}
    card = (target / "README.md").read_text()
    assert "must not be used for" in card and str(tmp_path) not in card


def test_a_proof_that_no_lab_can_give_is_one_sentence(tmp_path, monkeypatch) -> None:
    none = {"prompt": [], "answer": []}
    monkeypatch.setattr(proof, "ask_target", lambda conversations, target: [none] * 20)
    with tinylab.serving(tmp_path, state="home/lab"):
        bases.add("other", tinybase.folder(tmp_path / "hf2"))
        call = ["export", "other", "--to", "merged", "--out", str(tmp_path / "out"), "--prove"]
        done = CliRunner().invoke(command, call)
        assert isinstance(done.exception, WorkbookError), done.exception
        assert "Nothing was exported. The lab: The model `other`" in str(done.exception)
        assert not (tmp_path / "out").exists()
        monkeypatch.setenv("WORKBOOK_LAB_URL", "http://127.0.0.1:1")
        done = CliRunner().invoke(command, call)
        assert "unset WORKBOOK_LAB_URL" in str(done.exception)


@pytest.mark.full
@pytest.mark.parametrize("form", ["merged", "peft", "llama.cpp"])
def test_a_tuned_model_answers_elsewhere_as_in_the_lab(
    form: str, lab: Server, tuned, tmp_path, package
) -> None:
    """In the real programs, token by token; what differs is a tie that rounding decides."""
    package("xllamacpp" if form == "llama.cpp" else "peft")
    found = subject.find(tuned.fine_tuned_model, lab.state)
    found = dataclasses.replace(found, dtype=device.dtype(device.choose()))  # as the lab chose
    base = subject.find(MODEL, lab.state)
    target = {
        "merged": ["transformers", str(tmp_path / "out")],
        "peft": ["peft", str(tmp_path / "out"), "--base", str(tmp_path / "base")],
        "llama.cpp": ["llama.cpp", str(tmp_path / "out" / "model.gguf")],
    }[form]
    (tmp_path / "out").mkdir()
    if form == "merged":
        hugging_face.write_merged(found, tmp_path / "out")
    elif form == "peft":
        (tmp_path / "base").mkdir()
        hugging_face.write_merged(base, tmp_path / "base")
        hugging_face.write_peft(found, tmp_path / "out")
    else:
        gguf_file.write(found, tmp_path / "out" / "model.gguf")
    conversations = [[{"role": "user", "content": text}] for text in proof.PROMPTS[:10]]
    result = proof.prove(lab.client(), found.id, found.tokenizer(), conversations, target, "f16")
    print(result)
    assert result.holds and len(result.differences) <= 5, str(result)


@pytest.mark.full
def test_a_lab_on_a_processor_without_bfloat16_is_exported_as_it_answers(
    tmp_path, package, monkeypatch
) -> None:
    """The lab then computes in float32, and its merged weights are finer than its base's."""
    package("peft")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")  # what oneDNN may use of this processor
    lab = labserver.start(tmp_path / "state")
    try:
        method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}}
        job = lab.client().fine_tuning.jobs.create(
            model=MODEL, training_file=lab.upload(labserver.rows(12)), seed=7, method=method
        )
        model = lab.finished(job.id).fine_tuned_model
        call = ["export", model, "--to", "merged", "--state", str(lab.state)]
        call += ["--out", str(tmp_path / "out")]
        CliRunner().invoke(command, call, catch_exceptions=False)
        target = ["transformers", str(tmp_path / "out")]
        conversations = [[{"role": "user", "content": text}] for text in proof.PROMPTS[:10]]
        tokenizer = subject.find(model, lab.state).tokenizer()
        result = proof.prove(lab.client(), model, tokenizer, conversations, target)
    finally:
        lab.stop()
    assert result.differences == [], str(result)


@pytest.mark.full
def test_a_broken_template_is_told_in_its_real_target(
    lab: Server, tuned, tmp_path, package, monkeypatch
) -> None:
    package("xllamacpp")
    found = subject.find(tuned.fine_tuned_model, lab.state)
    broken = subject.CHATML.replace("<|im_end|>", "")
    monkeypatch.setattr(subject, "CHATML", broken)
    gguf_file.write(found, tmp_path / "model.gguf", "q8_0")
    target = ["llama.cpp", str(tmp_path / "model.gguf")]
    conversations = [[{"role": "user", "content": proof.PROMPTS[0]}]]
    result = proof.prove(lab.client(), found.id, found.tokenizer(), conversations, target, "q8_0")
    assert not result.holds and "template" in str(result)
