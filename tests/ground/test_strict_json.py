"""JSON as a service elsewhere reads it, and errors of one kind only."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbook import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("1e999", "1e999 is too large a number"),
        ('"\\ud83d"', "half a character"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xef\xbb\xbf{}", "Expecting value"),  # a byte order mark belongs to a file, not to JSON
        (b"\xff", "can't decode"),
        ("9" * 5000, "digits"),
    ],
)
def test_what_is_no_json_is_a_value_error(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strict_json.loads(text)


@given(VALUES)
def test_what_the_standard_allows_comes_back(value: object) -> None:
    finite = not any(math.isinf(x) for x in _numbers(value))
    if finite and "\\ud" not in json.dumps(value).replace("\\\\", ""):
        assert strict_json.loads(json.dumps(value)) == value


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_nothing_but_a_value_error_is_raised(text: str | bytes) -> None:
    with contextlib.suppress(ValueError):
        strict_json.loads(text)


def test_whole_numbers_are_integers_where_asked() -> None:
    assert strict_json.loads("[3.0, 2.5]", whole_numbers=True) == [3, 2.5]
    assert isinstance(strict_json.loads("3.0", whole_numbers=True), int)
    assert isinstance(strict_json.loads("3.0"), float)


def test_keys_that_stand_twice_are_collected() -> None:
    repeated: list[str] = []
    decoder = strict_json.decoder(repeated)
    assert decoder.decode('{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}') == {"a": 3, "b": {"c": 2}}
    assert repeated == ["c", "a"]


def _numbers(value: object) -> list[float]:
    if isinstance(value, float):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [x for item in value for x in _numbers(item)] if isinstance(value, list) else []
