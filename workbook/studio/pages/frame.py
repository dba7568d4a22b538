"""What every page has around it: the way to the others, the host that is called, light and dark.

Knows no page's content.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import app, ui

from workbook.studio.host import Host, short
from workbook.studio.pages.widgets import box, link, text

PAGES = {
    "/data": "Data",
    "/jobs": "Jobs",
    "/playground": "Playground",
    "/blind": "Blind A/B",
    "/compare": "Compare",
}
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#1f5fa8"/>'
    '<path d="M7 23c5 0 6-14 18-14" fill="none" stroke="#fff" '
    'stroke-width="3.4" stroke-linecap="round"/></svg>'
)
# The theme that was chosen holds before anything is drawn; without a choice, the system's does.
_THEME = """<script>
const theme = () => localStorage.getItem("studio-theme") || "";
const applyTheme = () => { document.documentElement.style.colorScheme = theme() || "light dark"; };
const nextTheme = () => {
  const dark = theme() ? theme() === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  localStorage.setItem("studio-theme", dark ? "light" : "dark");
  applyTheme();
};
addEventListener("storage", applyTheme);
applyTheme();
</script>"""


def prepare() -> None:
    """What is the same on every page, once."""
    ui.add_head_html(_THEME, shared=True)
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    ui.add_head_html(f"<style>{style}</style>", shared=True)
    app.on_page_exception(_failed)

    @ui.page("/")
    def start() -> None:
        ui.navigate.to("/data")


def _failed(error: Exception) -> None:
    """What nobody foresaw: no traceback, and the way back."""
    text("This page could not be shown.", "h1")
    text(f"{type(error).__name__}: {error}", "p")
    link("Back to Data", "/data")


@contextmanager
def page(host: Host, here: str) -> Iterator[None]:
    """The frame around a page. here: its place among `PAGES`."""
    ui.page_title(f"{PAGES[here]} · Studio")
    link("To the content", "#main", "skip")
    with box("top", "header"), box("top-inner"):
        link("Studio", "/data", "brand")
        with box("nav", "nav").props('aria-label="Pages"'):
            for place, name in PAGES.items():
                item = link(name, place)
                if place == here:
                    item.props["aria-current"] = "page"
        with box("spacer"):
            pass
        where = f"{host.backend.title} · {short(host.backend.model, 28)}"
        text(where, "span", "where").props('title="The host that is called"')
        theme = text("◐", "button", "button quiet icon").props("type=button")
        theme.props["aria-label"] = "Light or dark"
        theme.props["title"] = "Light or dark"
        theme.on("click", js_handler="() => nextTheme()")
    with box("page", "main").props("id=main tabindex=-1"):
        yield
