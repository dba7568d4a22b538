"""Estimate and bill side by side, as a notebook shows them."""

import re
from pathlib import Path

import pytest

from workbook import display
from workbook.budget import comparison
from workbook.budget.ledger import TRAINING, Entry, Ledger
from workbook.prices import registry


@pytest.fixture
def shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is displayed from now on: as HTML, and as text."""
    outputs: list[tuple[str, str]] = []
    monkeypatch.setattr(display, "show", lambda *both: outputs.append(both))
    return outputs


def job(id: str, model: str, **more: object) -> Entry:
    usual = {"tokens_estimated": 6237, "tokens_low": 4500, "tokens_high": 6237}
    usual |= {"low": 0.014, "high": 0.019, "expected": 0.0187}
    return Entry(f"2026-11-2{id[-1]}", TRAINING, model, 0.019, job=id, **usual | more)


def test_no_job_is_one_sentence(shown) -> None:
    comparison.show()
    [(as_html, text)] = shown
    assert "<table" not in as_html and "No training job is noted yet" in text


def test_a_table_has_a_row_for_each_job_of_every_ledger(shown) -> None:
    tuned = f"ft:{registry.lab().id}:lab:marv:abc"  # a job that went on from a tuned model
    Ledger("course").hold(None, job("ftjob-2", "gpt-4o-mini", spent=0.02, tokens_billed=6500))
    Ledger(comparison.WITHOUT_BUDGET).note(job("ftjob-1", tuned, tokens_estimated=None))
    comparison.show()
    (as_html, text), (_, note) = shown
    assert as_html.count("<tr>") == 3 and as_html.count("<td") == 20
    rows = text.splitlines()[1:]
    assert [row.split(" | ")[0] for row in rows] == ["ftjob-1", "ftjob-2"]
    assert "6237 | 4,500 to 6,237 | 6500 | +4.2% | $0.019 |" in rows[1]
    assert rows[1].endswith("$0.02 | +$0.0013")
    assert "None" not in as_html + text and rows[0].count("not known yet") == 3
    assert "on the lab cost nothing" in note
    assert re.search(r'class="[^"]*mathjax_ignore', display.without_formulas(as_html))
