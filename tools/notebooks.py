"""For authors: what every notebook has in common, and running them clean.

    python -m tools.notebooks run [00 03 …]    run in place (all without numbers), store outputs and
                                               the evidence for claims, say which numbers moved
    python -m tools.notebooks stamp [00 03 …]  put badge, Colab and set-up cell in their places
    python -m tools.notebooks repository       write pyproject.toml's address into all, and README

Knows the badge, the first two code cells and what a committed notebook may carry; knows nothing of
what a notebook teaches. nbformat and nbclient do the work.
"""

import argparse
import base64
import hashlib
import os
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools import evidence
from workbook import paths
from workbook.prices import registry

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = paths.ROOT / "notebooks"
README = paths.ROOT / "README.md"
PICTURE = (
    paths.ROOT / "docs" / "result.png"
)  # README's: the figure of notebook 05 with this alt text
PICTURE_TEXT = "Exact and within-one shares"
BADGE_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"

_WIDGET = "application/vnd.jupyter.widget-view+json"

SETUP_CELL = """\
from workbook import backends
client, backend = backends.connect()"""


def repository() -> str:
    """The address of the course's repository, from its one place: `[project.urls]`."""
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].rstrip("/")


COLAB_CELL = f"""\
# On Google Colab these lines fetch the course and what Colab lacks; elsewhere they do nothing.
import os
if "COLAB_RELEASE_TAG" in os.environ:
    !test -d fine-tuning-workbook || git clone -q --depth 1 "{repository()}" fine-tuning-workbook
    %run fine-tuning-workbook/tools/colab.py"""


def badge(file_name: str) -> str:
    """The "Open in Colab" badge of one notebook, as Markdown."""
    place = repository().removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{file_name}"
    return f"[![Open in Colab]({BADGE_IMAGE})]({link})"


def stamp_readme(text: str) -> str:
    """The README with every address of the repository pointing to `repository()`."""
    [old] = set(re.findall(r"colab\.research\.google\.com/github/([^/]+/[^/]+)/blob", text))
    return text.replace(old, repository().removeprefix("https://github.com/"))


def select(numbers: Sequence[str]) -> list[Path]:
    """The notebooks with these numbers ("03"), or all, in the order of the course."""
    everything = sorted(FOLDER.glob("*.ipynb"))
    selection = [path for path in everything if not numbers or path.name[:2] in numbers]
    missing = set(numbers) - {path.name[:2] for path in selection}
    if missing or not selection:
        raise SystemExit(f"No notebook {', '.join(sorted(missing)) or 'found'} in notebooks/.")
    return selection


def stamp(notebook: "NotebookNode", file_name: str) -> None:
    """Put the badge into the first cell, and the Colab and set-up cells before all other code.

    A cell that changes loses its output, but not its number: nothing after it was run otherwise.
    """
    first = notebook.cells[0]
    lines = [line for line in first.source.splitlines() if BADGE_IMAGE not in line]
    first.source = "\n".join([badge(file_name), *([""] if lines and lines[0] else []), *lines])
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, source in zip(code[:2], (COLAB_CELL, SETUP_CELL), strict=True):
        if cell.source != source:
            cell.source, cell.outputs = source, []


def clean(notebook: "NotebookNode") -> None:
    """Drop what changes from run to run and belongs to no reader; give the cells stable ids."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    ids: set[str] = set()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
        cell.id = _stable_id(cell.source, ids)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _worth_keeping(output)]
            for output in cell.outputs:  # of a widget, the still picture stays
                output.get("data", {}).pop(_WIDGET, None)


def run(path: Path) -> None:
    """Execute one notebook in its folder and store it clean; a failing cell leaves it alone."""
    import nbclient
    import nbformat

    # Notebooks follow the day; what is stored is of the day on which the figures were checked.
    os.environ["WORKBOOK_TODAY"] = str(registry.checked())
    notebook = nbformat.read(path, as_version=4)
    stamp(notebook, path.name)
    client = nbclient.NotebookClient(
        notebook,
        timeout=3600,  # beside other work, training takes several times its time
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    clean(notebook)
    _write(notebook, path)
    if (image := picture(notebook)) is not None:
        PICTURE.write_bytes(image)


def picture(notebook: "NotebookNode") -> bytes | None:
    """The figure that the README shows, as PNG, if this notebook drew it."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            shown = output.get("data", {}).get("text/html", "")
            if f'alt="{PICTURE_TEXT}' in shown:
                return base64.b64decode(re.findall(r"data:image/png;base64,([^\"]+)", shown)[0])
    return None


def _worth_keeping(output: "NotebookNode") -> bool:
    """Progress on stderr and widgets (whose state isn't stored) say nothing to a later reader.

    A widget that brings a still picture of itself, in HTML, is kept for that.
    """
    if output.output_type == "stream":
        return output.name != "stderr"
    data = output.get("data", {})
    return _WIDGET not in data or "text/html" in data


def _stable_id(source: str, ids: set[str]) -> str:
    """An id that stays while the cell stays the same, whoever runs the notebook.

    ids: those of the cells before; the new one is added
    """
    for salt in range(len(ids) + 1):
        id = hashlib.sha256(f"{salt or ''}{source}".encode()).hexdigest()[:12]
        if id not in ids:
            break
    ids.add(id)
    return id


def _write(notebook: "NotebookNode", path: Path) -> None:
    import nbformat

    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The commands of this module's first lines."""
    import nbformat

    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=["run", "stamp", "repository"])
    parser.add_argument("numbers", nargs="*", help="two-digit numbers of notebooks; none: all")
    options = parser.parse_args(arguments)
    if options.command == "repository":
        README.write_text(stamp_readme(README.read_text(encoding="utf-8")), encoding="utf-8")
    for path in select([] if options.command == "repository" else options.numbers):
        print(path.name, file=sys.stderr)
        if options.command == "run":
            run(path)
            print(*evidence.store(path.name[:2]), sep="\n", file=sys.stderr)
        else:
            notebook = nbformat.read(path, as_version=4)
            stamp(notebook, path.name)
            _write(notebook, path)


if __name__ == "__main__":
    main()
