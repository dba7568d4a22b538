"""A split keeps together what belongs together, in the right sizes, the same for the same seed."""

from collections import Counter

import pytest
from training_rows import sums

from workbook import doctor


def reviews_like(number: int = 300) -> list[dict]:
    return [
        {"prompt": f"Text {n}", "completion": f"{n % 3} stars", "author": n // 4}
        for n in range(number)
    ]


def test_a_split_keeps_groups_whole_labels_even_and_sizes_right() -> None:
    rows = reviews_like()
    parts = doctor.split(rows, group=lambda row: row["author"])
    assert [len(part) for part in parts.values()] == pytest.approx([240, 30, 30], abs=4)
    authors = [{row["author"] for row in part} for part in parts.values()]
    assert sum(map(len, authors)) == len(set.union(*authors)) == 75
    for part in parts.values():
        shares = Counter(row["completion"] for row in part)
        assert max(shares.values()) - min(shares.values()) <= 4
    divided = [row for part in parts.values() for row in part]
    assert sorted(map(str, divided)) == sorted(map(str, rows))


def test_the_same_question_is_never_in_two_splits() -> None:
    rows = [
        {"prompt": f"Text  {n % 50}" if n % 2 else f"TEXT {n % 50}", "completion": f"{n}"}
        for n in range(200)
    ]
    parts = doctor.split(rows, {"train": 0.5, "test": 0.5})
    train, test = ({doctor.question_of(row) for row in part} for part in parts.values())
    assert not train & test
    assert [len(part) for part in parts.values()] == pytest.approx([100, 100], abs=4)


def test_a_group_and_a_question_link_over_several_steps() -> None:
    rows = [
        {"prompt": "a", "completion": "1", "author": 1},
        {"prompt": "a", "completion": "1", "author": 2},
        {"prompt": "b", "completion": "1", "author": 2},
        *({"prompt": f"{n}", "completion": "1", "author": n} for n in range(3, 9)),
    ]
    parts = doctor.split(rows, {"train": 0.5, "test": 0.5}, group=lambda row: row["author"])
    homes = {name for name, part in parts.items() for row in part if row in rows[:3]}
    assert len(homes) == 1


def test_free_answers_are_split_by_size() -> None:
    parts = doctor.split(sums(100))
    assert [len(part) for part in parts.values()] == [80, 10, 10]


def test_the_seed_decides() -> None:
    rows = reviews_like(60)
    assert doctor.split(rows) == doctor.split(rows)
    assert doctor.split(rows, seed=1) != doctor.split(rows, seed=2)


def test_no_split_stays_empty() -> None:
    parts = doctor.split(reviews_like(3), {"train": 0.98, "validation": 0.01, "test": 0.01})
    assert [len(part) for part in parts.values()] == [1, 1, 1]
    with pytest.raises(doctor.DatasetError, match="too few"):
        doctor.split(reviews_like(2))
    with pytest.raises(doctor.DatasetError, match="greater than 0"):
        doctor.split(reviews_like(9), {"train": 1, "test": 0})


@pytest.mark.parametrize("row", [["a", "b"], "a", 7, None])
def test_a_row_that_is_no_example_is_named(row: object) -> None:
    with pytest.raises(doctor.DatasetError, match="Row 2 is no example"):
        doctor.split([*reviews_like(1), row, *reviews_like(9)])
