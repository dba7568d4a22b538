"""States that other versions of the lab have written: old ones are read, newer ones left alone."""

import shutil
import sqlite3
import time
from pathlib import Path

import pytest
import tinybase
from labserver import MODEL, Server, conform, offline, start

from workbook.errors import WorkbookError
from workbook.lab.ids import new_id, now
from workbook.lab.model import bases
from workbook.lab.state import inventory
from workbook.lab.state.records import Batch, File, Job
from workbook.lab.state.store import Store

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
    with pytest.raises(WorkbookError, match=r"newer version.*--state"):
        Store(tmp_path)
    assert (tmp_path / "files" / "file-new").exists()


# The last release, d8e9c7b

# Its state folder, as it was when that lab was killed in the middle of a training and of a batch.
# The records are SQLite's dump; the base was a tiny one, of these sizes.
LAST = Path(__file__).parent / "old_state"
SIZES = {"WIDTH": 16, "LAYERS": 1, "HEADS": 2, "KV_HEADS": 1, "MLP": 16}
IN_CONFIG = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 16,
}
FILES = [  # the newest first
    "file-dRSlI2Jaue4YHNrTatSizVhr",
    "file-SE3Qqi277ANefsTk3lJQ8YWq",
    "file-vr8cAXcZQLSRCNDFCtPaDA1e",
    "file-ALmBOV8iIfBHYSpnkvtzgMi7",
    "file-8G6YNHjGiFlQw3Qg3PbIj8wG",
    "file-Ao48TGHEGTHY1sN4hPur7XoJ",
]
TRAINING, FAILED, TRAINED = (
    "ftjob-nuszK4c7GRJ2SVf1L5sQMAKA",
    "ftjob-tt43pavTK7TKsElLNoljTHi2",
    "ftjob-Gh5XKJvvNpIrHmKKTMCPB1ku",
)
TUNED = "ft:tiny:lab:first:TMCPB1ku"
ANSWERING, ANSWERED = "batch_9Sn1QXbYmzohEEixG9lfdNZh", "batch_kftl8IyHsqY2d23YOQUeKVjn"


def last_state(folder: Path) -> Path:
    """The last release's state in this folder, as if that lab had been killed just now."""
    shutil.copytree(LAST, folder)
    records = folder / "records.sql"
    with sqlite3.connect(folder / "lab.sqlite3") as database:
        database.executescript(records.read_text(encoding="utf-8"))
        [written] = database.execute("SELECT max(created_at) FROM events").fetchone()
        for table in ("files", "batches"):
            sql = f"UPDATE {table} SET expires_at = expires_at + ?"
            database.execute(sql, [now() - written])
    database.close()
    records.unlink()
    return folder


@pytest.fixture
def small_base(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base that the state was written with: the same name, sizes and weights."""
    for name, size in SIZES.items():
        monkeypatch.setattr(tinybase, name, size)
    bases.add("tiny", tinybase.folder(tmp_path / "hf", **IN_CONFIG))


def test_the_last_releases_state_keeps_its_ids(tmp_path: Path) -> None:
    state = last_state(tmp_path / "state")
    assert inventory.summary(state) == "6 files, 3 jobs, 2 batches, 4 tuned models"
    _, client = offline(state)

    def data(path: str) -> list[dict]:
        return client.get(f"/v1{path}").json()["data"]

    assert [file["id"] for file in data("/files")] == FILES
    assert [job["id"] for job in data("/fine_tuning/jobs")] == [TRAINING, FAILED, TRAINED]
    assert [batch["id"] for batch in data("/batches")] == [ANSWERING, ANSWERED]
    for path, kind in (
        (f"/fine_tuning/jobs/{TRAINED}", "FineTuningJob"),
        (f"/batches/{ANSWERED}", "Batch"),
    ):
        conform(client.get(f"/v1{path}").json(), kind)
    job = client.get(f"/v1/fine_tuning/jobs/{TRAINED}").json()
    assert (job["status"], job["fine_tuned_model"]) == ("succeeded", TUNED)
    assert job["metadata"] == {"course": "test"} and job["trained_tokens"] == 440
    error = client.get(f"/v1/fine_tuning/jobs/{FAILED}").json()["error"]
    assert error["code"] == "invalid_n_examples"
    events = data(f"/fine_tuning/jobs/{TRAINED}/events")
    assert len(events) == 12 and events[-1]["id"] == "ftevent-eo6N4zhBK5sRvdz5NLuAJPN5"
    checkpoints = data(f"/fine_tuning/jobs/{TRAINED}/checkpoints")
    assert [each["id"] for each in checkpoints] == [
        "ftckpt-2N0dPMBcZhUEb4vFm4jPUmdp",
        "ftckpt-CwKX0kcvytNrnO7zRjfRtJVr",
    ]
    content = client.get(f"/v1/files/{job['result_files'][0]}/content").content
    assert content == (LAST / "files" / job["result_files"][0]).read_bytes()


def test_the_last_releases_work_goes_on_where_it_was(small_base, tmp_path: Path) -> None:
    state = last_state(tmp_path / "state")
    steps = (LAST / "jobs" / TRAINING / "progress.jsonl").read_text().splitlines()[:4]
    [answer] = (LAST / "batches" / ANSWERING / "output.jsonl").read_bytes().splitlines()
    server = start(state, "--base", "tiny", "--device", "cpu")
    try:
        job = server.finished(TRAINING, 120)
        assert job.status == "succeeded", job.error
        assert job.fine_tuned_model == "ft:tiny:lab:second:L5sQMAKA"
        events = server.client().fine_tuning.jobs.list_events(TRAINING, limit=100)
        metrics = {event.data["step"]: event for event in events if event.type == "metrics"}
        assert sorted(metrics) == list(range(1, 41))
        assert metrics[1].id == "ftevent-snzUERXMSKNsUZf2T6eiR1el"
        # It went on from the last saved state: what had led there stands as it was written.
        assert (state / "jobs" / TRAINING / "progress.jsonl").read_text().splitlines()[:4] == steps
        assert not (state / "jobs" / TRAINING / "state.tmp").exists()  # as it called half a state
        batch = completed(server, ANSWERING)
        assert batch["request_counts"] == {"total": 12, "completed": 12, "failed": 0}
        output = server.client().files.content(batch["output_file_id"]).read().splitlines()
        assert output[0] == answer and len(output) == 12
        body = {"model": TUNED, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}
        assert server.call("POST", "/chat/completions", body)[0] == 200
    finally:
        server.stop()


def completed(server: Server, batch_id: str) -> dict:
    until = time.monotonic() + 60
    while (batch := server.call("GET", f"/batches/{batch_id}")[1])["status"] != "completed":
        assert time.monotonic() < until, batch
        time.sleep(0.05)
    return batch


def test_the_last_releases_job_on_a_base_that_has_changed_fails_with_a_sentence(
    home: Path, tmp_path: Path
) -> None:
    bases.add("tiny", tinybase.folder(tmp_path / "hf"))  # the same name, other sizes
    server = start(last_state(tmp_path / "state"), "--base", "tiny", "--device", "cpu")
    try:
        job = server.finished(TRAINING, 60)
        assert job.status == "failed" and job.error.code == "training_process_died", job
        assert server.client().files.retrieve(FILES[0]).id == FILES[0]  # the lab lives on
    finally:
        server.stop()
