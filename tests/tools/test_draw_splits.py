"""Drawing the splits again gives the frozen ones, byte for byte."""

from pathlib import Path

from tools import draw_splits
from workbook import paths


def test_the_frozen_ids_are_those_that_the_code_draws(tmp_path: Path) -> None:
    draw_splits.main([str(tmp_path / "splits.json")])
    frozen = paths.data("review_splits.json").read_text(encoding="utf-8")
    assert (tmp_path / "splits.json").read_text(encoding="utf-8") == frozen
