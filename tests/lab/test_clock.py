"""A clock that is set back and forth: order and what is there do not depend on it."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from labserver import MODEL, offline, rows

from workbook.lab import ids

YEAR = 365 * 24 * 3600
BATCH = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The lab's clock; set `now`."""
    clock = SimpleNamespace(now=1_800_000_000)
    monkeypatch.setattr(ids, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


def test_what_came_last_is_last_whatever_the_clock_says(tmp_path: Path, clock) -> None:
    _, client = offline(tmp_path / "state")
    made = []
    for jump in (0, -YEAR, YEAR, -2 * YEAR):
        clock.now += jump
        file = {"file": ("a.jsonl", rows(12).encode())}
        answer = client.post("/v1/files", files=file, data={"purpose": "fine-tune"})
        made.append(answer.json()["id"])
        body = {"model": MODEL, "training_file": made[-1]}
        assert client.post("/v1/fine_tuning/jobs", json=body).status_code == 200
    assert [file["id"] for file in client.get("/v1/files").json()["data"]] == made[::-1]
    jobs = client.get("/v1/fine_tuning/jobs").json()["data"]
    assert [job["training_file"] for job in jobs] == made[::-1]
    first = client.get("/v1/fine_tuning/jobs", params={"limit": 2}).json()["data"]
    rest = client.get("/v1/fine_tuning/jobs", params={"after": first[-1]["id"]}).json()["data"]
    assert [job["id"] for job in first + rest] == [job["id"] for job in jobs]
    ended = client.post(f"/v1/fine_tuning/jobs/{jobs[0]['id']}/cancel").json()
    assert ended["status"] == "cancelled"


def test_an_upload_and_a_batch_outlive_a_clock_that_is_set_back(tmp_path: Path, clock) -> None:
    _, client = offline(tmp_path / "state")
    about = {"filename": "a.jsonl", "purpose": "batch", "bytes": 3, "mime_type": "text/jsonl"}
    upload = client.post("/v1/uploads", json=about).json()
    part = client.post(f"/v1/uploads/{upload['id']}/parts", files={"data": b"{}\n"}).json()
    clock.now -= YEAR
    done = client.post(f"/v1/uploads/{upload['id']}/complete", json={"part_ids": [part["id"]]})
    assert done.json()["status"] == "completed"
    batch = client.post("/v1/batches", json=BATCH | {"input_file_id": done.json()["file"]["id"]})
    clock.now -= YEAR
    same = client.get(f"/v1/batches/{batch.json()['id']}").json()
    assert same["status"] == "validating"
    assert client.post(f"/v1/batches/{same['id']}/cancel").json()["status"] == "cancelled"
