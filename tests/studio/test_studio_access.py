"""Who may see the Studio."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from workbook.studio.access import Access

TOKEN = "0123456789abcdef"
SOCKET = "ws://127.0.0.1:8322/ws"


def client(host: str = "127.0.0.1:8322", colab: bool = False) -> TestClient:
    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("the page")

    async def socket(web: WebSocket) -> None:
        await web.accept()
        await web.send_text("hello")
        await web.close()

    routes = [Route("/{rest:path}", page, methods=["GET", "POST"]), WebSocketRoute("/ws", socket)]
    app = Access(Starlette(routes=[routes[1], routes[0]]), TOKEN, 8322, colab)
    return TestClient(app, f"http://{host}", follow_redirects=False)


def let_in(**options: object) -> TestClient:
    browser = client(**options)
    answer = browser.get(f"/data?file=a&token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/data?file=a"
    browser.cookies.set("workbook-studio-8322", TOKEN)
    return browser


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", "?Token=1"])
def test_without_the_token_nothing_is_shown_and_a_sentence_says_what_to_do(query: str) -> None:
    answer = client().get("/data" + query)
    assert answer.status_code == 403
    assert "workbook studio" in answer.text and "set-cookie" not in answer.headers


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get() -> None:
    answer = client().get(f"/?token={TOKEN}")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "workbook-studio-8322=" in cookie
    page = let_in().get("/data")
    assert page.text == "the page"
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "object-src 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["//elsewhere.example/", "/\\\\elsewhere.example", "/data"])
def test_the_way_in_leads_to_no_other_machine(path: str) -> None:
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": f"token={TOKEN}".encode(),
        "headers": [(b"host", b"127.0.0.1:8322")],
    }
    asyncio.run(Access(None, TOKEN, 8322)(scope, None, send))
    place = dict(sent[0]["headers"])[b"location"].decode()
    assert place.startswith("/") and place[1] not in "/\\"


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "10.0.0.3"])
def test_a_name_that_only_leads_here_is_refused_even_with_the_token(host: str) -> None:
    assert client(host).get(f"/?token={TOKEN}").status_code == 403


@pytest.mark.parametrize("host", ["localhost:8322", "127.0.0.1:8322", "[::1]:8322"])
def test_all_names_of_this_machine_are_let_in(host: str) -> None:
    assert let_in(host=host).get("/data").status_code == 200


def test_a_page_of_elsewhere_can_neither_send_nor_listen() -> None:
    browser = let_in()
    foreign = {"origin": "http://elsewhere.example"}
    assert browser.post("/upload", headers=foreign).status_code == 403
    assert browser.post("/upload", headers={"origin": "http://127.0.0.1:8322"}).status_code == 200
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect(SOCKET, headers=foreign):
        pass
    with browser.websocket_connect(SOCKET, headers={"origin": "http://127.0.0.1:8322"}) as socket:
        assert socket.receive_text() == "hello"


def test_a_socket_without_the_cookie_is_closed() -> None:
    with pytest.raises(WebSocketDisconnect), client().websocket_connect(SOCKET):
        pass


def test_through_the_proxy_of_colab_the_cookie_may_stand_in_a_frame() -> None:
    browser = client("x-8322.colab.example", colab=True)
    cookie = browser.get(f"/?token={TOKEN}").headers["set-cookie"]
    assert "SameSite=None" in cookie and "Secure" in cookie and "Partitioned" in cookie
    assert client("x-8322.colab.example", colab=True).get("/").status_code == 403
