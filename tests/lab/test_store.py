"""The store alone: records and bytes come back as they were, and nothing is left over."""

import os
import sqlite3
from pathlib import Path

import pytest

from workbook.errors import WorkbookError
from workbook.lab import reset
from workbook.lab.ids import new_id, now
from workbook.lab.state import server_file
from workbook.lab.state.mark import FOLDERS
from workbook.lab.state.records import Event, File, Job, Model, UnknownIdError
from workbook.lab.state.store import Store


def job(**changes) -> Job:
    values = {
        "id": new_id("ftjob-"),
        "status": "queued",
        "model": "m",
        "training_file": "f",
        "validation_file": None,
        "suffix": "",
        "seed": 1,
        "hyperparameters": {"n_epochs": 1},
        "metadata": None,
        "created_at": now(),
    }
    return Job(**(values | changes))


def test_records_come_back_from_another_process_as_they_were(tmp_path: Path) -> None:
    first = Store(tmp_path)
    record = job(metadata={"a": "ñ"}, error={"code": "c", "message": "m", "param": None})
    first.add(record)
    source = first.uploads() / "x"
    source.write_bytes(b"data")
    file = first.add_file(source, "train.jsonl", "fine-tune")
    second = Store(tmp_path)  # the first was never closed
    assert second.get(Job, record.id) == record
    assert second.get(File, file.id) == file and second.path(file.id).read_bytes() == b"data"


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store, record = Store(tmp_path), job()

    def add_and_fail() -> None:
        with store.transaction():
            store.add(record)
            with store.transaction():
                store.add_event(record.id, "begun")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    assert store.page(Event, {"job_id": record.id}) == ([], False)
    with pytest.raises(UnknownIdError):
        store.get(Job, record.id)


def test_a_full_disk_fails_the_call_and_not_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(sqlite3.OperationalError), store.transaction():
        store.add_event("ftjob-1", "x" * 100_000)
    store.add_event("ftjob-1", "there is room for this")
    assert [event.message for event in store.page(Event)[0]] == ["there is room for this"]


def test_on_a_full_disk_what_makes_room_still_works(tmp_path: Path, monkeypatch) -> None:
    store = Store(tmp_path)
    files = []
    for _ in range(2):
        (store.uploads() / "x").write_bytes(b"data")
        files.append(store.add_file(store.uploads() / "x", "a.jsonl", "fine-tune"))
    change, reserve = store.change, tmp_path / "reserve"
    assert reserve.stat().st_blocks * 512 >= 2**20  # it does take the room

    def full(sql: str, *values: object) -> int:
        if reserve.exists():
            raise sqlite3.OperationalError("database or disk is full")
        return change(sql, *values)

    monkeypatch.setattr(store, "change", full)
    for file in files:
        store.delete_file(file.id)
        assert not store.path(file.id).exists() and reserve.exists()  # taken again
    with pytest.raises(UnknownIdError):
        store.get(File, files[0].id)


def test_a_step_is_written_once_and_a_status_changes_only_from_where_it_may(tmp_path: Path) -> None:
    store, record = Store(tmp_path), job()
    store.add(record)
    for loss in (2.0, 1.0):
        store.add_event(record.id, "Step 1", data={"train_loss": loss}, step=1)
    assert store.metrics(record.id) == [{"train_loss": 2.0}]
    assert not store.update_job(record.id, ["running"], status="succeeded")
    assert store.update_job(record.id, ["queued"], status="running")
    assert not store.first_jobs("queued", base="m")
    assert [each.id for each in store.first_jobs("running", base="m")] == [record.id]


def test_only_what_an_interrupted_call_left_is_swept(tmp_path: Path) -> None:
    Store(tmp_path).close()
    ids = [new_id("file-") for _ in range(3)]
    noted, lost, half = ids
    for name in (f"files/{noted}", f"uploads/{noted}", f"uploads/{half}", f"files/{lost}"):
        (tmp_path / name).write_bytes(b"x")
    begun, trained = (tmp_path / "jobs" / new_id("ftjob-") for _ in range(2))
    (trained / "checkpoints").mkdir(parents=True)
    begun.mkdir()
    (begun / "training.jsonl").write_bytes(b"x")
    Store(tmp_path).close()
    assert os.listdir(tmp_path / "files") == [lost] and os.listdir(tmp_path / "uploads") == []
    assert os.listdir(tmp_path / "jobs") == [trained.name]


def test_what_others_put_into_the_labs_folders_stays_and_stops_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add(job(id="ftjob-done", status="failed"))
    (tmp_path / "jobs" / "ftjob-done").mkdir()
    store.close()
    theirs = [f"{name}/{place}" for name in FOLDERS for place in ("notes/a.txt", "b.txt")]
    theirs += ["jobs/ftjob-done/c.txt", "d.txt", "lab.sqlite3.bak"]
    for name in theirs:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    Store(tmp_path).close()
    Store(tmp_path).close()
    assert [name for name in theirs if (tmp_path / name).read_text() != "mine"] == []


@pytest.mark.parametrize("where", ["notes.txt", "files/notes.txt", "jobs/mine/a", "uploads/u"])
def test_a_folder_of_somebody_elses_is_refused_and_not_touched(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "theirs"
    (folder / where).parent.mkdir(parents=True)
    (folder / where).write_text("mine")
    (folder / "batches").mkdir(exist_ok=True)
    folder.chmod(0o755)
    before = sorted(folder.rglob("*"))
    for use in (Store, lambda f: server_file.hold(f).__enter__(), reset_by_force):
        with pytest.raises(WorkbookError, match=r"no state folder of the lab: it holds .*--state"):
            use(folder)
    assert sorted(folder.rglob("*")) == before and folder.stat().st_mode & 0o777 == 0o755


def reset_by_force(folder: Path) -> None:
    with reset.holding(folder, with_weights=False) as deletion:
        deletion.carry_out()


def test_another_programs_records_are_not_taken_for_the_labs(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "lab.sqlite3") as theirs:
        theirs.execute("CREATE TABLE files (id)")
    theirs.close()
    before = (tmp_path / "lab.sqlite3").read_bytes()
    for use in (Store, reset_by_force):
        with pytest.raises(WorkbookError, match="no state folder of the lab"):
            use(tmp_path)
    assert (tmp_path / "lab.sqlite3").read_bytes() == before


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_lost_records_stop_the_lab_and_nothing_is_deleted(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path)
    (store.uploads() / "x").write_bytes(b"data")
    file = store.add_file(store.uploads() / "x", "a.jsonl", "fine-tune")
    store.close()
    (tmp_path / "lab.sqlite3").unlink()
    if how == "empty":
        (tmp_path / "lab.sqlite3").touch()
    for _ in range(2):
        with pytest.raises(WorkbookError, match=r"records in .* are lost: .*backup.* reset"):
            Store(tmp_path)
    assert (tmp_path / "files" / file.id).read_bytes() == b"data"
    reset_by_force(tmp_path)  # the way out that the sentence names
    assert not (tmp_path / "files").exists()
    Store(tmp_path).close()


def test_a_first_start_that_was_killed_can_be_repeated(tmp_path: Path) -> None:
    for name in ("lock", "starting.lock", "lab.log", "key", ".key.0a1b2c3d.part", "lab.sqlite3"):
        (tmp_path / name).touch()
    (tmp_path / "files").mkdir()
    Store(tmp_path).close()
    Store(tmp_path).close()


def test_a_file_added_in_vain_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (store.uploads() / "x").write_bytes(b"data")

    def add_in_vain() -> None:
        with store.transaction():
            store.add_file(store.uploads() / "x", "a.jsonl", "fine-tune")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_in_vain()
    assert os.listdir(tmp_path / "files") == os.listdir(tmp_path / "uploads") == []


def test_files_expire(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (store.uploads() / "x").write_bytes(b"x")
    file = store.add_file(store.uploads() / "x", "a.jsonl", "fine-tune", lifetime=0)
    store.expire_files()
    with pytest.raises(UnknownIdError):
        store.get(File, file.id)
    assert not store.path(file.id).exists()


def test_weights_go_with_the_last_name_that_means_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.job_folder("ftjob-1") / "checkpoints" / "step-3"
    folder.mkdir(parents=True)
    for name in ("ft:m", "ft:m:ckpt-step-3"):
        store.add(Model(name, "ftjob-1", now(), folder))
    store.delete_model("ft:m")
    assert folder.exists()
    store.delete_model("ft:m:ckpt-step-3")
    assert not folder.exists()
