"""What is wrong with a query: named by the first part that differs, whatever the way of writing."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.evals import sql_errors
from workbook.evals.sql_errors import clauses, kind, kinds


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("kinds") / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE item (id INTEGER PRIMARY KEY, maker_id INTEGER, name TEXT, price REAL);
            CREATE TABLE maker (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE sale (item_id INTEGER, n INTEGER);
            INSERT INTO item VALUES (1, 2, 'cup', 4.5), (2, 1, 'pot', NULL), (3, 1, 'pan', 20);
            INSERT INTO maker VALUES (1, 'Ann'), (2, 'Bob');
            INSERT INTO sale VALUES (1, 3), (3, 1);
            """
        )
    connection.close()
    return path


LABEL = "SELECT item.name FROM item JOIN maker ON maker.id = item.maker_id WHERE maker.name = 'Ann'"


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (LABEL.lower().replace("'ann'", "'Ann'"), "right"),
        ("SELECT name FROM item WHERE maker_id = 1", "right"),
        ("I would look into the table.", "does not parse"),
        ("SELECT name FROM item WHERE (", "does not parse"),
        ("SELECT 1; SELECT 2", "does not parse"),
        ("", "does not parse"),
        ("SELECT title FROM item", "unknown name"),
        ("SELECT name FROM thing", "unknown name"),
        ("SELECT name FROM item JOIN maker ON maker.id = item.maker_id", "unknown name"),
        ("DROP TABLE item", "does not run"),
        ("SELECT name FROM item", "wrong table"),
        (LABEL.replace("maker.id = item.maker_id", "maker.id = item.id"), "wrong join"),
        (LABEL.replace("'Ann'", "'Bob'"), "wrong filter"),
        (LABEL.replace(" = 'Ann'", " = 'ann'"), "wrong filter"),
        (LABEL.replace("item.name", "item.id"), "wrong columns"),
        (LABEL.replace("item.name", "count(*)"), "wrong columns"),
        # Two mistakes: the first is named.
        (LABEL.replace("item.name", "item.id").replace("Ann", "Bob"), "wrong filter"),
        # Another way of writing is no mistake, so what is left is.
        (
            "select ITEM.id  from item inner join maker on item.maker_id=maker.id\n"
            "where maker.name='Ann'",
            "wrong columns",
        ),
    ],
)
def test_the_first_part_that_differs_is_named(database, answer: str, what: str) -> None:
    assert kind(database, answer, LABEL) == what


def test_they_are_counted(database) -> None:
    counts = kinds(database, [(LABEL, LABEL), ("SELECT", LABEL), ("DROP TABLE item", LABEL)])
    assert counts == {"right": 1, "does not parse": 1, "does not run": 1}


def test_keywords_in_texts_and_in_brackets_begin_no_clause() -> None:
    parts = clauses(
        "SELECT (SELECT max(n) FROM sale WHERE n > 1) FROM item "
        "WHERE name = 'where from  Cup' LIMIT 2"
    )
    assert parts["select"] == "(select max(n)from sale where n>1)"
    assert parts["from"] == "item" and parts["limit"] == "2"
    assert parts["where"] == "name='where from  Cup'"  # a text of the data stays as it is


@given(st.text(max_size=80))
def test_any_answer_has_a_kind(database, text: str) -> None:
    assert kind(database, text, LABEL) in sql_errors.KINDS


WORDS = st.sampled_from(
    ["SELECT", "from", "WHERE", "item", "name", "(", ")", "'a'", "'", "=", "join", "on", "GROUP BY"]
)


@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_any_heap_of_keywords_has_a_kind(database, text: str) -> None:
    assert kind(database, text, LABEL) in sql_errors.KINDS
