"""The tools without the course: a built wheel in an empty environment, in an empty folder."""

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from packaging.requirements import Requirement

from workbook import paths

ROOT = paths.ROOT


def requirements(name: str) -> dict[str, Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = (Requirement(line) for line in lines if line and not line.startswith(("#", "-")))
    return {requirement.name: requirement for requirement in found}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    [wheel] = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", folder / "venv")
    commands = folder / "venv" / "bin"
    # The pinned torch: any other brings gigabytes for graphics cards along.
    torch = str(requirements("requirements.txt")["torch"])
    run(commands / "python", *pip, "install", "--no-compile", torch, wheel)  # saves 30 s
    return commands


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, from which nothing of the course is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.delenv("WORKBOOK_WORK", raising=False)
    return tmp_path


def run(*command: object, status: int = 0) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def rows(number: int) -> str:
    chats = (
        [
            {"role": "user", "content": f"How much is {n} and {n}?"},
            {"role": "assistant", "content": f"It is {2 * n}."},
        ]
        for n in range(number)
    )
    return "".join(json.dumps({"messages": chat}) + "\n" for chat in chats)


@pytest.mark.full
def test_the_doctor_and_the_prices_work(installed: Path, elsewhere: Path) -> None:
    Path("rows.jsonl").write_text(rows(20) + "{\n")
    out = run(installed / "workbook", "check", "rows.jsonl", "--model", "gpt-4o-mini", status=1)
    assert "rows.jsonl:21: error[not-json]" in out and "20 examples" in out and "$" in out
    assert "training" in run(installed / "workbook", "prices", "gpt-4o-mini", "--on", "2026-11-21")
    Path("good.csv").write_text("prompt,completion\n" + "a,b\n" * 30)
    run(installed / "workbook", "convert", "good.csv", "--to", "chat")
    assert len(Path("good_chat.jsonl").read_text().splitlines()) == 30  # beside the user's files
    assert "0.2" in run(installed / "workbook", "--version")


@pytest.mark.full
def test_nothing_of_jupyter_or_of_the_course_comes_along(installed: Path, elsewhere: Path) -> None:
    names = {
        package["name"].lower()
        for package in json.loads(run(installed / "python", "-m", "pip", "list", "--format=json"))
    }
    assert not names & {"jupyterlab", "notebook", "ipython", "ipywidgets", "matplotlib", "pytest"}
    code = "import importlib.util as u; print([m for m in ('helpers', 'tools') if u.find_spec(m)])"
    assert run(installed / "python", "-c", code).strip() == "[]"


@pytest.fixture
def lab(installed: Path, elsewhere: Path) -> Iterator[openai.OpenAI]:
    """A client of the lab that the installed command serves."""
    state = elsewhere / "state"
    command = [installed / "workbook", "lab", "serve", "--state", state, "--api-key", "lab-wheel"]
    with open(elsewhere / "log", "wb") as log:
        server = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
    try:
        for _ in range(600):
            if (state / "server.json").exists() or server.poll() is not None:
                break
            time.sleep(0.2)
        assert server.poll() is None, (elsewhere / "log").read_text()
        port = json.loads((state / "server.json").read_text())["port"]
        yield openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="lab-wheel")
    finally:
        run(installed / "workbook", "lab", "stop", "--state", state)
        server.wait(30)


@pytest.mark.full
def test_the_lab_answers_and_trains(lab: openai.OpenAI) -> None:
    [model, *_] = [model.id for model in lab.models.list()]
    question = [{"role": "user", "content": "What is the capital of France?"}]
    answer = lab.chat.completions.create(model=model, messages=question, max_tokens=8)
    assert answer.usage.completion_tokens > 0
    file = lab.files.create(file=("train.jsonl", rows(10).encode()), purpose="fine-tune")
    job = lab.fine_tuning.jobs.create(
        model=model,
        training_file=file.id,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
    )
    for _ in range(600):
        job = lab.fine_tuning.jobs.retrieve(job.id)
        if job.finished_at or job.status in ("failed", "cancelled"):
            break
        time.sleep(0.5)
    assert job.status == "succeeded", job.error


def test_the_package_asks_for_what_colab_is_given_and_no_more() -> None:
    """pyproject.toml and requirements-colab.txt name the same packages with the same bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["notebooks"]]
    asked = {requirement.name: str(requirement) for requirement in map(Requirement, listed)}
    asked.pop("jupyterlab")  # Colab is one
    given = {name: str(line) for name, line in requirements("requirements-colab.txt").items()}
    assert asked == given


def test_the_version_is_the_changelogs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    first = next(
        line
        for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    )
    assert first.split()[1] == project["version"]
