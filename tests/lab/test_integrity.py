"""Base models that were damaged or left half-made: noticed, made again, or named with a way out."""

import json
import os
import shutil
from pathlib import Path

import pytest
import tinybase
from gguf import GGMLQuantizationType as Kind

from workbook import fetch, paths
from workbook.errors import WorkbookError
from workbook.lab.model import bases, integrity, weights

DAMAGES = {
    "cut off": lambda path: os.truncate(path, path.stat().st_size - 7),
    "emptied": lambda path: os.truncate(path, 0),
    "changed": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"123456789"),
    "gone": lambda path: path.unlink(),
}


@pytest.fixture
def fetched(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The course's own model is a tiny one here; the value: where it was fetched to, each time."""
    published = tinybase.gguf_file(tmp_path / "tiny.gguf", Kind.F32)
    places: list[Path] = []

    def fetch_gguf(to: Path) -> Path:
        places.append(to)
        shutil.copyfile(published, to)
        return to

    monkeypatch.setattr(weights, "fetch_gguf", fetch_gguf)
    return places


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", integrity.FILES)
def test_a_damaged_cache_is_made_again(fetched: list[Path], name: str, damage: str) -> None:
    folder = weights.ensure()
    expected = (folder / name).read_bytes()
    DAMAGES[damage](folder / name)
    assert weights.ensure() == folder and (folder / name).read_bytes() == expected
    weights.ensure()
    assert len(fetched) == 2  # once, and once more


def test_a_cache_of_an_older_lab_is_taken_as_it_is_unless_it_is_cut_off(fetched) -> None:
    folder = weights.ensure()
    (folder / "whole.json").unlink()
    weights.ensure()
    assert len(fetched) == 1 and (folder / "whole.json").exists()
    (folder / "whole.json").unlink()
    DAMAGES["cut off"](folder / "model.safetensors")
    weights.ensure()
    assert len(fetched) == 2


def test_nothing_is_hashed_twice(fetched, monkeypatch) -> None:
    folder = weights.ensure()
    os.utime(folder / "model.safetensors", (1, 1))  # copied from elsewhere
    weights.ensure()
    monkeypatch.setattr(fetch, "digest", lambda path: pytest.fail("hashed again"))
    weights.ensure()


def test_what_killed_starts_have_left_is_removed(fetched) -> None:
    left = [paths.cache() / f".{weights.MODEL}.{salt}.part" for salt in ("00aa11bb", "22cc33dd")]
    left.append(paths.cache() / f".{weights.MODEL}.part")
    for folder in left:
        folder.mkdir()
        (folder / "model.gguf").write_bytes(b"x")
    weights.ensure()
    assert not [folder for folder in left if folder.exists()]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_base_of_ones_own_is_named_with_a_way_out(home, tmp_path, damage: str) -> None:
    source = tinybase.folder(tmp_path / "hf")
    place = bases.add("mine", source)
    DAMAGES[damage](place / "model.safetensors")
    with pytest.raises(WorkbookError, match=r"damaged: model.safetensors .*remove mine.*add mine"):
        bases.find("mine")
    (place.parent / ".removing-mine").mkdir()  # what a killed `remove` left
    (place.parent / ".removing-mine" / "x").touch()
    bases.remove("mine")
    left = place.parent / ".mine.part"  # what a killed `add` left
    left.mkdir()
    (left / "x").touch()
    assert bases.find(bases.add("mine", source).name) and not left.exists()


def test_a_note_that_is_no_note_is_written_anew(fetched) -> None:
    folder = weights.ensure()
    for text in ("", "[]", '{"config.json": 3}', "{"):
        (folder / "whole.json").write_text(text)
        assert weights.ensure() == folder
    assert json.loads((folder / "whole.json").read_text()) and len(fetched) == 1
