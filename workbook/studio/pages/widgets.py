"""The pieces that all pages are made of: text, buttons, fields, tables, notices.

Every text goes into the page as text, never as HTML. Knows nothing of what is said.
"""

import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.elements.mixins.value_element import ValueElement

from workbook.errors import WorkbookError
from workbook.studio.host import Host

ROWS = 25  # of a table, at a time
Cell = str | Callable[[], Any]


def plain(value: object) -> str:
    """A text that can be sent: half characters are shown as what they are."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


def text(words: object, tag: str = "div", classes: str = "") -> Any:
    """Words as an element of the page."""
    return TextElement(tag=tag, text=plain(words)).classes(classes)


def marked(words: str) -> None:
    """A sentence in which what stands between `…` is code."""
    with box("marked", "p"):
        for place, part in enumerate(words.split("`")):
            text(part, "code" if place % 2 else "span")


def box(classes: str, tag: str = "div") -> Any:
    """An empty element that others go into."""
    return ui.element(tag).classes(classes)


def heading(title: str, words: str = "") -> None:
    """The title of a page, and what it is for."""
    with box("title", "header"):
        text(title, "h1")
        if words:
            text(words, "p", "lead")


@contextmanager
def section(title: str, words: str = "") -> Iterator[Any]:
    """A part of a page under a title of its own."""
    with box("panel", "section") as panel:
        text(title, "h2")
        if words:
            text(words, "p", "hint")
        yield panel


def button(words: str, on_click: Callable[..., Any], kind: str = "plain", label: str = "") -> Any:
    """A button. kind: primary (one on a page), plain, quiet or danger; label: longer, for ears."""
    element = text(words, "button", f"button {kind}").props("type=button")
    if label:
        element.props["aria-label"] = label

    async def clicked() -> None:
        # Not `disabled`: that would take the focus away from who presses it with a key.
        if "aria-disabled" in element.props:
            return
        element.props["aria-disabled"] = "true"
        element.update()
        try:
            result = on_click()
            if inspect.iscoroutine(result):
                await result
        finally:
            if not element.is_deleted:
                del element.props["aria-disabled"]
                element.update()

    element.on("click", clicked, args=[])
    return element


def link(words: str, target: str, classes: str = "") -> Any:
    """A link to another page of the Studio."""
    element = text(words, "a", classes)
    element.props["href"] = target
    return element


class Field(ValueElement, component="native.js"):  # type: ignore[call-arg]
    """A labelled control. kind: text, number, area, select or check."""

    value: Any
    VALUE_PROP = "value"
    LOOPBACK = None

    def __init__(
        self,
        label: str,
        value: Any = "",
        *,
        kind: str = "text",
        hint: str = "",
        options: Sequence[tuple[str, str]] = (),
        on_change: Callable[..., Any] | None = None,
        quiet: bool = False,
        rows: int = 3,
        placeholder: str = "",
    ) -> None:
        super().__init__(value=value, on_value_change=on_change)
        self.props.update(kind=kind, label=label, quiet=quiet, rows=rows)
        self.props.update(
            {
                name: words
                for name, words in (("hint", plain(hint)), ("placeholder", placeholder))
                if words
            }
        )
        if kind == "select":
            self.offer(options)

    def offer(self, options: Sequence[tuple[str, str]]) -> None:
        """Set what can be chosen: (value, words)."""
        self.props["options"] = [[plain(value), plain(words)] for value, words in options]
        values = [value for value, _ in options]
        if self.value not in values and values:
            self.value = values[0]
        self.update()

    def number(self, least: float, most: float = float("inf"), whole: bool = False) -> Any:
        """The number in the field; None where it is empty. Raises WorkbookError for another."""
        words = str(self.value).strip()
        if not words:
            return None
        kind = int if whole else float
        try:
            number = kind(words.replace(",", ".") if not whole else words)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            span = f"from {least:g} to {most:g}" if most < float("inf") else f"of {least:g} or more"
            what = "a whole number" if whole else "a number"
            raise WorkbookError(f"{self.props['label']} is {what} {span}, not {words!r}.")
        return number


def notice(words: object, tone: str = "note", urgent: bool = False) -> Any:
    """A sentence in a box. tone: note, good, warning or error; urgent: read out at once."""
    element = box(f"notice {tone}").props(f"role={'alert' if urgent else 'status'}")
    with element:
        text(words)
    return element


def told(words: object) -> None:
    """A sentence that comes and goes."""
    ui.notify(plain(words), position="bottom", timeout=4_000)


async def attempt(
    host: Host,
    place: Any,
    function: Callable[..., Any],
    *arguments: Any,
    is_page: bool = False,
) -> Any:
    """What a function gives; None after an error, which is then told in `place`.

    is_page: without it there is no page, so that a new try begins the page anew
    """
    try:
        value = await host.call(function, *arguments)
    except WorkbookError as error:
        if not place.is_deleted:
            failure(host, place, error, is_page)
        return None
    except Exception as error:  # one that nobody foresaw: the page stays, the terminal has it all
        traceback.print_exc()
        if not place.is_deleted:
            failure(host, place, WorkbookError(f"That did not work: {error!r}."), is_page)
        return None
    return True if value is None else value


def loaded(host: Host, words: str, ask: Callable[[], Any], show: Callable[[Any], Any]) -> None:
    """A part of a page that waits for the host.

    words: stand there meanwhile; ask: gives, in a thread, what `show` then puts there
    """
    place = box("stack")
    with place:
        notice(words)

    async def load() -> None:
        value = await attempt(host, place, ask, is_page=True)
        if value is None or place.is_deleted:
            return
        place.clear()
        with place:
            show(value)

    ui.timer(0, load, once=True)


def failure(host: Host, place: Any, error: Exception, is_page: bool = False) -> None:
    """An error in `place`; where the lab was not reached, with a button that starts it."""
    import openai

    if plain(error) in _sentences(place):
        return  # of a page that looks again: what is read, or has the focus, stays
    place.clear()
    lost = isinstance(error.__cause__, (openai.APIConnectionError, openai.AuthenticationError))
    with place, notice(error, "error", urgent=True) as shown:
        if lost and host.backend.is_lab:

            async def again() -> None:
                if not await attempt(host, place, host.reconnect, is_page=is_page):
                    return
                if is_page:
                    ui.navigate.reload()
                    return
                place.clear()
                with place:
                    notice("The lab is running again: try once more.", "good")

            with shown:
                button("Start the lab again", again)


def _sentences(place: Any) -> list[str]:
    """What the errors say that stand in `place`."""
    return [
        child.text
        for shown in place.default_slot.children
        if shown.props.get("role") == "alert"
        for child in shown.default_slot.children
        if isinstance(child, TextElement)
    ]


def address(place: str, **query: str) -> str:
    """Of a page of the Studio, with names as they are in it."""
    return f"{place}?{urlencode(query)}"


class Table:
    """A table that shows a few of its rows at a time; narrow pages stack its cells.

    headings: of the columns
    rows: all of them, in any form
    cells: makes the cells of one row: words, or what puts something into the cell
    """

    def __init__(
        self,
        headings: Sequence[str],
        rows: Sequence[Any],
        cells: Callable[[Any], Sequence[Cell]],
        name: str,
        size: int = ROWS,
    ) -> None:
        self.rows, self._cells, self._size, self._page = rows, cells, size, 0
        self._headings, self._name = headings, name
        self._place = box("table")
        # Kept while the rows change, and with it the focus.
        with box("pager") as self._pager:
            button("‹ Earlier", lambda: self._turn(-1), "quiet", f"Earlier {name}")
            self._span = text("", "span", "muted")
            button("Later ›", lambda: self._turn(1), "quiet", f"Later {name}")
        self.show()

    def show(self, rows: Sequence[Any] | None = None) -> None:
        """Draw the page of rows again, of other rows where they are given."""
        if rows is not None:
            self.rows = rows
        pages = max(1, -(-len(self.rows) // self._size))
        self._page = min(self._page, pages - 1)
        start = self._page * self._size
        self._place.clear()
        with self._place, box("", "table").props(f'aria-label="{self._name}"'):
            with box("", "thead"), box("", "tr"):
                for heading in self._headings:
                    text(heading, "th").props("scope=col")
            with box("", "tbody"):
                for row in self.rows[start : start + self._size]:
                    self._row(row)
        end = min(start + self._size, len(self.rows))
        self._span.set_text(f"{start + 1:,}–{end:,} of {len(self.rows):,}")
        self._pager.set_visibility(pages > 1)

    def _row(self, row: Any) -> None:
        with box("", "tr"):
            for heading, cell in zip(self._headings, self._cells(row), strict=True):
                if callable(cell):
                    with box("", "td").props(f'data-label="{heading}"'):
                        cell()
                else:
                    text(cell, "td").props(f'data-label="{heading}"')

    def _turn(self, step: int) -> None:
        pages = max(1, -(-len(self.rows) // self._size))
        self._page = max(0, min(pages - 1, self._page + step))
        self.show()


async def agreed(
    question: str, yes: str, details: Sequence[str] = (), danger: bool = False
) -> bool:
    """Whether the student says yes, in a dialog over the page."""
    with ui.dialog() as dialog, box("panel dialog").props(f'role=document aria-label="{yes}"'):
        text(question, "h2")
        for words in details:
            text(words, "p")
        with box("actions"):
            button("Not now", lambda: dialog.submit(False))
            button(yes, lambda: dialog.submit(True), "danger" if danger else "primary")
    answer = await dialog
    dialog.delete()
    return bool(answer)


def code_dialog(code: str) -> None:
    """Python code over the page, to be copied."""
    with ui.dialog() as dialog, box("panel dialog wide").props('role=document aria-label="Code"'):
        text("The same as Python code", "h2")
        block = text(code, "pre", "code").props('tabindex=0 aria-label="Python code"')
        with box("actions"):
            copy = text("Copy", "button", "button primary").props("type=button")
            copy.on(
                "click",
                js_handler="(e) => { navigator.clipboard.writeText("
                f"getHtmlElement({block.id}).textContent); e.target.textContent = 'Copied'; }}",
            )
            button("Close", dialog.close)
    dialog.open()


def model_options(models: Sequence[str], *more: str) -> list[tuple[str, str]]:
    """Models to choose from, also those that a link has named and no list has."""
    names = dict.fromkeys([*models, *(name for name in more if name)])
    return [(name, name) for name in names]
