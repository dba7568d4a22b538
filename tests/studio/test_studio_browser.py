"""The Studio in real Chromium, on a tiny lab: from a dropped file to a blind vote, with the mouse
and with keys alone, light and dark, wide and narrow. Takes a browser: the full tier.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tinybase

from workbook import paths
from workbook.lab import client as lab_client
from workbook.lab.model import bases

pytestmark = pytest.mark.full

HOSTILE = (
    "<img src=x onerror=\"document.title='taken'\"></script><script>document.title='taken'</script>"
)
ROWS = 40


def rows(count: int, answer: str = "It is {0}, of course.") -> str:
    """A training file; every third question tries to be a part of the page."""
    lines = []
    for number in range(count):
        question = f"How many? {number}" + (f" {HOSTILE}" if number % 3 == 0 else "")
        messages = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer.format(number)},
        ]
        lines.append(json.dumps({"messages": messages}) + "\n")
    return "".join(lines)


class Studio:
    """A Studio in a process of its own, which starts its own lab."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work = folder, folder / "work"
        self.work.mkdir()
        self.environment = os.environ | {
            "PYTHONPATH": str(paths.ROOT),
            "WORKBOOK_BACKEND": "lab",
            "WORKBOOK_HOME": str(folder / "home"),
            "WORKBOOK_WORK": str(self.work),
            "WORKBOOK_LAB_BASE": "tiny",
        }
        # By these NiceGUI takes itself for a part of a test.
        for name in ("PYTEST_CURRENT_TEST", "PYTEST_VERSION"):
            self.environment.pop(name, None)
        self.log = folder / "studio.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workbook", "studio", "--no-browser"],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        for _ in range(1500):
            if match := re.search(r"(http://\S+)/\?(token=\w+)", self.log.read_text()):
                self.address, self.token = match.groups()
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)
        pytest.fail(self.log.read_text())

    @property
    def key(self) -> str:
        """Of the lab, which no page may hold."""
        return (self.folder / "home" / "lab" / lab_client.KEY_FILE).read_text().strip()

    def stop_lab(self) -> None:
        lab_client.stop(self.folder / "home" / "lab")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_HOME", str(folder / "home"))
        bases.add("tiny", tinybase.folder(folder / "hf"))
    server = Studio(folder)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(20)
        server.stop_lab()


@pytest.fixture
def open_page(
    studio: Studio, tool: Callable[..., str], package: Callable[[str], ModuleType]
) -> Iterator[Callable[..., Any]]:
    """`open_page(path, width=…, scheme=…)` → a page of the Studio, in a browser of its own."""
    chromium = tool("chromium", "chromium-browser", "google-chrome")
    with package("playwright.sync_api").sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )

        def opened(path: str = "/", width: int = 1280, scheme: str = "light") -> Any:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.on("pageerror", lambda error: pytest.fail(str(error)))
            page.goto(f"{studio.address}{path}{'&' if '?' in path else '?'}{studio.token}")
            return page

        yield opened
        browser.close()


class Mouse:
    """What a hand with a mouse does."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def press(self, role: str, name: str | re.Pattern[str]) -> None:
        self.page.get_by_role(role, name=name).first.click()

    def type(self, label: str, words: str) -> None:
        self.page.get_by_label(label, exact=True).fill(words)


class Keyboard:
    """What can be done with keys alone: Tab until it is reached, then Enter."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def _reach(self, target: Any) -> None:
        target.wait_for()
        for _ in range(90):
            if target.evaluate("element => element === document.activeElement"):
                outline = "getComputedStyle(document.activeElement).outlineStyle"
                assert self.page.evaluate(outline) != "none", "the focus can't be seen"
                return
            self.page.keyboard.press("Tab")
        pytest.fail(f"Tab does not lead to {target}")

    def press(self, role: str, name: str | re.Pattern[str]) -> None:
        self._reach(self.page.get_by_role(role, name=name).first)
        self.page.keyboard.press("Enter")

    def type(self, label: str, words: str) -> None:
        self._reach(self.page.get_by_label(label, exact=True))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(words)


def check(page: Any, axe: Any) -> None:
    """Nothing serious for those who don't see or use it as most do; nothing sticks out; no text of
    anybody's has become a part of the page."""
    response = axe.run(page).response
    serious = {
        finding["id"]: [node["html"][:200] for node in finding["nodes"]]
        for finding in response["violations"]
        if finding["impact"] in ("serious", "critical")
    }
    assert not serious, serious
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) <= 0, f"{page.url} is wider than the window"
    assert page.title() != "taken"
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(
    ("hand", "width", "scheme"),
    [(Mouse, 1280, "light"), (Keyboard, 400, "dark")],
    ids=["mouse, wide, light", "keyboard, narrow, dark"],
)
def test_the_way_from_a_file_to_a_blind_vote(
    hand: type, width: int, scheme: str, studio: Studio, open_page: Any, package: Any
) -> None:
    axe = package("axe_playwright_python.sync_playwright").Axe()
    file = studio.folder / f"{hand.__name__.lower()}.jsonl"
    file.write_text(rows(ROWS), encoding="utf-8")
    page = open_page("/", width, scheme)
    does = hand(page)
    frames: list[Any] = []
    page.on("websocket", lambda each: each.on("framereceived", lambda sent: frames.append(sent)))

    with page.expect_file_chooser() as chooser:
        does.press("button", "Choose a file")
    chooser.value.set_files(file)
    page.get_by_role("heading", name="What the doctor says").wait_for()
    page.get_by_text(f"{ROWS} examples").first.wait_for()
    check(page, axe)
    does.press("button", "Upload to the lab")
    does.press("link", "Create a job with it")

    does.type("Epochs", "2")
    page.get_by_text("Nothing: the lab is this machine.").wait_for()
    check(page, axe)
    does.press("button", "Create job")
    page.wait_for_url("**/jobs/ftjob*")
    page.get_by_text("The model is ready").wait_for()
    page.get_by_role("img", name=re.compile("Loss after step")).wait_for()
    page.get_by_role("heading", name="Checkpoints").wait_for()
    check(page, axe)

    does.press("link", "Try it beside the base model")
    does.type("Question", f"How many? {HOSTILE}")
    does.type("Most tokens", "12")
    does.press("button", "Ask both")
    for side in "AB":
        page.get_by_role("button", name=f"Keep the answer of model {side}").wait_for()
    page.get_by_text(re.compile(r"12 out · .* s · \$0\.00")).first.wait_for()
    page.get_by_role("group", name=re.compile("Answer of tiny")).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text(re.compile(r"^[\d.]+ %$")).first.wait_for()
    check(page, axe)
    does.press("button", "Keep the answer of model A")
    does.press("button", "Append it")
    page.get_by_text(re.compile("playground.jsonl has . examples now")).wait_for()
    page.get_by_role("button", name="Append it").wait_for(state="detached")
    kept = (studio.work / "playground.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(kept[-1])["messages"][0]["content"] == f"How many? {HOSTILE}"

    does.press("link", "Blind A/B")
    does.type("Your questions, one a line", f"Why {width}?\nWhere? {HOSTILE}\nWho?")
    does.type("Most tokens of an answer", "12")
    check(page, axe)
    does.press("button", "Start voting")
    does.press("button", "First is better")
    page.get_by_text(re.compile("Question [23] of 3|What your votes say")).first.wait_for()
    check(page, axe)
    if page.get_by_role("button", name="Show the score").count():
        does.press("button", "Show the score")
    page.get_by_text(re.compile("was preferred in")).wait_for()
    check(page, axe)
    votes = [json.loads(line) for line in (studio.work / "evaluations" / "votes.jsonl").open()]
    assert any(f"Why {width}?" == vote["messages"][-1]["content"] for vote in votes)

    does.press("link", "Compare")
    page.get_by_role("button", name="Compare").wait_for()
    check(page, axe)
    text = page.content() + "".join(map(str, frames))
    assert studio.key not in text and studio.token.removeprefix("token=") not in text


def test_a_comparison_says_how_sure_it_is(studio: Studio, open_page: Any) -> None:
    (studio.work / "held_out.jsonl").write_text(rows(6, "e{0}"), encoding="utf-8")
    page = open_page("/compare")
    page.get_by_label("Examples").select_option("held_out.jsonl")
    page.get_by_label("An answer is right").select_option("regex")
    page.get_by_label("Of the grader").fill("[aeiou]")
    page.get_by_label("Most tokens").fill("8")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text(re.compile(r"95 %: .* to .*p = ")).wait_for()
    assert page.get_by_text(re.compile(r"^Better for A: \d+ examples, for B: \d+\.")).count() == 1


def test_a_job_that_fails_shows_the_line_and_another_is_paused_and_cancelled(
    studio: Studio, open_page: Any
) -> None:
    lines = rows(20).splitlines(keepends=True)
    lines[6] = '{"messages": "none at all"}\n'
    (studio.work / "broken.jsonl").write_text("".join(lines), encoding="utf-8")
    page = open_page("/data?file=broken.jsonl")
    page.get_by_label("Send it as it is, with its errors").check()
    page.get_by_role("button", name="Upload to the lab").click()
    page.get_by_role("link", name="Create a job with it").click()
    page.get_by_role("button", name="Create job").click()
    page.get_by_role("heading", name="Line 7").wait_for()
    page.get_by_text('{"messages": "none at all"}').wait_for()

    (studio.work / "long.jsonl").write_text(rows(300), encoding="utf-8")
    page.goto(f"{studio.address}/data?file=long.jsonl")
    page.get_by_role("button", name="Upload to the lab").click()
    page.get_by_role("link", name="Create a job with it").click()
    page.get_by_label("Epochs").fill("40")
    page.get_by_role("button", name="Create job").click()
    page.get_by_text(re.compile("Step [0-9,]+ of")).wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    page.get_by_text("cancelled", exact=True).wait_for()


def test_ten_thousand_examples_in_two_tabs_and_a_lab_that_stops_in_between(
    studio: Studio, open_page: Any
) -> None:
    (studio.work / "large.jsonl").write_text(rows(10_000), encoding="utf-8")
    large, other = open_page("/data?file=large.jsonl"), open_page("/playground")
    other.get_by_role("button", name="Ask both").wait_for()
    other.get_by_label("Most tokens").fill("4")
    other.get_by_label("Question", exact=True).fill("Still there?")
    began = time.monotonic()
    other.get_by_role("button", name="Ask both").click()
    other.get_by_role("button", name="Keep the answer of model A").wait_for()
    assert time.monotonic() - began < 15, "one tab waits for the other"
    large.get_by_text("10,000 examples").first.wait_for()
    began = time.monotonic()
    large.get_by_role("button", name="Later examples").click()
    large.get_by_text("6–10 of 10,000").wait_for()
    assert time.monotonic() - began < 3

    studio.stop_lab()
    other.get_by_role("button", name="Ask both").click()
    other.get_by_role("alert").first.wait_for()
    assert "The lab is not running" in other.get_by_role("alert").first.inner_text()
    other.get_by_role("button", name="Start the lab again").first.click()
    other.get_by_text("The lab is running again").first.wait_for()
    assert other.get_by_label("Question", exact=True).input_value() == "Still there?"
    other.get_by_label("Question", exact=True).fill("And now?")
    other.get_by_label("Most tokens").fill("4")
    other.get_by_role("button", name="Ask both").click()
    other.get_by_role("button", name="Keep the answer of model B").wait_for()
