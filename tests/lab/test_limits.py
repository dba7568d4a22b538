"""Where the lab says no: full queues, sizes, lifetimes; and older and newer states."""

import sqlite3
from concurrent.futures import Future
from pathlib import Path

import pytest
from labserver import MODEL, conform, offline

from workbook.errors import WorkbookError
from workbook.lab.api import batches, files, fine_tuning
from workbook.lab.serving import scheduler
from workbook.lab.ids import new_id, now
from workbook.lab.state.records import Batch, File, Job
from workbook.lab.state.store import Store

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


def refused(answer) -> tuple:
    found = answer.json()
    conform(found, "ErrorResponse")
    return answer.status_code, found["error"]["code"], found["error"]["param"]


def upload(client, data: bytes, purpose: str, name: str = "in.jsonl", **fields):
    return client.post(
        "/v1/files", files={"file": (name, data)}, data={"purpose": purpose, **fields}
    )


# Full queues


def too_many(answer) -> None:
    assert refused(answer)[:2] == (429, "rate_limit_exceeded")
    assert answer.json()["error"]["type"] == "requests"
    assert int(answer.headers["retry-after"]) > 0  # what the SDK waits before it tries again


class _Engine:
    """Takes requests and never answers."""

    def submit(self, request) -> Future:
        return Future()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_full_engine_queue(tmp_path: Path, path: str, stream: bool) -> None:
    lab, client = offline(tmp_path)
    lab.scheduler.engine.set_result(_Engine())
    waiting = lab.scheduler.submit([None] * (scheduler.MAX_QUEUED - 1))
    body = CHAT if "chat" in path else {"model": MODEL, "prompt": "Hi"}
    too_many(client.post(path, json=body | {"n": 2, "stream": stream}))
    waiting[0].cancel()  # somebody has gone: there is room for two
    assert len(lab.scheduler.submit([None] * 2)) == 2
    too_many(client.post(path, json=body))


def test_a_batch_has_its_turn_in_the_gaps(tmp_path: Path, monkeypatch) -> None:
    lab, _ = offline(tmp_path)
    lab.scheduler.engine.set_result(_Engine())
    assert lab.scheduler.room(scheduler.BATCHED - 1) and not lab.scheduler.room(scheduler.BATCHED)
    waiting = lab.scheduler.submit([None])
    assert lab.scheduler.room(0) and not lab.scheduler.room(1)  # slow, but never at a standstill
    waiting[0].set_result(None)
    assert not lab.scheduler.room(1)  # who has asked may ask again
    monkeypatch.setattr(scheduler, "QUIET", 0)
    assert lab.scheduler.room(1)


def test_full_queues_of_jobs_and_batches(tmp_path: Path, monkeypatch) -> None:
    _, client = offline(tmp_path)
    monkeypatch.setattr(fine_tuning, "MAX_WAITING", 2)
    monkeypatch.setattr(batches, "MAX_WAITING", 2)
    rows = upload(client, b"{}\n", "fine-tune").json()["id"]
    requests = upload(client, b"{}\n", "batch").json()["id"]
    job = {"model": MODEL, "training_file": rows}
    batch = {
        "input_file_id": requests,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    for path, body in (("/v1/fine_tuning/jobs", job), ("/v1/batches", batch)):
        made = [client.post(path, json=body) for _ in range(3)]
        assert [answer.status_code for answer in made] == [200, 200, 429]
        too_many(made[2])
        first = made[0].json()["id"]
        assert client.post(f"{path}/{first}/cancel").json()["status"] == "cancelled"
        assert client.post(path, json=body).status_code == 200


# Files


def test_files_expire_when_they_are_told_to(tmp_path: Path) -> None:
    lab, client = offline(tmp_path)

    def lifetime(seconds, anchor: str = "created_at", purpose: str = "fine-tune"):
        fields = {"expires_after[anchor]": anchor, "expires_after[seconds]": str(seconds)}
        return upload(client, b"{}\n", purpose, **fields)

    for seconds in (3600, 2592000):
        file = lifetime(seconds).json()
        assert file["expires_at"] == file["created_at"] + seconds
    where = "expires_after.seconds"
    assert refused(lifetime(3599)) == (400, "integer_below_min_value", where)
    assert refused(lifetime(2592001)) == (400, "integer_above_max_value", where)
    assert refused(lifetime("soon")) == (400, "invalid_type", where)
    assert refused(lifetime(3600, "now")) == (400, "invalid_value", "expires_after.anchor")
    missing = upload(client, b"{}\n", "fine-tune", **{"expires_after[seconds]": "3600"})
    assert refused(missing) == (400, "missing_required_parameter", "expires_after.anchor")
    for_ever, month = (upload(client, b"{}\n", p).json() for p in ("fine-tune", "batch"))
    assert "expires_at" not in for_ever
    assert month["expires_at"] == month["created_at"] + 30 * 24 * 3600
    lab.store._db.execute("UPDATE files SET expires_at = 1 WHERE id = ?", [month["id"]])
    assert client.get(f"/v1/files/{month['id']}").status_code == 404
    assert not lab.store.path(month["id"]).exists()


def test_sizes_and_kinds_of_bodies(tmp_path: Path, monkeypatch) -> None:
    _, client = offline(tmp_path)
    monkeypatch.setattr(files, "MAX_BATCH", 10)
    assert refused(upload(client, b"x" * 11, "batch")) == (413, "file_too_large", "file")
    assert upload(client, b"x" * 11, "fine-tune").status_code == 200
    large = b'{"model": "' + b"x" * (32 * 2**20) + b'"}'
    kind = {"Content-Type": "application/json"}
    for path in ("/chat/completions", "/completions", "/batches", "/fine_tuning/alpha/graders/run"):
        answer = client.post(f"/v1{path}", content=large, headers=kind)
        assert refused(answer) == (413, "request_too_large", None)
        answer = client.post(f"/v1{path}", content=b"{}", headers={"Content-Type": "text/plain"})
        assert refused(answer) == (415, "unsupported_media_type", None)


# States of other versions

# The schema of the first version, 6483457, as SQLite kept it.
FIRST = """
CREATE TABLE files (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, filename TEXT NOT NULL,
    purpose TEXT NOT NULL, bytes INTEGER NOT NULL, created_at INTEGER NOT NULL,
    expires_at INTEGER);
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
    model TEXT NOT NULL, training_file TEXT NOT NULL, validation_file TEXT,
    suffix TEXT NOT NULL, seed INTEGER NOT NULL, hyperparameters TEXT NOT NULL, metadata TEXT,
    created_at INTEGER NOT NULL, finished_at INTEGER, estimated_finish INTEGER,
    trained_tokens INTEGER, fine_tuned_model TEXT, result_file TEXT, error TEXT);
CREATE INDEX jobs_by_status ON jobs (status, number);
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
    type TEXT NOT NULL, data TEXT NOT NULL, step INTEGER, UNIQUE (job_id, step));
CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, step INTEGER NOT NULL, model TEXT NOT NULL,
    metrics TEXT NOT NULL, UNIQUE (job_id, step));
CREATE TABLE models (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, folder TEXT NOT NULL);
PRAGMA user_version = 1;
"""


def first_state(folder: Path) -> None:
    """The state of a lab of the first version: a file, and a job that has made a model."""
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "file-old").write_bytes(b"{}\n")
    (folder / "jobs" / "ftjob-old" / "model").mkdir(parents=True)
    db = sqlite3.connect(folder / "lab.sqlite3")
    db.executescript(FIRST)
    db.execute("INSERT INTO files VALUES (1, 'file-old', 'a.jsonl', 'fine-tune', 3, 100, NULL)")
    values = ["ftjob-old", "succeeded", MODEL, "file-old", None, "mine", 7, '{"n_epochs": 3}']
    values += ['{"a": "b"}', 100, 200, None, 55, f"ft:{MODEL}:lab:mine:old", None, None]
    db.execute(f"INSERT INTO jobs VALUES (1, {', '.join('?' * len(values))})", values)
    model = (f"ft:{MODEL}:lab:mine:old", "ftjob-old", 200, "jobs/ftjob-old/model")
    db.execute("INSERT INTO models VALUES (1, ?, ?, ?, ?)", model)
    db.commit()
    db.close()


def test_a_state_of_the_first_version_opens_and_keeps_what_it_holds(tmp_path: Path) -> None:
    first_state(tmp_path)
    lab, client = offline(tmp_path)
    assert lab.store.get(File, "file-old").bytes == 3
    assert client.get("/v1/files/file-old/content").content == b"{}\n"
    job = client.get("/v1/fine_tuning/jobs/ftjob-old").json()
    conform(job, "FineTuningJob")
    assert job["status"] == "succeeded" and job["metadata"] == {"a": "b"} and job["seed"] == 7
    assert job["method"]["type"] == "supervised"
    assert lab.adapter(job["fine_tuned_model"]) == tmp_path / "jobs" / "ftjob-old" / "model"
    batch = Batch(new_id("batch_"), "validating", "/v1/completions", "file-old", "24h", 1, now())
    lab.store.add_batch(batch)  # what the new version brings works too
    assert [b.id for b in Store(tmp_path).batches("validating")] == [batch.id]


def test_an_upgraded_state_is_like_a_new_one(tmp_path: Path) -> None:
    first_state(tmp_path)
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "lab.sqlite3")
    assert db.execute("PRAGMA user_version").fetchone()[0] > 1
    names = [row[0] for row in db.execute("SELECT name FROM pragma_table_info('jobs')")]
    db.close()
    fresh = Store(tmp_path / "fresh")
    new = [row[0] for row in fresh._db.execute("SELECT name FROM pragma_table_info('jobs')")]
    assert names == new  # an old state and a new one end alike
    assert Store(tmp_path).get(Job, "ftjob-old").hyperparameters == {"n_epochs": 3}


def test_a_state_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "lab.sqlite3")
    db.execute("PRAGMA user_version = 999")
    db.close()
    (tmp_path / "files" / "file-new").write_bytes(b"x")
    with pytest.raises(WorkbookError, match="newer version.*--state"):
        Store(tmp_path)
    assert (tmp_path / "files" / "file-new").exists()
