"""The cost explorer in a real browser: JupyterLab in headless Chromium, driven by Playwright.

Takes a kernel, a server and a browser: the full tier.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

from workbook import paths

pytestmark = pytest.mark.full

CODE = """\
from helpers import widgets
from workbook.prices import registry
explorer = widgets.cost_explorer(first=registry.get("gpt-4o-mini"))
explorer"""
OUTPUT = ".jp-OutputArea-output"
# ipywidgets gives the handle of a slider no name; its number box beside it has one.
UPSTREAM = "aria-input-field-name"


def settings(folder: Path) -> None:
    """JupyterLab without questions, and with every cell in the page, not only those in view."""
    plugins = {
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "docmanager-extension/plugin": {"autosave": False},
    }
    for name, values in plugins.items():
        file = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """A JupyterLab that shows one notebook with the explorer; the value is its address."""
    pytest.importorskip("jupyterlab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    root = tmp_path / "root"
    root.mkdir()
    nbformat.write(notebook, root / "explorer.ipynb")
    settings(tmp_path / "settings")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": str(paths.ROOT),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        f"--ServerApp.root_dir={root}",
    ]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/api", server, tmp_path / "log")
        yield f"{address}/lab/tree/explorer.ipynb?reset"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text(errors="replace")
            time.sleep(0.5)
    pytest.fail(log.read_text(errors="replace"))


@pytest.fixture
def page(lab: str, tool: Callable[..., str], package: Callable[[str], ModuleType]) -> Iterator[Any]:
    """The notebook in Chromium, its cell run and the explorer on the screen."""
    chromium = tool("chromium", "chromium-browser", "google-chrome")
    playwright = package("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 2000})
        page.set_default_timeout(120_000)
        page.goto(lab)
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        run_cell(page)
        yield page
        browser.close()


def run_cell(page: Any) -> None:
    page.get_by_text("(ipykernel) | Idle").wait_for()
    page.evaluate(f"document.querySelectorAll('{OUTPUT}').forEach(e => e.classList.add('old'))")
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_selector(f"{OUTPUT}:not(.old) img[alt^='Bill of the month']")
    page.wait_for_selector(f"{OUTPUT}:not(.old) [role=slider]")


def shown(page: Any) -> dict[str, str]:
    """What the explorer says at one moment: its sums, the text and the pixels of its figure."""
    return page.evaluate(
        """output => {
            const [sums, image] = ["[role=status]", "img"].map(
                name => document.querySelector(`${output} ${name}`));
            return {sums: sums.innerText, alt: image.alt, pixels: image.src};
        }""",
        OUTPUT,
    )


def row(page: Any, name: str) -> Any:
    """The row of one quantity: number box and slider."""
    return page.locator(f"{OUTPUT} .widget-hbox", has=page.get_by_text(name, exact=True)).last


def after(page: Any, before: dict[str, str]) -> dict[str, str]:
    """What is shown once sums and figure have both changed."""
    for _ in range(300):
        now = shown(page)
        if all(now[key] != before[key] for key in now):
            return now
        page.wait_for_timeout(100)
    pytest.fail("the sums and the figure did not follow")


def test_the_explorer_in_a_browser(page: Any, package: Callable[[str], ModuleType]) -> None:
    first = shown(page)
    requests = row(page, "Requests a month")
    number, handle = requests.locator("input[type=number]"), requests.locator("[role=slider]")
    assert number.input_value() == "10000"

    box = handle.bounding_box()  # with the mouse: drag the handle to the right
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    dragged = after(page, first)
    assert int(number.input_value()) > 10_000
    assert f"at {int(number.input_value()):,} requests" in dragged["alt"]

    handle.focus()  # with the keyboard
    page.keyboard.press("ArrowRight")
    pressed = after(page, dragged)

    number.fill("123456")
    number.press("Tab")
    typed = after(page, pressed)
    assert "at 123,456 requests" in typed["alt"]

    page.locator(f"{OUTPUT} select").select_option("davinci")
    assert "$30.00 a million" in after(page, typed)["sums"]

    run_cell(page)  # what was set stays set
    assert row(page, "Requests a month").locator("input").first.input_value() == "123456"
    assert "$30.00 a million" in shown(page)["sums"]

    axe = package("axe_playwright_python.sync_playwright").Axe()
    violations = axe.run(page, context=OUTPUT).response["violations"]
    serious = {
        finding["id"]: [node["html"][:200] for node in finding["nodes"]]
        for finding in violations
        if finding["impact"] in ("serious", "critical")
    }
    assert set(serious) <= {UPSTREAM}, serious
    assert all("noUi-handle" in html for html in serious.get(UPSTREAM, [])), serious
