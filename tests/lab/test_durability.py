"""What the lab has acknowledged survives its sudden end; a job goes on where it was."""

import json
import os
import sqlite3
import time
from pathlib import Path

import pytest
from labserver import MODEL, Server, rows, start

from workbook.errors import WorkbookError
from workbook.lab.ids import new_id, now
from workbook.lab.state.records import Event, File, Job, Model, UnknownIdError
from workbook.lab.state.store import Store


def steps(server: Server, job_id: str) -> list[int]:
    events = server.client().fine_tuning.jobs.list_events(job_id, limit=100)
    return sorted(event.data["step"] for event in events if event.type == "metrics")


def test_a_killed_server_resumes_its_job(tmp_path: Path) -> None:
    server = start(tmp_path / "state")
    file = server.upload(rows(12))
    job = server.client().fine_tuning.jobs.create(
        model=MODEL, training_file=file, seed=1, hyperparameters={"n_epochs": 3, "batch_size": 2}
    )
    until = time.monotonic() + 120
    while len(steps(server, job.id)) < 8:  # into the second epoch of six steps
        assert time.monotonic() < until, server.log.read_text()[-3000:]
        time.sleep(0.05)
    server.kill()
    assert (server.state / "server.json").exists()  # stale, as after a power cut

    server = start(tmp_path / "state")
    try:
        assert server.client().files.retrieve(file).bytes == len(rows(12))
        done = server.finished(job.id)
        assert done.status == "succeeded", done.error
        assert steps(server, job.id) == list(range(1, 19))
        assert done.trained_tokens > 0 and len(done.result_files) == 1
    finally:
        server.stop()
    assert not (server.state / "server.json").exists()


# The store alone


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
    with pytest.raises(RuntimeError), store.transaction():
        store.add(record)
        with store.transaction():
            store.add_event(record.id, "said")
        raise RuntimeError
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


def test_a_state_of_a_newer_lab_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store._db.execute("PRAGMA user_version = 999")
    store.close()
    with pytest.raises(WorkbookError, match="newer version"):
        Store(tmp_path)


@pytest.mark.full
def test_a_killed_training_process_is_started_again_then_given_up(tmp_path: Path) -> None:
    import psutil

    server = start(tmp_path / "state")
    try:
        job = server.client().fine_tuning.jobs.create(
            model=MODEL, training_file=server.upload(rows(30)), hyperparameters={"n_epochs": 50}
        )
        for _ in range(2):
            until, children = time.monotonic() + 60, []
            while not children:
                assert time.monotonic() < until
                children = psutil.Process(server.process.pid).children()
                time.sleep(0.02)
            children[0].kill()
            time.sleep(0.5)
        job = server.finished(job.id)
        assert (job.status, job.error.code) == ("failed", "training_process_died")
        assert "SIGKILL" in job.error.message
        assert json.loads((server.state / "server.json").read_text())["port"] == server.port
    finally:
        server.stop()
