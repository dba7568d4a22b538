"""What every committed notebook must keep: the same frame, outputs, and nothing private in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebooks
from workbook import paths
from workbook.prices import registry

ALL = sorted(notebooks.FOLDER.glob("*.ipynb"))
each = pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)


def code_cells(path: Path) -> list:
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def test_the_main_line_is_complete() -> None:
    assert [path.stem for path in ALL[:6]] == [
        "00_start_here",
        "01_prompting_vs_fine_tuning",
        "02_dataset_preparation",
        "03_cost_estimation",
        "04_training_job",
        "05_evaluation",
    ]


@each
def test_the_frame_is_the_same_everywhere(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.splitlines()[0] == notebooks.badge(path.name)
    first, second, *_ = (cell.source for cell in cells if cell.cell_type == "code")
    assert first == notebooks.COLAB_CELL
    assert second == notebooks.SETUP_CELL


@each
def test_every_cell_was_run_in_order_and_without_an_error(path: Path) -> None:
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert "error" not in kinds


@each
def test_cells_are_short(path: Path) -> None:
    long = [c.source for c in code_cells(path) if len(c.source.splitlines()) > 25]
    assert not long


@each
def test_nothing_private_or_passing_is_stored(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"sk-[A-Za-z0-9_-]{16,}", text), "something that looks like a key"
    private = r"""["'`( =](?:/(?:work|root|tmp|home|Users|opt|var)/|[A-Za-z]:\\\\)[^"' ]*"""
    assert not re.findall(private, text), "an absolute path"
    assert not re.findall(r"(?:127\.0\.0\.1|localhost):\d+", text), "an address with a port"
    assert "widget-view" not in text and "widgets" not in json.loads(text)["metadata"]
    cells = nbformat.read(path, as_version=4).cells
    assert all(set(cell.metadata) <= {"tags"} for cell in cells)


@each
def test_no_price_is_taken_for_a_formula(path: Path) -> None:
    """JupyterLab typesets what stands between two dollar signs; `\\$` is a plain one."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.DOTALL)
            assert len(re.findall(r"(?<!\\)\$", text)) < 2, text
        for output in cell.get("outputs", []):
            shown = output.get("data", {}).get("text/html", "")
            in_one_text = re.search(r">[^<]*\$[^<]*\$[^<]*<", shown)
            assert not in_one_text or "mathjax_ignore" in shown, shown[:300]


@each
def test_no_model_id_in_a_code_cell(path: Path) -> None:
    sources = "\n".join(cell.source for cell in code_cells(path))
    named = [id for id in registry.names() if re.search(rf"""["']{re.escape(id)}["']""", sources)]
    assert not named


def test_the_readme_points_to_the_same_repository() -> None:
    readme = notebooks.README.read_text(encoding="utf-8")
    assert notebooks.badge("00_start_here.ipynb") in readme
    assert notebooks.stamp_readme(readme) == readme


def test_the_map_is_the_same_in_the_readme_in_notebook_00_and_in_every_box() -> None:
    link = r"\[(.+?)\]\((?:notebooks/)?(.+?\.ipynb)\)"
    row = re.compile(rf"^\| {link} \| (.+) \| (\d+) \| (.+) \|$", re.MULTILINE)
    shown = row.findall(notebooks.README.read_text(encoding="utf-8"))
    start = nbformat.read(ALL[0], as_version=4).cells
    assert shown == row.findall("\n".join(cell.source for cell in start))
    assert [file for _, file, *_ in shown] == [path.name for path in ALL]
    for title, file, _, minutes, _ in shown:
        first, box = (c.source for c in nbformat.read(notebooks.FOLDER / file, 4).cells[:2])
        assert f"# {title}" in first.splitlines()
        assert f"| **Minutes** | {minutes} to read and try" in box


def test_the_readmes_picture_is_the_figure_of_notebook_05() -> None:
    [path] = [path for path in ALL if path.name.startswith("05")]
    assert notebooks.picture(nbformat.read(path, as_version=4)) == notebooks.PICTURE.read_bytes()


def test_ci_runs_the_readmes_second_command() -> None:
    [command] = [
        line.strip()
        for line in notebooks.README.read_text(encoding="utf-8").splitlines()
        if line.startswith("    python3 ") and line.endswith("pytest")
    ]
    ci = (paths.ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command in ci and ci[-1] == ".venv/bin/pytest -m full -rs"


def test_nothing_committed_names_a_registry_or_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=paths.ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this copy of the course is no git repository")
    hosts = "|".join(map(re.escape, ("pypi.org", "pythonhosted.org", "npmjs.org", "debian.org")))
    kinds = {"", ".py", ".md", ".txt", ".toml", ".ipynb", ".json", ".cfg", ".yaml"}
    named = []
    for name in listed.stdout.splitlines():
        path = paths.ROOT / name
        if path.suffix in kinds and path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="ignore")
            named += [(name, hit) for hit in re.findall(f"{hosts}|/(?:root|Users)/\\w+", text)]
    assert not named


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one notebook of three code cells, not yet run."""
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    monkeypatch.setattr(notebooks, "SETUP_CELL", "one = 1")
    monkeypatch.setattr(notebooks, "README", tmp_path / "README.md")
    shutil.copy(paths.ROOT / "README.md", tmp_path)
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            new_code_cell("# colab"),
            new_code_cell("# set-up"),
            new_code_cell(
                "import sys\nprint('late', file=sys.stderr)\nprint(one)",
                metadata={"tags": ["nbval-ignore-output"], "scrolled": True},
            ),
        ]
    )
    nbformat.write(notebook, tmp_path / "07_small.ipynb")
    return tmp_path / "07_small.ipynb"


def test_run_stores_outputs_and_nothing_that_passes(small: Path) -> None:
    notebooks.main(["run", "07"])
    first = small.read_text(encoding="utf-8")
    cells = code_cells(small)
    assert [output.text for output in cells[2].outputs] == ["1\n"]
    assert cells[2].metadata == {"tags": ["nbval-ignore-output"]}
    notebooks.main(["run", "07"])
    assert small.read_text(encoding="utf-8") == first


def test_a_cell_that_fails_leaves_the_notebook_as_it_was(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebooks, "SETUP_CELL", "one = 1 / 0")
    before = small.read_text(encoding="utf-8")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        notebooks.main(["run", "07"])
    assert small.read_text(encoding="utf-8") == before


def test_another_repository_reaches_badge_and_first_cell(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks.main(["run", "07"])
    old, new = notebooks.repository(), "https://github.com/someone/fork"
    monkeypatch.setattr(notebooks, "repository", lambda: new)
    monkeypatch.setattr(notebooks, "COLAB_CELL", notebooks.COLAB_CELL.replace(old, new))
    notebooks.main(["repository"])
    text = small.read_text(encoding="utf-8")
    assert "github/someone/fork/blob/main/notebooks/07_small.ipynb" in text
    assert f'"{new}"' in code_cells(small)[0].source and old not in text
    readme = notebooks.README.read_text(encoding="utf-8")
    assert "github/someone/fork/blob/main/notebooks/00_start_here.ipynb" in readme
    assert old.removeprefix("https://") not in readme
    assert code_cells(small)[2].outputs, "outputs of other cells stay"


@pytest.mark.full
def test_the_first_cell_makes_the_course_importable_on_colab(tmp_path: Path) -> None:
    (tmp_path / "fine-tuning-workbook").symlink_to(paths.ROOT)
    # Colab has no `pip install -e .`, which would make the course importable here without the cell.
    forget = f"import sys; sys.path = [each for each in sys.path if each != {str(paths.ROOT)!r}]"
    show = "import helpers; print(sys.path[0], helpers.__file__)"
    (tmp_path / "cell.ipy").write_text(
        f"{forget}\n{notebooks.COLAB_CELL}\n{show}", encoding="utf-8"
    )
    environ = os.environ | {"COLAB_RELEASE_TAG": "1", "PIP_NO_INDEX": "1", "PYTHONPATH": ""}
    command = [sys.executable, "-m", "IPython", "--no-banner", "cell.ipy"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert f"{paths.ROOT} {paths.ROOT / 'helpers'}" in done.stdout, done.stdout + done.stderr


def test_an_unknown_number_is_refused(small: Path) -> None:
    with pytest.raises(SystemExit, match="08"):
        notebooks.main(["run", "08"])


def test_widgets_and_timings_are_dropped() -> None:
    widget = new_output(
        "display_data", data={"application/vnd.jupyter.widget-view+json": {}, "text/plain": "w"}
    )
    still = new_output(
        "display_data", data={"application/vnd.jupyter.widget-view+json": {}, "text/html": "<img>"}
    )
    table = new_output("display_data", data={"text/html": "<table>", "text/plain": "t"})
    notebook = new_notebook(
        cells=[
            new_code_cell("1", outputs=[widget, still, table], metadata={"execution": {"a": "b"}})
        ],
        metadata={"widgets": {}},
    )
    notebooks.clean(notebook)
    picture = new_output("display_data", data={"text/html": "<img>"})
    assert notebook.cells[0].outputs == [picture, table]
    assert not notebook.cells[0].metadata
    assert "widgets" not in notebook.metadata
