"""Every term that a notebook sets in bold is in docs/glossary.md, and the way back is right.

The rule (CONTRIBUTING.md): bold in lower case is a term where it is explained; emphasis is italic,
or a whole phrase that begins with a capital letter.
"""

import functools
import re
from pathlib import Path

import nbformat
import pytest

from workbook import paths

GLOSSARY = paths.ROOT / "docs" / "glossary.md"
NOTEBOOKS = sorted(paths.ROOT.glob("notebooks/*.ipynb"))
ENTRY = re.compile(r"^- \*\*(.+?)\*\* \(\[(\d\d)\]\(\.\./notebooks/(.+?)\)\): (.+)$")
# Emphasis that was bold before there was the rule. Don't add to it: use italics.
EMPHASIS = {
    *("you", "contract", "frozen", "good examples", "measured", "order number", "same"),
    *("best prompt", "examples", "instructions", "reminder", "same 25", "sarcastic"),
}


@functools.cache
def prose(path: Path) -> str:
    """The Markdown of a notebook, without code and the box with its goals."""
    cells = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"]
    lines = "\n".join(cells).split("\n")
    return re.sub(r"`[^`]*`", "", "\n".join(line for line in lines if line[:4] != "| **"))


def bold(text: str) -> set[str]:
    """The phrases in bold that are terms: up to three words, not begun with a capital letter.

    Of a word such as LoRA or JSONL, the second letter is a capital, too.
    """
    phrases = re.findall(r"(?<!\*)\*\*([^*\n]+?)\*\*(?!\*)", text)
    return {
        phrase
        for phrase in phrases
        if re.fullmatch(r"[^\W\d_][\w'’:-]+(?: [\w'’-]+){0,2}", phrase)
        and not re.match(r"[A-Z][a-z]+\b", phrase)
    }


def named(phrase: str, terms: set[str]) -> str | None:
    """The term that a phrase is, also in the plural, in capitals, of somebody, or without "set"."""
    known = {term.casefold(): term for term in terms}
    word = phrase.casefold()
    forms = (
        word,
        word.removesuffix("s"),
        word.removesuffix("'s"),
        word.removesuffix("’s"),
        f"{word} set",
    )
    return next((known[form] for form in forms if form in known), None)


def entries() -> dict[str, tuple[str, str]]:
    """Term → the notebook's file, and the words about it."""
    found = [ENTRY.match(line) for line in GLOSSARY.read_text(encoding="utf-8").splitlines()]
    return {match[1]: (match[3], match[4]) for match in found if match}


def explains(path: Path, term: str) -> bool:
    """Whether a notebook sets the term in bold."""
    return any(named(phrase, {term}) for phrase in bold(prose(path)))


def mentions(path: Path, term: str) -> bool:
    word = re.compile(rf"(?<![\w-]){re.escape(term)}s?(?![\w-])", re.IGNORECASE)
    return word.search(prose(path)) is not None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_every_term_in_bold_has_an_entry(path: Path) -> None:
    terms = set(entries())
    lacking = {phrase for phrase in bold(prose(path)) - EMPHASIS if named(phrase, terms) is None}
    assert not lacking, "an entry in docs/glossary.md, or italics where it is emphasis"


def test_terms_are_told_from_emphasis() -> None:
    text = (
        "**loss mask**, **JSONL**, **LoRA**, **few-shot**; **Not this.** **a** **0.20** **Next:**"
    )
    assert bold(text) == {"loss mask", "JSONL", "LoRA", "few-shot"}
    assert named("Checkpoints", {"checkpoint"}) == "checkpoint"
    assert named("assistant's", {"assistant"}) == "assistant"
    assert named("lossy", {"loss"}) is None


def test_entries_are_sorted_and_say_where_their_term_is_met() -> None:
    glossary = entries()
    lines = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line[:1] == "-"]
    assert len(lines) == len(glossary) > 60
    assert list(glossary) == sorted(glossary, key=str.casefold)
    for term, (file, _) in glossary.items():
        before = [path for path in NOTEBOOKS if path.name < file]
        assert not any(explains(path, term) for path in before), f"{term}: explained before {file}"
        for path in NOTEBOOKS:
            has_it = explains(path, term) or mentions(path, term)
            assert path.name != file or has_it, f"{term} is not in {file}"


def test_what_readers_asked_for_is_explained_in_a_sentence_or_two() -> None:
    glossary = entries()
    asked = {"TF-IDF", "logistic regression", "nat", "seed", "base64", "LoRA", "token accuracy"}
    assert asked <= set(glossary)
    for term, (_, text) in glossary.items():
        assert 1 <= len(re.findall(r"[.:](?: |$)", text)) <= 3 and text.endswith("."), term


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "notebooks/00_start_here.ipynb"])
def test_the_glossary_is_linked(page: str) -> None:
    assert "docs/glossary.md)" in (paths.ROOT / page).read_text(encoding="utf-8")
