"""The learning log: entries are added, nothing that was written is lost."""

from pathlib import Path

import pytest

from helpers import claims, exercises, journal
from workbook import paths


@pytest.fixture
def log(home: Path) -> Path:
    return paths.work() / journal.FILE


def test_untouched_fields_write_nothing(log: Path, capsys: pytest.CaptureFixture) -> None:
    journal.entry("02")
    assert not log.exists()
    assert "Nothing was written" in capsys.readouterr().out


def test_an_entry_has_the_five_headings_in_order(log: Path) -> None:
    journal.entry("02", progress="a", learned="b", thoughts="c", link="d", plan="e")
    headings = [line for line in log.read_text("utf-8").splitlines() if line.startswith("###")]
    assert headings == [
        "### Progress today",
        "### What I learned",
        "### Thoughts",
        "### Link to work",
        "### Plan for tomorrow",
        "### From the run",
    ]


def test_fields_left_out_are_named(log: Path, capsys: pytest.CaptureFixture) -> None:
    journal.entry("02", learned="Tokens are not words.", plan="  ")
    assert "Tokens are not words." in log.read_text("utf-8")
    assert "### Plan" not in log.read_text("utf-8")
    assert "Plan for tomorrow" in capsys.readouterr().out


def test_entries_are_added_below_what_the_student_wrote(log: Path) -> None:
    journal.entry("01", learned="one")
    with log.open("a", encoding="utf-8") as file:
        file.write("\nA line by hand: ¿qué tal?\n")
    written = log.read_text("utf-8")
    journal.entry("02", learned="two")
    assert log.read_text("utf-8").startswith(written)
    assert log.read_text("utf-8").count("# My learning log") == 1
    assert "two" in log.read_text("utf-8")


def test_running_the_cell_twice_adds_one_entry(log: Path, capsys: pytest.CaptureFixture) -> None:
    journal.entry("01", learned="one")
    written = log.read_text("utf-8")
    journal.entry("01", learned="one")
    assert log.read_text("utf-8") == written
    assert "already" in capsys.readouterr().out


def test_the_run_fills_in_exercises_jobs_and_measured_claims(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"job": "ftjob-1", "model": "gpt-4o-mini", "trained_tokens": 61842, "cost": "$0.19"}
    monkeypatch.setattr(journal.comparison, "rows", lambda: [job])
    exercises.record.add("01.1", "right")
    claims.show({18: {"job_seconds": 80, "trial_seconds": 8, "answers": 100}})
    journal.entry("01", learned="one", facts={"Best prompt": "a schema, 0.26 exact"})
    written = log.read_text("utf-8")
    assert "### From the run" in written and "- Best prompt: a schema, 0.26 exact\n" in written
    assert "Exercises: 1 of " in written and "Claim 18, holds: " in written
    assert "ftjob-1, gpt-4o-mini, 61,842 tokens trained, cost: $0.19." in written
    journal.entry("02", learned="two")
    assert log.read_text("utf-8").count("ftjob-1") == 1
    assert log.read_text("utf-8").count("Claim 18") == 1
