"""The store alone: records and bytes come back as they were, and nothing is left over."""

import os
import sqlite3
from pathlib import Path

import pytest

from workbook.lab.ids import new_id, now
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


def test_a_step_is_written_once_and_a_status_changes_only_from_where_it_may(tmp_path: Path) -> None:
    store, record = Store(tmp_path), job()
    store.add(record)
    for loss in (2.0, 1.0):
        store.add_event(record.id, "Step 1", data={"train_loss": loss}, step=1)
    assert store.metrics(record.id) == [{"train_loss": 2.0}]
    assert not store.update_job(record.id, ["running"], status="succeeded")
    assert store.update_job(record.id, ["queued"], status="running")
    assert store.first_job("queued", "running", base="m").status == "running"


def test_bytes_without_a_record_are_swept(tmp_path: Path) -> None:
    Store(tmp_path)
    for folder in ("files", "uploads"):
        (tmp_path / folder / "left-over").write_bytes(b"x")
    Store(tmp_path)
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
