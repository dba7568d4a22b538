"""`workbook class make`: what students get, and what they don't."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import exercises
from workbook import cli, paths
from workbook.classroom import course_set, progress, solutions
from workbook.cli import exits


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("class") / "out"
    assert cli.main(["class", "make", str(target), "--changed"]) == exits.DONE
    return target


def notebooks(folder: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_bytes()) for path in folder.glob("*.ipynb")}


def test_students_get_every_notebook_without_outputs(sets: Path) -> None:
    mine, original = notebooks(sets / "students" / "notebooks"), notebooks(paths.ROOT / "notebooks")
    assert list(mine) == list(original)
    for name, notebook in mine.items():
        for cell, before in zip(notebook["cells"], original[name]["cells"], strict=True):
            assert cell["source"] == before["source"]
            assert not cell.get("outputs") and cell.get("execution_count") is None


def test_students_get_no_solution(sets: Path) -> None:
    given = [path for path in (sets / "students").rglob("*") if path.is_file()]
    assert not [path for path in given if "tests" in path.parts or path.name == "teaching.md"]
    texts = {path: path.read_bytes() for path in given if path.suffix in (".py", ".ipynb", ".md")}
    for module in (paths.ROOT / "tests" / "solutions").glob("nb*.py"):
        text = module.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):  # json.dumps: as a notebook would hold it
                source = ast.get_source_segment(text, node).encode()
                assert not [path for path, data in texts.items() if source in data], node.name


def test_the_students_course_imports_by_itself(sets: Path) -> None:
    code = "import helpers.exercises, workbook.backends; print(workbook.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=sets / "students", capture_output=True, text=True
    )
    assert str(sets / "students") in done.stdout, done.stderr


def test_the_instructor_gets_a_solution_behind_each_exercise(sets: Path) -> None:
    for name, notebook in notebooks(sets / "instructor" / "notebooks").items():
        number = name[:2]
        if not (paths.ROOT / "helpers" / "exercises" / f"nb{number}.py").exists():
            continue
        texts = ["".join(cell["source"]) for cell in notebook["cells"]]
        for id in exercises.registered(number):
            [place] = [i for i, text in enumerate(texts) if f"Solution of exercise {id}," in text]
            assert f'check("{id}"' in texts[place - 1] or place == len(texts) - 1, id
    assert (sets / "instructor" / "solutions" / "nb00.py").is_file()


def test_a_solution_brings_what_it_needs_and_passes() -> None:
    answers = solutions.of_module(paths.ROOT / "tests" / "solutions" / "nb02.py")
    tried = 0
    for source in answers.values():
        space: dict = {}
        exec(compile(source, "solution", "exec"), space)
        tried += 1
    assert tried == len(exercises.registered("02"))


def test_the_ids_are_those_of_the_course() -> None:
    ids = progress.exercise_ids(paths.ROOT / "notebooks")
    for number, names in ids.items():
        assert names == sorted(exercises.registered(number))


def test_nothing_is_overwritten_and_nothing_half_made(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine").write_text("x")
    assert cli.main(["class", "make", str(tmp_path), "--changed"]) == exits.REFUSED
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    inside = paths.ROOT / "docs" / "class"
    for folder in (inside, paths.ROOT / "helpers" / ".." / "docs" / "class"):
        assert cli.main(["class", "make", str(folder), "--changed"]) == exits.ERROR
        assert not inside.exists()


def test_answers_of_whoever_teaches_do_not_go_out(tmp_path: Path, tool) -> None:
    course = tmp_path / "course"
    for name in ("notebooks", "tests/solutions"):
        shutil.copytree(paths.ROOT / name, course / name)
    git = [tool("git"), "-C", str(course), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    path = course / "notebooks" / "00_start_here.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("answer = ...", "answer = 3"))
    with pytest.raises(course_set.RefusedError, match=r"00_start_here.*git stash"):
        course_set.make(course, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    course_set.make(course, tmp_path / "out", changed=True)
    assert (tmp_path / "out" / "students" / "notebooks").is_dir()
