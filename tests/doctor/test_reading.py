"""Rows are read for use; what can't be read is a plain sentence with its line."""

import pytest
from training_rows import put, sums

from workbook import doctor


def test_a_missing_file_is_a_plain_sentence(tmp_path) -> None:
    for call in (doctor.read, doctor.check):
        with pytest.raises(doctor.DatasetError, match="Check the name"):
            call(tmp_path / "none.jsonl")


def test_reading_a_bad_file_names_the_line(tmp_path) -> None:
    good = "\ufeff" + put(tmp_path, sums(2)).read_text("utf-8") + "\n"
    path = put(tmp_path, good + "{oops}\n")
    with pytest.raises(doctor.DatasetError, match=r"data.jsonl, line 4: not JSON"):
        doctor.read(path)
    assert doctor.read(put(tmp_path, good)) == sums(2)
