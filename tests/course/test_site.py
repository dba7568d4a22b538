"""The course as a site: it is built without warnings, whole, and from nowhere else."""

import json
from pathlib import Path

import pytest

from tools import site
from workbook import paths


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site") / "out"
    site.build(
        target
    )  # ends with what is wrong: warnings, links, pictures, anything from elsewhere
    return target


@pytest.mark.full
def test_the_site_has_every_notebook_with_its_results(package, request) -> None:
    for name in ("sphinx", "myst_nb", "furo"):
        package(name)
    built: Path = request.getfixturevalue("built")
    for path in (paths.ROOT / "notebooks").glob("*.ipynb"):
        page = (built / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        cells = json.loads(path.read_bytes())["cells"]
        assert page.count('class="cell ') >= sum(bool(cell.get("outputs")) for cell in cells) > 0
    assert "sarcast" in (built / "searchindex.js").read_text(encoding="utf-8")
    page = (built / "index.html").read_text(encoding="utf-8")
    assert "theme-toggle" in page and 'href="search.html"' in page + (built / "search.html").name
    style = "".join(p.read_text(encoding="utf-8") for p in (built / "_static").rglob("furo.css"))
    assert "prefers-color-scheme:dark" in style.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('<a href="none.html">x</a>', "leads nowhere: none.html"),
        ('<a href="#none">x</a>', "a place that is not there: #none"),
        ('<a href="other.html#none">x</a>', "a place that is not there: other.html#none"),
        ('<a href="../secret.html">x</a>', "leads nowhere"),
        ('<img src="a.png">', "a picture without a text: a.png"),
        ('<img src="data:x" alt=" ">', "a picture without a text"),
        ('<script src="https://elsewhere.example/x.js"></script>', "fetched from elsewhere"),
        ('<link rel="stylesheet" href="//elsewhere.example/x.css">', "fetched from elsewhere"),
    ],
)
def test_the_check_finds(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "secret.html").write_text("<p>x</p>")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"")
    (folder / "other.html").write_text('<p id="here">x</p>')
    (folder / "page.html").write_text('<a href="other.html#here">x</a><a href="https://x">y</a>')
    assert site.check(folder) == []
    (folder / "page.html").write_text(text)
    [fault, *_] = site.check(folder)
    assert says in fault and fault.startswith("page.html")


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SystemExit, match="left alone"):
        site.main([str(tmp_path)])
    assert (tmp_path / "mine").exists()
