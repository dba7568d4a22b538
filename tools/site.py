"""For authors: the course as a site, from the outputs that are stored. Nothing is run, or fetched.

    python -m tools.site [FOLDER]    build it (default: build/site), and check every link in it

Knows which pages there are, and what a page may hold; Sphinx with myst-nb does the work (extra
`site`).
"""

import argparse
import shutil
import sys
import tempfile
import urllib.parse
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from tools.notebooks import BADGE_IMAGE
from workbook import files, paths

CONFIG = paths.ROOT / "docs" / "site"
SOURCES: tuple[str, ...] = (
    "notebooks",
    "docs",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CREDITS.md",
)
SOURCES += ("LICENSE", "data/README.md", "data/tiktoken/README.md")
_BADGE = f"[![Open in Colab]({BADGE_IMAGE})]("
# Tags that fetch something when a page is shown, and the attribute that says what.
FETCHING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """What a page links to, fetches and can be linked at, and its pictures without a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.mute: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload"):
            self.fetched.append(values.get("href", ""))
        if FETCHING.get(tag) in values:
            self.fetched.append(values[FETCHING[tag]])
        if tag == "img" and not values.get("alt", "").strip():
            self.mute.append(values.get("src", "")[:80])


def build(target: Path) -> None:
    """Write the site into a folder that is replaced. Raises SystemExit with what is wrong."""
    from sphinx.cmd.build import main as sphinx

    with tempfile.TemporaryDirectory() as scratch:
        source, output = Path(scratch, "source"), Path(scratch, "site")
        lay_out(source)
        command = ["-q", "-W", "--keep-going", "-b", "html", "-c", str(CONFIG)]
        if sphinx([*command, str(source), str(output)]):
            raise SystemExit("The site was not built: see the warnings above.")
        shutil.rmtree(output / ".doctrees", ignore_errors=True)
        if faults := check(output):
            raise SystemExit("\n".join(["The site is not whole:", *faults]))
        target.parent.mkdir(parents=True, exist_ok=True)
        files.remove(target)
        shutil.move(output, target)


def lay_out(folder: Path) -> None:
    """The sources where their links to each other hold."""
    for name in SOURCES:
        source, place = paths.ROOT / name, folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            skip = shutil.ignore_patterns(".*", "site")
            shutil.copytree(source, place, ignore=skip)
        else:
            shutil.copyfile(source, place)
    shutil.copyfile(CONFIG / "index.md", folder / "index.md")
    for path in (folder / "README.md", *folder.glob("notebooks/*.ipynb")):
        text = path.read_text(encoding="utf-8")  # the badge's picture would come from elsewhere
        path.write_text(text.replace(_BADGE, "[Open in Colab]("), encoding="utf-8")


def check(site: Path) -> list[str]:
    """What is wrong: links that lead nowhere, pictures without a text, anything from elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        faults += [f"{name}: a picture without a text: {source}" for source in page.mute]
        for address in page.fetched:
            parts = urllib.parse.urlsplit(address)
            if parts.netloc or parts.scheme not in ("", "data"):
                faults.append(f"{name}: fetched from elsewhere: {address}")
        for link in {*page.links, *page.fetched}:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            goal = (path.parent / urllib.parse.unquote(parts.path)) if parts.path else path
            goal = goal.resolve()
            goal = goal / "index.html" if goal.is_dir() else goal
            anchor = urllib.parse.unquote(parts.fragment)
            if not goal.is_relative_to(site.resolve()) or not goal.exists():
                faults.append(f"{name}: a link that leads nowhere: {link}")
            elif anchor and goal in pages and anchor not in pages[goal].anchors:
                faults.append(f"{name}: a link to a place that is not there: {link}")
    return faults


def main(arguments: Sequence[str] | None = None) -> None:
    """The command of this module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    default = paths.ROOT / "build" / "site"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    target = parser.parse_args(arguments).folder.absolute()
    if target.exists() and not (target / "searchindex.js").exists() and any(target.iterdir()):
        raise SystemExit(f"{target} holds something else, and was left alone.")
    build(target)
    print(f"{target / 'index.html'}", file=sys.stdout)


if __name__ == "__main__":
    main()
