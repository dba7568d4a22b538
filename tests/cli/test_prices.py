"""`workbook prices`: what is sold by the hour is shown by the hour, and stops no list."""

import json

from workbook import cli
from workbook.cli import exits


def test_a_price_by_the_hour_is_shown_as_one(capsys) -> None:
    day = ("--on", "2025-09-01")
    assert cli.main(["prices", "o4-mini", *day]) == exits.DONE
    assert "$100.00 an hour" in capsys.readouterr().out
    assert cli.main(["prices", *day]) == exits.DONE
    out = capsys.readouterr().out
    assert "$100.00 an hour" in out and "$25.00  jobs until" in out


def test_json_names_the_unit_of_each_price(capsys) -> None:
    assert cli.main(["prices", "o4-mini", "--on", "2025-09-01", "--format", "json"]) == exits.DONE
    [row] = json.loads(capsys.readouterr().out)
    units = {kind: (price["usd"], price["unit"]) for kind, price in row["prices"].items()}
    assert units["training"] == (100, "hour") and units["input"] == (1.1, "1M tokens")
