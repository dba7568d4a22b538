"""Who reaches the lab: this machine alone, unless more is asked for, and then with a key."""

from pathlib import Path

import pytest
import tinybase
from labserver import KEY, start
from starlette.testclient import TestClient

from workbook.errors import WorkbookError
from workbook.lab.model import bases
from workbook.lab.reach import Reach, reach
from workbook.lab.state import server_file

PAGE = "http://localhost:3000"


@pytest.mark.parametrize(
    ("reach", "host", "allowed"),
    [
        (Reach(), "localhost:8321", True),
        (Reach(), "[::1]:8321", True),
        (Reach(), "192.168.1.5:8321", False),
        (Reach(), "evil.example", False),
        (Reach(names=("lab",)), "LAB:8321", True),
        (Reach("127.0.0.2"), "127.0.0.2:8321", True),
        (Reach("0.0.0.0"), "192.168.1.5:8321", True),
        (Reach("0.0.0.0"), "localhost:8321", True),
        (Reach("0.0.0.0"), "evil.example:8321", False),
        (Reach("0.0.0.0", names=("lab",)), "lab:8321", True),
        (Reach("0.0.0.0"), "", False),
        (Reach("::"), "[fe80::1]:8321", True),
    ],
)
def test_names_by_which_the_lab_answers(reach: Reach, host: str, allowed: bool) -> None:
    assert reach.allows(host) == allowed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("0.0.0.0", (), (), None), "--api-key or WORKBOOK_LAB_KEY"),
        (("0.0.0.0", (), (), "short"), "at least 16 characters"),
        (("lab.example", (), (), KEY), "0.0.0.0 means every address"),
        ((None, (), ("*",), None), "http://localhost:3000"),
        ((None, (), ("localhost:3000",), None), "origin of a page"),
        ((None, (), ("http://localhost:70000",), None), "origin of a page"),
    ],
)
def test_what_is_not_safe_is_refused(arguments: tuple, says: str) -> None:
    with pytest.raises(WorkbookError, match=says):
        reach(*arguments)


def test_a_lab_for_other_machines_and_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    monkeypatch.setenv("WORKBOOK_HOME", str(tmp_path / "home"))
    bases.add("tiny", tinybase.folder(tmp_path / "hf"))
    options = ("--base", "tiny", "--host", "0.0.0.0", "--host-name", "lab", "--cors", PAGE)
    lab = start(tmp_path / "state", *options)
    try:
        assert server_file.find(lab.state)["host"] == "127.0.0.1"
        url, key = f"{lab.url}/v1/models", {"Authorization": f"Bearer {KEY}"}
        answer = httpx.get(url, headers=key | {"Host": "lab", "Origin": PAGE})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert httpx.get(url, headers={"Host": "lab"}).status_code == 401
        assert httpx.get(url, headers=key | {"Host": "evil.example"}).status_code == 403
        asked = {"Access-Control-Request-Method": "POST", "Origin": PAGE}
        asked |= {"Access-Control-Request-Headers": "authorization,content-type,x-stainless-os"}
        assert httpx.options(url, headers=asked).status_code == 200
        stranger = httpx.options(url, headers=asked | {"Origin": "http://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers
        assert "Other machines reach it" in lab.log.read_text()
        assert server_file.stop(lab.state)
    finally:
        lab.stop()


def test_no_page_is_answered_unless_it_is_named(tmp_path: Path) -> None:
    from labserver import offline

    client: TestClient = offline(tmp_path / "state")[1]
    asked = {"Access-Control-Request-Method": "POST", "Origin": PAGE}
    for answer in (client.options("/v1/models", headers=asked), client.get("/v1/models")):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    foreign = ["null", PAGE, "http://localhost.evil.example", "http://LOCALHOST:1", "", "localhost"]
    for origin in foreign:  # the client has the key, and sends it
        for path in ("/v1/models", "/health"):
            answer = client.get(path, headers={"Origin": origin})
            assert (answer.status_code, answer.json()["error"]["code"]) == (
                403,
                "origin_not_allowed",
            )
    assert client.get("/v1/models", headers={"Origin": "http://localhost"}).status_code == 200
    assert client.get("/v1/models").status_code == 200


@pytest.mark.parametrize("origin", ["http://localhost:3000", "app://obsidian.md"])
def test_a_page_is_named_by_its_origin(origin: str) -> None:
    assert reach(None, (), (origin,), None).allows_page(origin, "localhost:8321")
    assert not reach(None, (), (origin,), None).allows_page(origin + ".evil.example", "localhost")
