"""The Studio's pages without a browser: what stands on them, where they lead, what a press does.

A visitor that NiceGUI simulates reads and presses; it takes NiceGUI: the full tier.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import studiohost
from studiohost import StudioHost, job

from workbook import cli, paths
from workbook.cli import exits
from workbook.studio import ballots
from workbook.studio.host import Host

pytestmark = pytest.mark.full

SECONDS = 0.05  # between two looks of a page


@pytest.fixture
def server() -> Iterator[StudioHost]:
    with studiohost.serving() as server:
        server.models = ["base", "ft:base:one"]
        yield server


class Visitor:
    """Somebody who reads a page, fills it in and presses its buttons."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.open = user.open

    def _elements(self) -> list[Any]:
        return list(self.user.client.elements.values())

    def texts(self, tag: str = "") -> list[str]:
        return [
            each.text
            for each in self._elements()
            if hasattr(each, "text") and tag in ("", each.tag)
        ]

    def alerts(self) -> list[Any]:
        return [each for each in self._elements() if each.props.get("role") == "alert"]

    def query(self, words: str) -> tuple[str, dict[str, list[str]]]:
        """Where a link leads: a page, and what its address names."""
        [link] = [each for each in self._elements() if each.tag == "a" and each.text == words]
        parts = urlsplit(link.props["href"])
        return parts.path, parse_qs(parts.query)

    def field(self, label: str) -> Any:
        [field] = [each for each in self._elements() if each.props.get("label") == label]
        return field

    async def press(self, words: str) -> None:
        from nicegui.testing.user_interaction import UserInteraction

        await self.until(lambda: words in self.texts())
        [button] = [
            each
            for each in self._elements()
            if each.tag == "button" and words in [each.text, *(part.text for part in each)]
        ]
        UserInteraction(self.user, {button}, None).trigger("click")

    async def until(self, is_so: Callable[[], Any]) -> None:
        for _ in range(200):
            if is_so():
                return
            await asyncio.sleep(0.02)
        pytest.fail("\n".join(self.texts()))


Visit = Callable[[Visitor], Awaitable[None]]


@pytest.fixture
def visiting(
    home: Path, package: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Host, Visit], None]:
    """`visiting(host, visit)`: a visit to a Studio that calls the host."""
    testing = package("nicegui.testing")
    from workbook.studio import pages
    from workbook.studio.pages import blind, compare, data, frame, job_form, playground

    for name in ("job", "jobs"):
        monkeypatch.setattr(package(f"{pages.__name__}.{name}"), "SECONDS", SECONDS)

    def run(host: Host, visit: Visit) -> None:
        async def simulate() -> None:
            async with testing.user_simulation() as user:
                frame.prepare()
                for page in (data, pages.jobs, job_form, pages.job, playground, blind, compare):
                    page.add(host)
                await visit(Visitor(user))

        asyncio.run(simulate())

    return run


@pytest.mark.parametrize("place", ["/playground", "/blind", "/compare"])
def test_two_models_stand_on_a_page_as_its_address_names_them(
    place: str, server: StudioHost, visiting: Any
) -> None:
    async def visit(page: Visitor) -> None:
        for query, two in (
            ("", ["base", "ft:base:one"]),
            ("?b=base", ["ft:base:one", "base"]),
            ("?a=gone", ["gone", "base"]),
        ):
            await page.open(place + query)
            await page.until(lambda: "Asking for the models …" not in page.texts())
            fields = [page.field(f"Model {side}") for side in "AB"]
            assert [field.value for field in fields] == two
            assert "There is only one model so far." not in page.texts()
        server.models = ["base"]
        await page.open(place)
        await page.until(lambda: "There is only one model so far." in page.texts())
        assert page.query("Tune another one") == ("/jobs/new", {})

    visiting(server.host("lab"), visit)


def test_a_new_job_is_of_the_model_that_its_address_names(
    server: StudioHost, visiting: Any
) -> None:
    async def visit(page: Visitor) -> None:
        await page.open("/jobs/new?model=ft:gone")
        await page.until(lambda: "Create job" in page.texts())
        assert page.field("Model").value == "ft:gone"

    visiting(server.host("lab"), visit)


def test_the_links_of_a_job_name_models_as_they_are(server: StudioHost, visiting: Any) -> None:
    base, tuned = "me/base+1 & 2", "ft:me/base+1 & 2:#3?"
    server.jobs = [job(1, model=base, fine_tuned_model=tuned, validation_file="file-valid")]
    server.checkpoints = [
        {
            "id": f"ckpt-{number}",
            "object": "fine_tuning.job.checkpoint",
            "created_at": 1,
            "fine_tuned_model_checkpoint": f"{tuned}{number}",
            "fine_tuning_job_id": "ftjob-0001",
            "step_number": number,
            "metrics": {"step": number},
        }
        for number in (2, 1)
    ]

    async def visit(page: Visitor) -> None:
        await page.open("/jobs/ftjob-0001")
        await page.until(lambda: "Try the last two beside each other" in page.texts())
        both = {"a": [base], "b": [tuned]}
        assert page.query("Try it beside the base model") == ("/playground", both)
        assert page.query("Vote blind") == ("/blind", both)
        assert page.query("Compare on examples") == ("/compare", both)
        last = {"a": [f"{tuned}1"], "b": [f"{tuned}2"]}
        assert page.query("Try the last two beside each other") == ("/playground", last)
        place, named = page.query("New job on this file")
        assert place == "/jobs/new" and named == {
            "training": ["file-train"],
            "validation": ["file-valid"],
            "model": [base],
        }

    visiting(server.host("lab"), visit)


def test_a_reason_that_is_met_again_stays_as_it_stands(server: StudioHost, visiting: Any) -> None:
    async def visit(page: Visitor) -> None:
        await page.open("/jobs")
        await page.until(page.alerts)
        [first] = page.alerts()
        await asyncio.sleep(6 * SECONDS)
        assert page.alerts() == [first], "what is read, or has the focus, is drawn again"
        server.refusal = "Closed until noon"
        await page.until(lambda: any("Closed until noon." in words for words in page.texts()))
        assert len(page.alerts()) == 1 and page.alerts() != [first]
        server.refusal = None
        await page.until(lambda: not page.alerts())

    server.refusal = "Closed for today"
    visiting(server.host("lab"), visit)


def test_what_the_host_does_not_do_with_a_job_is_still_told_after_the_next_look(
    server: StudioHost, visiting: Any
) -> None:
    server.jobs = [job(1, "running")]

    async def visit(page: Visitor) -> None:
        await page.open("/jobs/ftjob-0001")
        await page.press("Pause")
        await page.until(page.alerts)
        looks = server.calls["/fine_tuning/jobs/ftjob-0001"]
        await page.until(lambda: server.calls["/fine_tuning/jobs/ftjob-0001"] > looks + 2)
        assert page.alerts()

    visiting(server.host("lab"), visit)


@pytest.mark.parametrize("says", ["{model}", "the same"])
def test_a_vote_that_can_not_be_kept_is_told_and_can_be_tried_again(
    says: str, server: StudioHost, visiting: Any
) -> None:
    server.says = says

    async def visit(page: Visitor) -> None:
        await page.open("/blind")
        await page.until(lambda: "Start voting" in page.texts())
        page.field("Your questions, one a line").value = "one\ntwo"
        await page.press("Start voting")
        if says != "the same":
            await page.press("First is better")
        await page.until(page.alerts)
        lock.rmdir()
        await page.press("Try again")
        if says != "the same":
            await page.press("First is better")
            await page.until(lambda: "Question 2 of 2" in page.texts())
            await page.press("Second is better")
        await page.until(lambda: "What your votes say" in page.texts())

    lock = ballots.votes_file().with_name(".votes.jsonl.lock")
    lock.mkdir(parents=True)  # where a file has to be
    visiting(server.host("lab"), visit)
    votes = [json.loads(line)["vote"] for line in ballots.votes_file().open()]
    assert len(votes) == 2 and (set(votes) == {"same"}) == (says == "the same")


def test_a_file_that_can_not_be_kept_is_told(
    server: StudioHost, visiting: Any, package: Callable[[str], ModuleType]
) -> None:
    uploads = package("nicegui.elements.upload_files")

    async def visit(page: Visitor) -> None:
        await page.open("/data")
        [upload] = page.user.find(package("nicegui").ui.upload).elements
        for name, words in (("run.exe", "none of the files"), ("a" * 300 + ".jsonl", "too long")):
            with page.user.client:
                file = uploads.SmallFileUpload(name, "", b"{}\n")
                await upload.handle_uploads([file])
            await page.until(lambda words=words: any(words in each for each in page.texts()))
            assert len(page.alerts()) == 1

    visiting(server.host("lab"), visit)
    assert not list(paths.work().iterdir())


def test_a_studio_that_can_not_begin_says_why(
    home: Path,
    server: StudioHost,
    package: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    package("nicegui")
    from workbook.studio import server as studio

    monkeypatch.setenv("WORKBOOK_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("WORKBOOK_API_KEY", "none")
    monkeypatch.setenv("WORKBOOK_MODEL", "base")

    def refusal(*options: str) -> str:
        command = ["studio", "--backend", "compatible", "--no-browser", *options]
        assert cli.main(command) == exits.ERROR
        return capsys.readouterr().err

    with socket.create_server((studio.HOST, 0)) as other:
        port = other.getsockname()[1]
        error = refusal("--port", str(port))
        assert f"Port {port} can't be had: Address already in use" in error
        monkeypatch.setattr(studio, "PORT", port)
        monkeypatch.setattr(studio, "_ATTEMPTS", 1)
        assert f"No port from {port} to {port} can be had" in refusal()
    file = home / "work"
    file.write_text("")
    monkeypatch.setenv("WORKBOOK_WORK", str(file))
    assert f"The folder {file} can't be made: a file has that name" in refusal()
