"""`workbook compare` at the command line: what it asks, and which answers count."""

import json

import pytest
from echo import Echo

from workbook import cli, paths
from workbook.cli import exits


@pytest.fixture
def echo(server: Echo, home, monkeypatch: pytest.MonkeyPatch) -> Echo:
    monkeypatch.setenv("WORKBOOK_BACKEND", "compatible")
    monkeypatch.setenv("WORKBOOK_BASE_URL", server.url)
    monkeypatch.setenv("WORKBOOK_API_KEY", "none")
    monkeypatch.setenv("WORKBOOK_MODEL", "m")
    return server


def rows(*pairs: tuple[str, str]) -> str:
    path = paths.work() / "data.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
        for q, a in pairs
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_general_without_a_file_asks_simple_questions_and_looks_for_the_answer_inside(
    echo: Echo, capsys
) -> None:
    data = rows(("a", "echo a"), ("b", "b"))
    command = [
        "compare",
        "one",
        "two",
        "--data",
        data,
        "--limit",
        "2",
        "--json",
        "--yes",
        "--general",
    ]
    assert cli.main(command) == exits.DONE
    report = json.loads(capsys.readouterr().out)
    assert report[data]["scores"]["A"]["mean"] == 0.5, "exact, as by default"
    general = report[str(paths.data("general.jsonl"))]
    assert general["examples"] == 2 and echo.asked["What is the capital of Japan?"] == 2
    # An echo names the question only, in which no answer stands.
    assert general["scores"]["A"]["mean"] == 0


def test_a_file_of_ones_own_counts_what_contains_the_answer(echo: Echo, capsys) -> None:
    data = rows(("say ten", "ten"), ("say nine", "ten"))
    command = ["compare", "one", "two", "--data", data, "--json", "--yes", "--general", data]
    assert cli.main(command) == exits.DONE
    assert json.loads(capsys.readouterr().out)[data]["scores"]["B"]["mean"] == 0.5


def test_nothing_is_asked_where_nobody_agreed_to_the_price(echo: Echo, capsys) -> None:
    data = rows(("a", "b"), ("c", "d"))
    assert cli.main(["compare", "one", "two", "--data", data]) == exits.REFUSED
    assert "4 requests to the two models" in capsys.readouterr().err
    assert not echo.asked


@pytest.mark.parametrize("line", ['["q", "a"]', '{"messages": [{"role": "user", "content": "q"}]}'])
def test_a_row_that_is_no_example_is_told_before_the_price(line: str, echo: Echo, capsys) -> None:
    data = rows(("a", "b"))
    with open(data, "a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    assert cli.main(["compare", "one", "two", "--data", data]) == exits.ERROR
    error = capsys.readouterr().err
    assert "Row 2" in error and "requests" not in error
