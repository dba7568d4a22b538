"""Files of a real lab: they come back as they went, under names that are never paths."""

import socket

import openai
import pytest
from labserver import KEY, Server, rows


def test_a_file_comes_back_as_it_went(lab: Server) -> None:
    client, data = lab.client(), ("\ufeff" + rows(10)).encode()
    file = client.files.create(
        file=("ejemplo ñ.jsonl", data),
        purpose="fine-tune",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (file.filename, file.bytes, file.purpose) == ("ejemplo ñ.jsonl", len(data), "fine-tune")
    assert file.expires_at == file.created_at + 3600
    assert client.files.content(file.id).read() == data
    assert lab.call("GET", f"/files/{file.id}")[1]["id"] == file.id
    assert lab.call("DELETE", f"/files/{file.id}") == (
        200,
        {"id": file.id, "object": "file", "deleted": True},
    )
    assert lab.refused("GET", f"/files/{file.id}") == (404, None, "id")
    assert lab.refused("GET", f"/files/{file.id}/content") == (404, None, "id")


def test_files_are_listed_in_pages(lab: Server) -> None:
    ids = [
        lab.client().files.create(file=(f"{i}.txt", b"x"), purpose="user_data").id for i in range(3)
    ]
    _, page = lab.call("GET", "/files?purpose=user_data&limit=2")
    assert ([f["id"] for f in page["data"]], page["has_more"]) == (ids[:0:-1], True)
    assert page["last_id"] == ids[1]
    listed = lab.client().files.list(purpose="user_data", limit=1, order="asc")
    assert [f.id for f in listed] == ids  # the SDK asks for each further page
    assert lab.refused("GET", "/files?limit=0") == (400, "invalid_value", "limit")
    assert lab.refused("GET", "/files?after=file-none") == (400, "invalid_value", "after")


def test_an_upload_name_is_never_a_path(lab: Server) -> None:
    name = "../../../../tmp/escape\n.jsonl"
    file = lab.client().files.create(file=(name, b"{}"), purpose="fine-tune")
    assert "/" not in file.filename and "\n" not in file.filename
    assert (lab.state / "files" / file.id).read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("name", "data", "purpose", "code"),
    [
        ("train.csv", b"a,b", "fine-tune", "invalid_file_format"),
        ("train.jsonl", b"", "fine-tune", "empty_file"),
        ("train.jsonl", b"{}", "training", "invalid_value"),
    ],
)
def test_uploads_that_are_refused(lab: Server, name, data, purpose, code) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        lab.client().files.create(file=(name, data), purpose=purpose)
    assert caught.value.code == code


def test_an_upload_over_512_mb_is_refused_before_it_is_read(lab: Server) -> None:
    with socket.create_connection(("127.0.0.1", lab.port)) as connection:
        connection.sendall(
            b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n"
            + f"Authorization: Bearer {KEY}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
