"""Where the lab says no: full queues, sizes and lifetimes."""

import json
from concurrent.futures import Future
from pathlib import Path

import pytest
from labserver import MODEL, conform, offline

from workbook.lab import quotas
from workbook.lab.api import files
from workbook.lab.serving import scheduler

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}


def refused(answer) -> tuple:
    body = answer.json()
    conform(body, "ErrorResponse")
    return answer.status_code, body["error"]["code"], body["error"]["param"]


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
    monkeypatch.setattr(quotas, "MAX_WAITING", 2)
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


# Numbers and encodings that few expect


@pytest.mark.parametrize("seed", ["1e308", "-1e308", "1e22", str(2**63)])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_seed_beyond_64_bits_is_refused(tmp_path: Path, path: str, seed: str) -> None:
    _, client = offline(tmp_path)
    given = json.dumps(CHAT if "chat" in path else {"model": MODEL, "prompt": "Hi"})
    body = given[:-1] + f', "seed": {seed}}}'
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert refused(answer)[::2] == (400, "seed")


@pytest.mark.parametrize("charset", ["none-such", "rot13", "\0", "undefined", "idna"])
def test_a_form_in_an_odd_charset_is_read_or_refused(tmp_path: Path, charset: str) -> None:
    _, client = offline(tmp_path)
    fields = ('name="purpose"\r\n\r\nfine-tune', 'name="file"; filename="a\xff.jsonl"\r\n\r\n{}')
    form = "".join(f"--b\r\nContent-Disposition: form-data; {field}\r\n" for field in fields)
    kind = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    answer = client.post("/v1/files", content=f"{form}--b--\r\n".encode("latin-1"), headers=kind)
    assert answer.status_code in (200, 400), answer.text


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
