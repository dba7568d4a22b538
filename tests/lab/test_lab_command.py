"""`workbook lab`: models, reset, and states that can't be used.

serve, status and stop: see test_serving_process.
"""

import io
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tidying
import tinybase
import tinylab
from labserver import MODEL, Server, rows, start

from workbook import cli, paths
from workbook.cli import exits
from workbook.lab import serving_process, students
from workbook.lab.model import bases
from workbook.lab.quotas import Limits
from workbook.lab.state import inventory
from workbook.lab.state.records import Batch
from workbook.lab.state.store import Store


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lab that serves a tiny model, in a home of its own, on its default state folder."""
    with tinylab.serving(
        tmp_path_factory.mktemp("cli"), "--device", "cpu", state="home/lab"
    ) as server:
        yield server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """`run("models")` → (exit status, standard output, standard error)."""

    def command(*arguments: object) -> tuple[int, str, str]:
        status = cli.main(["lab", *map(str, arguments)])
        return status, *capsys.readouterr()

    return command


def test_a_folder_is_measured_while_another_process_tidies_up(tmp_path) -> None:
    (tmp_path / "weights").write_bytes(b"12345")
    for _ in tidying.meanwhile(tmp_path, "staging"):
        assert inventory.size(tmp_path) == 5


def test_models_are_listed_added_and_removed(run, home: Path, tmp_path) -> None:
    source = tinybase.folder(tmp_path / "hf")
    status, out, _ = run("models", "add", "mine", source)
    assert status == 0 and "serve --base mine" in out
    listed = run("models")[1]
    assert "mine" in listed and f"  {MODEL}" in listed and "not fetched yet" in listed
    assert "No tuned models" in listed
    assert run("models", "remove", "mine")[:2] == (0, "removed mine\n")
    for wrong in (("remove", "mine"), ("remove", MODEL), ("add", "mine", tmp_path / "no")):
        status, out, err = run("models", *wrong)
        assert status == exits.ERROR and not out and err.startswith("error: ")


def test_a_running_lab_keeps_what_it_needs(run, lab: Server) -> None:
    job = lab.client().fine_tuning.jobs.create(model="tiny", training_file=lab.upload(rows(10)))
    name = lab.finished(job.id).fine_tuned_model
    listed = run("models")[1]
    assert "served now" in listed and f"  {name}\n" in listed and job.id in listed
    assert "on cpu, " in run("status")[1] and "Model: tiny, ready" in run("status")[1]
    status, _, err = run("models", "remove", "tiny", "--yes")
    assert status == exits.ERROR and "serves tiny now" in err
    status, _, err = run("reset", "--yes")
    assert status == exits.ERROR and "already uses the state folder" in err
    assert lab.client().models.retrieve(name).id == name


def test_another_base_leaves_jobs_and_models_alone_and_reset_takes_them(lab: Server, run) -> None:
    waiting = lab.client().fine_tuning.jobs.create(
        model="tiny", training_file=lab.upload(rows(10)), hyperparameters={"n_epochs": 50}
    )
    lab.stop()
    bases.add("other", Path(bases.location("tiny")).parents[2] / "hf")
    other = start(lab.state, "--base", "other")
    try:
        tuned = [model.id for model in other.client().models.list()]
        assert tuned == ["other"]
        job = other.client().fine_tuning.jobs.create(
            model="other", training_file=other.upload(rows(10))
        )
        assert other.finished(job.id).status == "succeeded"
        left = other.client().fine_tuning.jobs.retrieve(waiting.id).status
        assert left in ("validating_files", "queued", "running")
        body = {"model": "ft:tiny:lab::none", "messages": [{"role": "user", "content": "hi"}]}
        assert other.call("POST", "/chat/completions", body)[0] == 404
    finally:
        other.stop()
    status, _, err = run("models", "remove", "tiny")
    assert status == exits.REFUSED and "can't be used without tiny" in err
    key = (lab.state / "key").read_text()
    status, out, _ = run("reset", "--yes")
    assert status == 0 and "3 jobs" in out and "0 batches" in out and "tuned model" in out
    assert not list(lab.state.rglob("*.safetensors")) and not list(lab.state.glob("lab.sqlite3*"))
    assert (lab.state / "key").read_text() == key and bases.names() == [MODEL, "other", "tiny"]
    assert "nothing to delete" in run("reset")[1]


def test_reset_asks(run, home: Path, monkeypatch) -> None:
    records = home / "lab" / "lab.sqlite3"
    records.parent.mkdir()
    sqlite3.connect(records).close()
    (home / "lab" / "thesis.txt").write_text("mine")
    records.write_bytes(b"damaged")
    status, _, err = run("reset")
    assert status == exits.REFUSED and "--yes" in err and records.exists()
    monkeypatch.setattr(sys, "stdin", typed := io.StringIO("no\nyes\n"))
    monkeypatch.setattr(typed, "isatty", lambda: True)
    assert run("reset")[0] == exits.REFUSED and records.exists()
    status, out, _ = run("reset")
    assert status == 0 and "Left alone" in out and "thesis.txt" in out
    assert inventory.summary(home / "lab").startswith("0 files, 0 jobs")  # and no damage
    assert (home / "lab" / "thesis.txt").exists()


def test_reset_names_what_it_would_delete_batches_included(run, home: Path, monkeypatch) -> None:
    store = Store(home / "lab")
    (store.uploads() / "x").write_bytes(b"{}")
    file = store.add_file(store.uploads() / "x", "in.jsonl", "batch")
    for number in range(2):
        batch = Batch(f"batch_{number}", "validating", "/v1/completions", file.id, "24h", 1, 2)
        store.add_batch(batch)
    store.close()
    monkeypatch.setattr(sys, "stdin", typed := io.StringIO("no\nyes\n"))
    monkeypatch.setattr(typed, "isatty", lambda: True)
    contents = "1 file, 0 jobs, 2 batches, 0 tuned models"
    assert f"Delete {contents}, in {home / 'lab'}?" in run("reset")[2]
    assert run("reset")[1] == f"Deleted: {contents}.\n"
    assert not [path for path in (home / "lab").rglob("*") if "batch" in path.name]


def test_reset_takes_base_weights_only_when_asked(run, home: Path, tmp_path) -> None:
    own = paths.cache() / MODEL
    own.mkdir()
    bases.add("mine", tinybase.folder(tmp_path / "hf"))
    assert "nothing to delete" in run("reset", "--yes")[1] and own.exists()
    status, out, _ = run("reset", "--yes", "--weights")
    assert status == 0 and "mine" in out and bases.names() == [MODEL] and not own.exists()


def test_a_newer_or_damaged_state_is_left_alone_with_a_sentence(run, home: Path, tmp_path) -> None:
    bases.add("mine", tinybase.folder(tmp_path / "hf"))
    newer, damaged = tmp_path / "newer", tmp_path / "damaged"
    newer.mkdir()
    damaged.mkdir()
    with sqlite3.connect(newer / "lab.sqlite3") as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA user_version = 999")
    (damaged / "lab.sqlite3").write_bytes(b"no database " * 99)
    for folder, said in ((newer, "newer version"), (damaged, "can't be read")):
        before = (folder / "lab.sqlite3").read_bytes()
        status, _, err = run("serve", "--base", "mine", "--state", folder)
        assert status == exits.ERROR and said in err and "--state" in err and "Traceback" not in err
        assert (folder / "lab.sqlite3").read_bytes() == before


def test_the_device_reaches_whoever_computes(run, home: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_DEVICE", "auto")  # put back at the end
    monkeypatch.setattr(
        serving_process, "_run", lambda *_: print(os.environ["WORKBOOK_LAB_DEVICE"])
    )
    assert run("serve", "--state", tmp_path / "state", "--device", "mps")[1] == "mps\n"
    assert run("serve", "--state", tmp_path / "state")[1] == "mps\n"  # as the environment says
    assert run("serve", "--device", "tpu")[0] == exits.ERROR


def test_limits_reach_the_lab_and_a_short_key_of_before_no_other_machine(
    run, home: Path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(serving_process, "_run", lambda *given: print(given[-1]))
    keys, serve = tmp_path / "keys.json", ("serve", "--state", tmp_path / "state")
    students.make(keys, ["ana"])
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "short")
    assert run(*serve)[0] == exits.DONE
    monkeypatch.delenv("WORKBOOK_LAB_KEY")
    options = ("--max-jobs", 3, "--max-megabytes", 5, "--max-requests", 7)
    limits = Limits(jobs=3, megabytes=5, requests=7)
    assert run(*serve, "--keys", keys, *options)[1] == f"{limits}\n"
    status, _, error = run(*serve, "--keys", keys, "--host", "0.0.0.0")
    assert status == exits.ERROR and "has 5 characters" in error


@pytest.mark.skipif(os.name != "posix", reason="there a process can't begin again in its place")
@pytest.mark.parametrize("given", [["--api-key", "secret"], ["--api-key=secret"]])
def test_a_key_does_not_stay_in_the_process_list(run, monkeypatch, tmp_path, given) -> None:
    monkeypatch.setenv("WORKBOOK_LAB_KEY", "")  # put back at the end
    served: list[list[str]] = []
    rest = ["serve", "--state", str(tmp_path / "state")]
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "workbook", "lab", *given, *rest])
    monkeypatch.setattr(os, "execv", lambda program, arguments: served.append(arguments))
    monkeypatch.setattr(serving_process, "serve", lambda *_: None)
    run(*rest, *given)
    assert served == [[sys.executable, "-m", "workbook", "lab", *rest]]
    assert os.environ["WORKBOOK_LAB_KEY"] == "secret"
