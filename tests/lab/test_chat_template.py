"""Bases' own chat templates: prompts, and on which tokens the loss is computed."""

import filecmp

import pytest
import tinybase

from workbook.errors import WorkbookError
from workbook.lab.model import bases, weights
from workbook.lab.model.chat_template import PLAIN, TemplateError
from workbook.lab.model.tokenizer import Tokenizer

CHAT = [
    {"role": "user", "content": "Question </s> 1?"},
    {"role": "assistant", "content": "first", "weight": 0},
    {"role": "user", "content": "and?"},
    {"role": "assistant", "content": " the answer "},
]


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
    ids, mask = ours.chat_example(talk[:2])
    learned = [id for id, is_learned in zip(ids, mask, strict=True) if is_learned]
    assert ids == whole and ours.decode(learned).strip() == "yes" and learned[-1] == ours.end


@pytest.mark.full
def test_the_courses_own_model_registered_anew_is_the_same(tmp_path, monkeypatch) -> None:
    """Its template in Jinja and the one that the lab has for it: the same tokens, the same mask."""
    own = weights.ensure()
    monkeypatch.setenv("WORKBOOK_HOME", str(tmp_path / "home"))
    file = weights.fetch_gguf(tmp_path / "model.gguf")
    copy = bases.add("copy", file)
    name = "model.safetensors"
    assert filecmp.cmp(own / name, copy / name, shallow=False)
    ours, theirs = Tokenizer(own), Tokenizer(copy)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    system = [{"role": "system", "content": "Rate it."}]
    for talk, functions in ((CHAT, None), (CHAT[:2] + CHAT, None), (system + CHAT, tools)):
        assert ours.chat_example(talk, functions) == theirs.chat_example(talk, functions)
        assert ours.chat_prompt(talk[:-1], functions) == theirs.chat_prompt(talk[:-1], functions)
