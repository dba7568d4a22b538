"""Chat templates that take too much: a sentence for who asked, nothing for others."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import tinybase

from workbook.bounded_process import Bounds
from workbook.errors import WorkbookError
from workbook.lab.model import bases, template_rendering
from workbook.lab.model.template_rendering import TemplateError, render
from workbook.lab.model.tokenizer import Tokenizer

TOO_MUCH = {
    "a long text": "{{ 'a' * 10**9 }}",
    "many long texts": "{% for i in range(99999) %}{{ 'a' * 10**4 }}{% endfor %}",
    "a power, computed beforehand": "{{ 10**(10**10) }}",
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}"
    "{% endfor %}",
    "a width of %": "{{ '%0999999999d' % 1 }}",
    "a width of format": "{{ '{:>999999999}'.format(1) }}",
    "a filter": "{{ 'a'|center(10**9) }}",
    "a list": "{{ (messages * 10**9)|length }}",
    "what doubles": "{% set n = namespace(x='aa') %}{% for i in range(99) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}",
    "what calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}"
    "{% endmacro %}{{ f(60) }}",
    "what calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "made-up Latin": "{{ lipsum(n=10**7) }}",
    "a date": "{{ strftime_now('%d' * 10**8) }}",
    "JSON": "{{ messages|tojson(indent=10**9) }}",
    "what it is given, again": "{{ messages[0].content * 10**6 }}",
}
VARIABLES = {"messages": [{"role": "user", "content": "Is 12 < 21?"}], "eos_token": "</s>"}


@pytest.fixture(autouse=True)
def less_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    bounds = Bounds(0.4, template_rendering.BOUNDS.seconds, template_rendering.BOUNDS.memory)
    monkeypatch.setattr(template_rendering, "BOUNDS", bounds)
    yield
    template_rendering.close()


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_takes_too_much_is_told_and_the_next_one_is_rendered(name: str) -> None:
    before, began = psutil.Process().memory_info().rss, time.monotonic()
    with pytest.raises(TemplateError, match=r"too much|far more text"):
        render(TOO_MUCH[name], VARIABLES)
    assert time.monotonic() - began < 20
    assert psutil.Process().memory_info().rss - before < 2**26
    assert render("{{ messages[0].content }}", VARIABLES) == "Is 12 < 21?"


@pytest.mark.parametrize("source", ["{{ 1 / zero }}", "{{ [1][7].a.b }}", "{{ '%d' % 'a' }}"])
def test_any_error_of_a_template_is_the_templates(source: str) -> None:
    with pytest.raises(TemplateError, match="the model's chat template refuses it: "):
        render(source, VARIABLES | {"zero": 0})


def test_a_template_that_takes_too_much_is_not_registered(home: Path, tmp_path: Path) -> None:
    source = tinybase.folder(tmp_path / "hf", TOO_MUCH["a long text"])
    with pytest.raises(WorkbookError, match="chat template takes too much memory"):
        bases.add("evil", source)
    assert bases.names()[1:] == []


def test_one_that_waits_for_a_word_costs_its_caller_an_answer(home: Path, tmp_path: Path) -> None:
    trap = "{% if 'boom' in messages[-1].content %}{{ 10**(10**(9 + messages|length)) }}{% endif %}"
    bases.add("trap", tinybase.folder(tmp_path / "hf", trap + tinybase.TEMPLATE))
    tokenizer = Tokenizer(bases.find("trap")[1])
    usual = [{"role": "user", "content": "Hello"}]
    ids = tokenizer.chat_prompt(usual)
    with pytest.raises(TemplateError, match="too much"):
        tokenizer.chat_prompt([{"role": "user", "content": "boom"}])
    assert tokenizer.chat_prompt(usual) == ids
