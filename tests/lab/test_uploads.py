"""Uploads arrive in the state folder, on its own disk, and broken ones leave nothing there."""

import contextlib
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from labserver import KEY, Server, offline
from waiting import until

LARGE = b"x" * (3 * 2**20)  # bytes: more than is kept in memory

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="looks at open files as Linux names them"
)


def form(data: bytes) -> bytes:
    """The body of an upload, up to the end of the file's bytes."""
    return (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + data
    )


def open_files(process: int, folder: Path) -> list[str]:
    """What a process has open in a folder, files without a name included."""
    targets = []
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.append(os.readlink(link))
    return [target for target in targets if target.startswith(str(folder))]


def test_an_app_leaves_everybody_elses_temporary_folder_alone(tmp_path: Path, monkeypatch) -> None:
    before = tempfile.gettempdir()
    lab, client = offline(tmp_path)
    assert tempfile.gettempdir() == before
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))  # who writes there, fails
    answer = client.post(
        "/v1/files", files={"file": ("a.txt", LARGE)}, data={"purpose": "user_data"}
    )
    assert answer.status_code == 200, answer.text
    assert lab.store.path(answer.json()["id"]).read_bytes() == LARGE
    assert not list(lab.store.uploads().iterdir())


@linux
def test_a_broken_form_leaves_nothing(tmp_path: Path) -> None:
    lab, client = offline(tmp_path)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for end in (b"", b"\r\n--xnonsense", b"\r\n--x\r\nbad header\r\n\r\n"):
        answer = client.post("/v1/files", content=form(LARGE) + end, headers=headers)
        assert answer.status_code == 400, end
        assert not list(lab.store.uploads().iterdir())
        assert not open_files(os.getpid(), lab.store.uploads())


@linux
def test_what_has_arrived_lies_in_the_state_folder_until_the_client_hangs_up(lab: Server) -> None:
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000000\r\n\r\n"
    )
    uploads, process = lab.state / "uploads", lab.process.pid
    with socket.create_connection(("127.0.0.1", lab.port)) as connection:
        connection.sendall(head.encode() + form(LARGE))
        until(lambda: open_files(process, uploads))
    until(lambda: not open_files(process, uploads))
    assert not list(uploads.iterdir())
