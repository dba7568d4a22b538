"""The claims: all 44 are there, and each that a notebook is to judge is judged in it."""

import ast

import nbformat
import pytest

from helpers import claims
from workbook import paths
from workbook.errors import WorkbookError

NOTEBOOKS = paths.ROOT / "notebooks"


def test_all_claims_are_there_and_quoted() -> None:
    loaded = claims.load()
    assert sorted(loaded) == list(range(1, 45))
    for claim in loaded.values():
        assert claim.quotation and claim.statement.endswith(".") and claim.language in ("es", "pt")


def judged() -> dict[str, set[int]]:
    """The numbers in `claims.show({…})` of each notebook."""
    found: dict[str, set[int]] = {}
    for path in NOTEBOOKS.glob("*.ipynb"):
        numbers = found.setdefault(path.name[:2], set())
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "claims.show(" in cell.source:
                for node in ast.walk(ast.parse(cell.source)):
                    if isinstance(node, ast.Dict):
                        numbers |= {
                            key.value
                            for key in node.keys
                            if isinstance(key, ast.Constant) and isinstance(key.value, int)
                        }
    return found


def test_every_claim_is_judged_where_the_list_says() -> None:
    shown = judged()
    missing = [
        f"{claim.number} in {claim.notebook}"
        for claim in claims.load().values()
        if claim.notebook and claim.number not in shown.get(claim.notebook, set())
    ]
    assert not missing


def test_the_table_shows_quotation_verdict_and_evidence(capsys: pytest.CaptureFixture) -> None:
    claims.show({30: ("refuted", "12,345 words")})
    text = capsys.readouterr().out
    assert "3,277" in text and "refuted: 12,345 words" in text
    table = claims._as_html({30: ("refuted", "a < b")})
    assert 'lang="es"' in table and "palabras" in table and "a &lt; b" in table


def test_links_in_the_evidence_are_links_and_other_markup_is_text() -> None:
    table = claims._as_html({1: ("sourced", "[<b>x</b>](https://example.org/a?b=1) (y)")})
    assert '<a href="https://example.org/a?b=1">&lt;b&gt;x&lt;/b&gt;</a> (y)' in table
    assert "<a" not in claims._as_html({1: ("sourced", "[x](javascript:alert(1))")})


@pytest.mark.parametrize("verdicts", [{45: ("holds", "")}, {1: ("probably", "")}])
def test_unknown_claims_and_verdicts_are_refused(verdicts: dict) -> None:
    with pytest.raises(WorkbookError):
        claims.show(verdicts)
