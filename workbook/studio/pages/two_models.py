"""How each page on which two models meet begins: which two, by its address or else by the host.

Knows how they are offered; what they are then asked stands in the pages.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from workbook.studio.host import Host, two_of
from workbook.studio.pages import frame
from workbook.studio.pages.widgets import Field, heading, link, loaded, model_options, notice


@dataclass(frozen=True)
class TwoModels:
    """A, B and all that could stand in their places."""

    a: str
    b: str
    options: list[tuple[str, str]]

    def fields(self) -> tuple[Field, Field]:
        """The control of each."""
        return self.field("A"), self.field("B")

    def field(self, side: str) -> Field:
        """The control of one. side: A or B."""
        model = self.a if side == "A" else self.b
        return Field(f"Model {side}", model, kind="select", options=self.options)


def add(
    host: Host, place: str, title: str, words: str, show: Callable[[Host, TwoModels], Any]
) -> None:
    """Make a page. place: among `frame.PAGES`; show: puts the rest of it there."""

    @ui.page(place)
    def page(a: str = "", b: str = "") -> None:
        def begin(models: list[str]) -> None:
            options = model_options(models, a, b)
            if len(options) < 2:
                with notice("There is only one model so far."):
                    link("Tune another one", "/jobs/new")
            show(host, TwoModels(*two_of(models, a, b), options))

        with frame.page(host, place):
            heading(title, words)
            loaded(host, "Asking for the models …", host.models, begin)
