"""Rows in memory are read as those of files are, whatever holds them and whatever is in them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import polars
import pytest

from workbook import doctor

NUMBERS = range(12)
CHAT = [
    {
        "messages": [
            {"role": "user", "content": f"Where is {n}?"},
            {"role": "assistant", "content": f"Behind {n * 7}."},
        ]
    }
    for n in NUMBERS
]
PAIRS = [{"prompt": f"Where is {n}?", "completion": f"Behind {n * 7}."} for n in NUMBERS]
TURNS = [
    [{"from": "human", "value": f"Where is {n}?"}, {"from": "gpt", "value": f"Behind {n * 7}."}]
    for n in NUMBERS
]


def array(turns: list[dict]) -> Any:
    return np.array(turns, dtype=object)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (pandas.DataFrame(PAIRS), PAIRS),
        (polars.DataFrame(PAIRS), PAIRS),
        ({key: [row[key] for row in PAIRS] for key in ("prompt", "completion")}, PAIRS),
        ([{"conversations": array(turns)} for turns in TURNS], CHAT),
        (pandas.DataFrame({"conversations": list(map(array, TURNS))}), CHAT),
        ([{"messages": tuple(row["messages"])} for row in CHAT], CHAT),
        (({**row, "input": math.nan} for row in PAIRS), PAIRS),
        ([{"instruction": f"Where is {n}?", "input": math.nan, "output": f"Behind {n * 7}."}
          for n in NUMBERS], CHAT),
    ],
)  # fmt: skip
def test_a_table_and_its_arrays_are_rows(data: Any, rows: list[dict]) -> None:
    report = doctor.check(data)
    assert not report.codes.keys() & {"no-format", "not-object", "messages"}
    losses = doctor.Losses()
    to = "chat" if rows is CHAT else "completion"
    assert [doctor.convert(row, to, losses) for row in report.fix()] == rows
    assert not losses


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame])
def test_a_table_may_be_what_is_compared_with(make: Callable[[list], Any]) -> None:
    codes = doctor.check(PAIRS[:2], against={"train": make(PAIRS[1:])}).codes
    assert codes["leakage"] == 1


def test_what_stands_beside_a_list_in_memory_is_not_dropped() -> None:
    report = doctor.check({"version": 3, "rows": PAIRS})
    assert "no-format" in report.codes
