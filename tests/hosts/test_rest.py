"""Requests that no host's client has: what goes wrong on the way is a sentence."""

import http.client
import io

import pytest

from workbook.errors import WorkbookError
from workbook.hosts import rest


def broken(*args: object, **settings: object) -> None:
    raise http.client.IncompleteRead(b"{")


@pytest.mark.parametrize(
    ("opener", "words"),
    [
        (lambda *args, **settings: io.BytesIO(b"<html>Sign in</html>"), "no JSON: '<html>Sign in"),
        (broken, "localhost:1 could not be reached: IncompleteRead"),
    ],
)
def test_what_is_no_answer_of_the_host_is_named(monkeypatch, opener, words: str) -> None:
    monkeypatch.setattr(rest._NO_PROXY, "open", opener)
    with pytest.raises(WorkbookError, match=words):
        rest.send("GET", "http://localhost:1/deployments", "token")


def test_nobody_at_the_address_is_a_sentence() -> None:
    with pytest.raises(WorkbookError, match=r"127\.0\.0\.1:9 could not be reached"):
        rest.send("GET", "http://127.0.0.1:9/deployments", "token", seconds=5)


def test_an_empty_answer_is_none(monkeypatch) -> None:
    monkeypatch.setattr(rest._NO_PROXY, "open", lambda *args, **settings: io.BytesIO(b" "))
    assert rest.send("DELETE", "http://localhost:1/deployments", "token") is None
