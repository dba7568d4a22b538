"""Model-written SQL: the same rows count, and nothing but reading is ever done."""

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook.evals import sql
from workbook.evals.errors import EvaluationError
from workbook.evals.examples import Example


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sql") / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
        connection.execute("CREATE TABLE sale (item_id INTEGER, n INTEGER)")
        rows = [(1, "cup", 4.5), (2, "pot", None), (3, "pan", 20.0)]
        connection.executemany("INSERT INTO item VALUES (?, ?, ?)", rows)
        connection.executemany("INSERT INTO sale VALUES (?, ?)", [(1, 3), (3, 1)])
    connection.close()
    return path


RIGHT = "SELECT name FROM item WHERE price > 4"


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("select name as n from item where price > 4 order by name desc", 1),
        ("```sql\nSELECT name FROM item WHERE price >= 4.5;\n```", 1),
        ("SELECT name FROM item", 0),
        ("SELECT name, price FROM item WHERE price > 4", 0),
        ("SELECT name FROM item WHERE price > 4 UNION ALL SELECT name FROM item WHERE id = 1", 1),
        ("SELECT name FRM item", None),
        ("I don't know.", None),
        ("", None),
    ],
)
def test_the_same_rows_count_however_they_were_asked_for(database, answer, score) -> None:
    grade = sql.execution(database)
    assert grade(answer, Example("1", [], RIGHT)) == score


def test_the_order_of_a_sum_is_no_mistake() -> None:
    assert sql.same([(0.1 + 0.2 + 0.3,)], [(0.3 + 0.2 + 0.1,)]) and sql.same([(1,)], [(1.0,)])
    assert not sql.same([(0.1,)], [(0.1001,)]) and not sql.same([("1",)], [(1,)])


HOSTILE = [
    "DROP TABLE item",
    "DELETE FROM item",
    "UPDATE item SET price = 0",
    "INSERT INTO item VALUES (9, 'x', 1)",
    "ATTACH DATABASE '/tmp/evil.sqlite' AS evil",
    "PRAGMA writable_schema = 1",
    "PRAGMA table_info(item)",
    "VACUUM INTO '/tmp/evil.sqlite'",
    "CREATE TEMP TABLE t (x)",
    "SELECT load_extension('evil')",
    "SELECT writefile('/tmp/evil', 'x')",
    "SELECT 1; DROP TABLE item",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
    "SELECT hex(zeroblob(900000000))",
    "SELECT replace(hex(zeroblob(400000)), '0', hex(zeroblob(400000)))",
    "SELECT group_concat(a.name || b.name) FROM item a, item b, item c, item d, item e, item f, "
    "item g, item h, item i, item j, item k, item l, item m, item n, item o, item p, item q",
    "EXPLAIN SELECT 1",
    "/* a plan */ EXPLAIN SELECT 1",
    "SELECT name FROM pragma_table_info('item')",
    "SELECT printf('%.*c', 900000000, 'x')",
    "SELECT format('%.*c', 900000000, 'x')",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
    "SELECT hex(zeroblob(20000)) FROM n LIMIT 9000",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9000) "
    "SELECT max(instr(hex(zeroblob(20000)), substr(hex(zeroblob(20000)), x, 20000) || '1')) FROM n",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "BEGIN",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_nothing_but_reading_is_done_and_that_not_for_long(database, query, monkeypatch) -> None:
    monkeypatch.setattr(sql, "SECONDS", 0.5)
    before, start = database.read_bytes(), time.monotonic()
    with pytest.raises(sql.QueryError):
        sql.run(database, query)
    assert time.monotonic() - start < 6 * sql.SECONDS
    assert database.read_bytes() == before and not Path("/tmp/evil.sqlite").exists()
    assert not Path("/tmp/evil").exists()


@given(st.text(max_size=60))
def test_any_text_ends_in_rows_or_in_a_refusal(database, text: str) -> None:
    with contextlib.suppress(sql.QueryError):  # and in nothing else
        assert isinstance(sql.run(database, sql.query_of(text)), list)


def test_a_result_that_would_fill_the_memory_is_not_read_to_its_end(database, monkeypatch) -> None:
    monkeypatch.setattr(sql, "TEXT", 10)
    assert sql.run(database, "SELECT name FROM item") == [("cup",), ("pot",), ("pan",)]
    with pytest.raises(sql.QueryError, match="10 characters"):
        sql.run(database, "SELECT name || name FROM item")


def test_a_broken_label_or_database_is_named(database, tmp_path) -> None:
    with pytest.raises(EvaluationError, match="no database"):
        sql.execution(tmp_path / "none.sqlite")
    with pytest.raises(EvaluationError, match="label of '1'"):
        sql.execution(database)("SELECT 1", Example("1", [], "SELEKT"))
