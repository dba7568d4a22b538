"""Reading stars from answers of every shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import ratings


@pytest.mark.parametrize(
    "text",
    [
        "4",
        " 4.",
        "**4**",
        "four",
        "Rating: 4",
        "4 stars",
        "4-star",
        "Four stars!",
        "4/5",
        "4 out of 5 stars",
        "4 out of five",
        "Calificación: 4 estrellas",
        '{"stars": 4}',
        '{\n "stars" : "4" }',
        "**4 stars** (very good)",
        "The writer gives it 4 stars, yes, 4 stars.",
    ],
)
def test_an_answer_that_names_one_number_of_stars_counts(text: str) -> None:
    assert ratings.stars(text) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.1 star",
        "4.5 stars",
        "4,5 stars",
        "0 stars",
        "6 stars",
        "-1 star",
        "10 stars",
        "45 stars",
        "4 or 5 stars",
        "1 to 5 stars",
        "1-5 stars",
        "From 1 star to 5 stars.",
        "I bought 4 of them.",
        "I have 5 cameras, 2 of them broken",
        '{"rating": 4}',
        '{"stars": 6}',
        '{"stars": true}',
        '{"stars": 4.5}',
        '{"stars": [4]}',
        '{"stars": 4',
        "{",
        "6",
        "stars",
    ],
)
def test_an_answer_without_a_single_valid_rating_counts_as_none(text: str) -> None:
    assert ratings.stars(text) is None


@given(st.integers(1, 5), st.sampled_from(["{}", "{} stars", "{}/5", '{{"stars": {}}}']))
def test_every_rating_is_read_back(rating: int, form: str) -> None:
    assert ratings.stars(form.format(rating)) == rating


@given(st.text())
def test_any_text_at_all_gives_one_to_five_or_none(text: str) -> None:
    assert ratings.stars(text) in {None, 1, 2, 3, 4, 5}
