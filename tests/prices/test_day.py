"""One day for all that tells a price: today, or the one that WORKBOOK_TODAY names."""

import json
from datetime import date

import pytest

from workbook import backends, cli, doctor, paths
from workbook.budget.charges import cheapest_open
from workbook.cli import exits
from workbook.errors import WorkbookError
from workbook.prices import registry

MARV = str(paths.data("marv_train.jsonl"))
GONE = "gpt-4o-mini: since 2027-01-14 it is shut down"
WITH_A_FILE = [
    ["estimate", MARV, "--model", "gpt-4o-mini"],
    ["check", MARV, "--model", "gpt-4o-mini"],
    ["check", MARV, "--model", "gpt-4o-mini", "--basics"],
    ["stats", MARV, "--model", "gpt-4o-mini"],
]
COMMANDS = [["prices"], ["prices", "gpt-4o-mini"], *WITH_A_FILE]


def said(capsys: pytest.CaptureFixture, *command: str) -> str:
    cli.main(command)
    out, err = capsys.readouterr()
    return out + err


@pytest.mark.parametrize("text", ["tomorrow", "2027-02-30"])
def test_what_is_no_day_is_told_in_one_sentence(text: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORKBOOK_TODAY", text)
    for command in COMMANDS:
        assert cli.main(command) == exits.ERROR
        [sentence] = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
        assert sentence.startswith(f"error: WORKBOOK_TODAY is '{text}', which is no date")
    for call in (registry.today, registry.tunable, registry.aging, cheapest_open):
        with pytest.raises(WorkbookError, match="no date"):
            call()


def test_an_empty_day_is_today(monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_TODAY", " ")
    assert registry.today() == date.today()


@pytest.mark.parametrize("command", WITH_A_FILE, ids=" ".join)
def test_a_price_of_a_dead_model_never_stands_without_a_word(command, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORKBOOK_TODAY", "2027-02-01")
    assert GONE in said(capsys, *command)
    monkeypatch.setenv("WORKBOOK_TODAY", "2025-06-01")
    assert "Take care" not in said(capsys, *command)


def test_prices_are_those_of_that_day(monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORKBOOK_TODAY", "2027-02-01")
    assert "No price is known for that day" in said(capsys, "prices", "gpt-4o-mini")
    listed = said(capsys, "prices")
    assert "tuned on 2027-02-01" in listed and "\n  OpenAI" not in listed
    monkeypatch.setenv("WORKBOOK_TODAY", "2025-06-01")
    rows = {row["model"]: row for row in json.loads(said(capsys, "prices", "--format", "json"))}
    assert rows["gpt-4o-mini-2024-07-18"]["tunable"] and "gemini-3.5-flash" not in rows


def test_a_day_before_a_model_is_known_is_told_with_its_price(monkeypatch, capsys) -> None:
    monkeypatch.setenv("WORKBOOK_TODAY", "2025-06-01")
    command = ["estimate", MARV, "--model", "gemini-3.5-flash"]
    assert "first known to be tunable on 2026-" in said(capsys, *command)


def test_checks_suggestions_and_notices_follow_the_day(monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_TODAY", "2027-02-01")
    report = doctor.check(MARV, "gpt-4o-mini", job={})
    assert "model-closed" in report.codes
    assert backends._openai_notice(registry.today()).startswith("Since 2027-01-06")
    assert registry.get("gpt-4o").notices()[-1].startswith("gpt-4o: since 2027-01-14")
    with pytest.raises(registry.ModelGoneError):
        registry.choose("gpt-4o-mini")


def test_hosts_whose_prices_nobody_found_are_said_not_to_be_known(capsys) -> None:
    listed = said(capsys, "prices", "--on", "2026-11-26").splitlines()
    for host in ("Amazon Bedrock", "Nebius", "Together", "Fireworks", "Azure, open models"):
        [line] = [line for line in listed if line.strip().startswith(host) and "use:" in line]
        assert "not known" in line
    for line in listed:
        if line.strip().startswith(("bedrock/", "azure/gpt")):
            assert "training not known" in line
    assert "price not known" in registry.get("bedrock/qwen.qwen3-32b").training_price(
        date(2026, 11, 26)
    )
