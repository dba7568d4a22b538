"""The folders that the course makes for itself."""

from pathlib import Path

import pytest

from workbook import paths
from workbook.errors import WorkbookError


@pytest.mark.parametrize(
    ("variable", "folder"), [("WORKBOOK_HOME", paths.cache), ("WORKBOOK_WORK", paths.work)]
)
def test_a_file_in_a_folders_place_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, folder
) -> None:
    (tmp_path / "taken").write_text("mine")
    for place in (tmp_path / "taken", tmp_path / "taken" / "below"):
        monkeypatch.setenv(variable, str(place))
        with pytest.raises(WorkbookError, match=f"{place} can't be made: .* in {variable}"):
            folder()
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_name_that_no_folder_can_have_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBOOK_WORK", str(tmp_path / ("long" * 100)))
    with pytest.raises(WorkbookError, match=r"can't be made: .* in WORKBOOK_WORK"):
        paths.work()
