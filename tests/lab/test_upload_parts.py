"""Files that come in parts, with the unmodified client."""

import hashlib
from pathlib import Path

import openai
import pytest
from labserver import MODEL, Server, offline, rows

from workbook.lab.state import uploads
from workbook.lab.state.records import Part
from workbook.lab.state.store import Store


@pytest.fixture(scope="module")
def client(lab: Server) -> openai.OpenAI:
    return lab.client(_strict_response_validation=True)


def test_a_file_that_came_in_parts_is_one_to_train_on(
    client: openai.OpenAI, tmp_path: Path, lab: Server
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(rows(200))
    upload = client.uploads.upload_file_chunked(
        file=path,
        mime_type="application/jsonl",
        purpose="fine-tune",
        part_size=1000,
        md5=hashlib.md5(path.read_bytes()).hexdigest(),
    )
    assert upload.status == "completed" and upload.file.filename == "train.jsonl"
    assert client.files.content(upload.file.id).read() == path.read_bytes()
    job = lab.client().fine_tuning.jobs.create(model=MODEL, training_file=upload.file.id)
    assert lab.client().fine_tuning.jobs.cancel(job.id).status == "cancelled"
    assert not [p for p in (lab.state / "files").iterdir() if p.name.startswith("part_")]


def test_parts_are_put_in_the_order_that_is_asked_for(client: openai.OpenAI) -> None:
    upload = create(client, 6)
    first, second = (client.uploads.parts.create(upload.id, data=d).id for d in (b"abc", b"def"))
    done = client.uploads.complete(upload.id, part_ids=[second, first])
    assert client.files.content(done.file.id).read() == b"defabc"


def create(client: openai.OpenAI, size: int, name: str = "a.txt") -> openai.types.Upload:
    return client.uploads.create(
        bytes=size, filename=name, mime_type="text/plain", purpose="assistants"
    )


def test_what_does_not_fit_is_refused_and_can_be_mended(client: openai.OpenAI) -> None:
    upload = create(client, 6)
    part = client.uploads.parts.create(upload.id, data=b"abc").id
    for refused, says in [
        ({"part_ids": [part]}, "3 bytes, and 6 were announced"),
        ({"part_ids": [part, part]}, "named twice"),
        ({"part_ids": ["part_x"]}, "no part 'part_x'"),
    ]:
        with pytest.raises(openai.BadRequestError, match=says):
            client.uploads.complete(upload.id, **refused)
    with pytest.raises(openai.BadRequestError, match="announced"):
        client.uploads.parts.create(upload.id, data=b"defg")
    parts = [part, client.uploads.parts.create(upload.id, data=b"def").id]
    with pytest.raises(openai.BadRequestError, match="md5"):
        client.uploads.complete(upload.id, part_ids=parts, md5="0" * 32)
    assert client.uploads.complete(upload.id, part_ids=parts).status == "completed"
    with pytest.raises(openai.BadRequestError, match="is completed"):
        client.uploads.cancel(upload.id)
    cancelled = create(client, 6)
    assert client.uploads.cancel(cancelled.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.uploads.parts.create(cancelled.id, data=b"x")
    with pytest.raises(openai.NotFoundError):
        client.uploads.cancel("upload_x")
    with pytest.raises(openai.BadRequestError, match=r"\.jsonl"):
        client.uploads.create(bytes=6, filename="a", mime_type="a/b", purpose="fine-tune")
    with pytest.raises(openai.APIStatusError, match="larger than 512 MB"):
        create(client, 2**40)


def test_parts_survive_a_restart_and_go_when_their_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, client = offline(tmp_path / "state")
    body = {"bytes": 3, "filename": "a", "mime_type": "a/b", "purpose": "user_data"}
    upload = client.post("/v1/uploads", json=body).json()
    place = f"/v1/uploads/{upload['id']}"
    part = client.post(f"{place}/parts", files={"data": b"abc"}).json()
    lab.store.close()
    lab, client = offline(tmp_path / "state")
    assert lab.store.path(part["id"]).read_bytes() == b"abc"
    monkeypatch.setattr(uploads, "now", lambda: upload["expires_at"])
    refusal = client.post(f"{place}/complete", json={"part_ids": [part["id"]]})
    assert refusal.status_code == 400 and "is expired" in refusal.json()["error"]["message"]
    assert not lab.store.path(part["id"]).exists() and not lab.store.page(Part)[0]
    lab.store.close()
    Store(tmp_path / "state").close()
