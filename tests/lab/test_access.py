"""What strangers and broken programs may send: the lab answers in its usual form, and lives on.

The tests write bytes to a socket where a decent client would not let them through.
"""

import contextlib
import http.client
import json
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import openai
import pytest
import tinylab
from hypothesis import given, settings
from hypothesis import strategies as st
from labserver import KEY, Server, conform

FEW = settings(max_examples=25, derandomize=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tinylab.serving(tmp_path_factory.mktemp("access")) as server:
        yield server
        log = server.log.read_text()
    assert "Traceback" not in log and KEY not in log


def send(lab: Server, data: bytes, hang_up: bool = False) -> tuple[int, dict]:
    """Status and JSON of what comes back for raw bytes; 0 when the connection is just closed.

    hang_up: say that nothing more will come; otherwise the lab may wait for the rest.
    """
    with socket.create_connection(("127.0.0.1", lab.port), timeout=30) as connection:
        try:
            connection.sendall(data)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:  # closed before it was read to its end
            answer = b""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head else 0
    assert status < 500, answer
    if b"application/json" not in head:  # the HTTP parser refused it, before the lab saw it
        assert status in (0, 400), answer
        return status, {}
    answer = json.loads(body)
    if status >= 400:
        conform(answer, "ErrorResponse")
    return status, answer


def request(
    method: str, path: str, body: bytes = b"", *headers: str, host: str = "Host: localhost"
) -> bytes:
    """The bytes of a request; headers beyond the usual ones come first."""
    usual = (host, f"Authorization: Bearer {KEY}", f"Content-Length: {len(body)}")
    lines = [f"{method} {path} HTTP/1.1", *headers, *filter(None, usual), "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + body


def form(name: bytes, data: bytes = b"{}", purpose: bytes = b"user_data") -> bytes:
    """A multipart upload with this file name, exactly as it stands."""
    return (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n' + purpose + b"\r\n"
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
        + name
        + b'"\r\n\r\n'
        + data
        + b"\r\n--x--\r\n"
    )


def upload(lab: Server, body: bytes) -> tuple[int, dict]:
    kind = "Content-Type: multipart/form-data; boundary=x"
    return send(lab, request("POST", "/v1/files", body, kind))


# The key, and what is asked with it


def test_health_needs_no_key_and_tells_no_secret(lab: Server) -> None:
    health = json.load(urllib.request.urlopen(f"{lab.url}/health"))
    assert health["status"] in ("starting", "ready") and health["model"] == "tiny"
    assert health["pid"] == lab.process.pid and KEY not in json.dumps(health)


def test_who_has_an_answer_finds_its_line_in_the_log(lab: Server) -> None:
    for _ in range(50):
        answer = lab.client().models.with_raw_response.list()
        assert answer.headers["x-request-id"] in lab.log.read_text()


def test_a_missing_or_wrong_key(lab: Server) -> None:
    assert lab.refused("GET", "/models", headers={"Authorization": ""}) == (401, None, None)
    wrong = {"Authorization": "Bearer lab-wrong-key-of-mine"}
    assert lab.refused("GET", "/models", headers=wrong) == (401, "invalid_api_key", None)
    with pytest.raises(openai.AuthenticationError) as caught:
        lab.client(api_key="lab-wrong-key-of-mine").models.list()
    assert "lab-wrong-key-of-mine" not in caught.value.message


def test_a_foreign_host_name_is_refused(lab: Server) -> None:
    status, code, _ = lab.refused("GET", "/models", headers={"Host": "evil.example:80"})
    assert (status, code) == (403, "host_not_allowed")


def test_azures_paths_and_key_header(lab: Server) -> None:
    client = openai.OpenAI(
        base_url=f"{lab.url}/openai/v1/",
        api_key="x",
        max_retries=0,
        default_headers={"Authorization": "", "api-key": KEY},
    )
    assert next(m.id for m in client.models.list()) == "tiny"


def test_unknown_paths_and_methods(lab: Server) -> None:
    request = urllib.request.Request(
        f"{lab.url}/v1/nothing", headers={"Authorization": f"Bearer {KEY}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    answer = json.load(caught.value)
    conform(answer, "ErrorResponse")
    assert (caught.value.code, answer["error"]["code"]) == (404, "unknown_url")
    assert lab.refused("DELETE", "/chat/completions") == (405, "method_not_supported", None)


def test_bodies_that_are_no_json(lab: Server) -> None:
    numbers = (b'{"model": NaN}', b'{"model": 1e999}')
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"a": "\\ud800"}', *numbers):
        assert lab.refused("POST", "/chat/completions", body)[:2] == (400, "invalid_json")
    text = {"Content-Type": "text/plain"}
    assert lab.refused("POST", "/chat/completions", b"{}", text)[0] == 415
    assert lab.refused("POST", "/files", b"{}")[0] == 415


# Bytes that no decent client sends


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("localhost", True),
        ("LocalHost:99", True),
        ("127.0.0.1:80", True),
        ("[::1]:80", True),
        ("127.0.0.1.evil.example", False),
        ("localhost.", False),
        ("localhost:80:80", False),
        ("localhost@evil.example", False),
        ("evil.example#localhost", False),
        ("0.0.0.0", False),
        ("", False),
        ("[::ffff:7f00:1]", False),
        ("localhost, evil.example", False),
    ],
)
def test_only_this_machines_names_are_answered(lab: Server, host: str, welcome: bool) -> None:
    status, _ = send(lab, request("GET", "/v1/models", host=f"Host: {host}"))
    assert status == 200 if welcome else status in (400, 403)


def test_two_hosts_or_none_are_refused(lab: Server) -> None:
    two = request("GET", "/v1/models", b"", "Host: evil.example")
    none = request("GET", "/v1/models", host="")
    assert {send(lab, two)[0], send(lab, none)[0]} <= {400, 403}


@FEW
@given(name=st.binary(max_size=300) | TEXT.map(str.encode))
def test_any_name_of_an_upload_is_only_a_name(lab: Server, name: bytes) -> None:
    status, file = upload(lab, form(name))
    assert status in (200, 400)
    if status == 200:
        assert file["filename"].isprintable() and not re.search(r"[\\/]", file["filename"])
        assert 0 < len(file["filename"]) <= 255


@pytest.mark.parametrize(
    "name",
    [
        b"../" * 50 + b"etc/passwd",
        b"..\\..\\x",
        b"..",
        b"/",
        b"a\0b",
        b"n" * 5000,
        b"%2e%2e%2fx",
        b"x\r\nSet-Cookie: a=b",
        "\u202egpj.exe".encode(),
        b"CON",
        b"\xff\xfe",
    ],
)
def test_names_that_have_fooled_others(lab: Server, name: bytes) -> None:
    before = {path for path in lab.state.rglob("*") if path.is_file()}
    status, file = upload(lab, form(name))
    new = {path for path in lab.state.rglob("*") if path.is_file()} - before
    kept = [path.name for path in new if not re.search(r"sqlite|-wal|-shm|\.db", path.name)]
    assert kept == ([file["id"]] if status == 200 else [])
    if status == 200:
        answer = send(lab, request("GET", f"/v1/files/{file['id']}"))
        assert answer == (200, file)


@FEW
@given(body=st.binary(max_size=400))
def test_any_form_is_read_or_refused(lab: Server, body: bytes) -> None:
    assert upload(lab, body)[0] == 400
    assert upload(lab, b"--x\r\n" + body + b"\r\n--x--\r\n")[0] in (200, 400)


@FEW
@given(body=JSON, path=st.sampled_from(["chat/completions", "completions", "fine_tuning/jobs"]))
def test_any_json_is_refused_in_words(lab: Server, body, path: str) -> None:
    data = json.dumps(body).encode()
    status, answer = send(lab, request("POST", f"/v1/{path}", data))
    assert status == 400 and answer["error"]["message"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"model": "a", "model": "tiny", "messages": []}', (), 400),
        (b'{"a":' * 50_000, (), 400),
        (b"[" * 3_000_000, (), 400),
        (b"9" * 10_000, (), 400),
        (b"{}", ("Content-Encoding: gzip",), 400),
        (b"{}", ("Content-Type: application/x-www-form-urlencoded",), 415),
        (b"{}", ("Content-Type: application/json; charset=utf-16",), 400),
        ("{}".encode("utf-16"), (), 400),
        (b"\xef\xbb\xbf{}", (), 400),
    ],
)
def test_bodies_that_are_no_request(lab: Server, body: bytes, headers, status: int) -> None:
    assert send(lab, request("POST", "/v1/chat/completions", body, *headers))[0] == status


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_not_read_beyond_its_limit(lab: Server, chunked: bool) -> None:
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {40 * 2**20}"
    head = request("POST", "/v1/completions").replace(b"Content-Length: 0", length.encode())
    before = lab.log.read_text().count("POST /v1/completions 413")
    with socket.create_connection(("127.0.0.1", lab.port), timeout=30) as connection:
        connection.sendall(head)
        with contextlib.suppress(OSError):  # it listens no longer
            for _ in range(40):
                connection.sendall((b"100000\r\n" if chunked else b"") + b" " * 2**20)
                connection.sendall(b"\r\n" if chunked else b"")
            while connection.recv(4096):
                pass
    assert lab.log.read_text().count("POST /v1/completions 413") == before + 1


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: -1",
        "Content-Length: ten",
        "Content-Length: 1, 2",
        "Transfer-Encoding: nonsense",
        "X: " + "a" * 2**17,
        "No colon",
        " folded",
    ],
)
def test_heads_that_are_no_http(lab: Server, head: str) -> None:
    status, _ = send(lab, request("GET", "/v1/models", b"", head))
    assert status in (0, 400, 431)


@pytest.mark.parametrize("key", ["x", "MDAwMDAwMDAwMDAwMDAwMA=="])
def test_who_wants_a_websocket_is_answered_as_everybody(lab: Server, key: str) -> None:
    """Whether or not a library for them is installed."""
    head = f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}"
    status, answer = send(lab, request("GET", "/v1/realtime", b"", head))
    assert status == 404 and answer["error"]["code"] == "not_supported"


def test_short_answers_leave_at_once(lab: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=30)
    seconds = []
    for _ in range(20):
        began = time.monotonic()
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {KEY}"})
        connection.getresponse().read()
        seconds.append(time.monotonic() - began)
    # Where the kernel collects small packets, it waits 40 ms for an acknowledgement, each time.
    assert sorted(seconds)[5] < 0.03, seconds


@FEW
@given(path=TEXT, data=st.binary(max_size=80))
def test_noise_on_the_wire(lab: Server, path: str, data: bytes) -> None:
    send(lab, data, hang_up=True)
    send(lab, request("GET", f"/v1/{path}"))
    assert send(lab, request("GET", "/v1/models"))[0] == 200
