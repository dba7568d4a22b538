"""The page Playground: one question, two models beside each other.

Knows how that looks; asking stands in `workbook.studio.chats`.
"""

import asyncio
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.element import Element

from workbook.errors import WorkbookError
from workbook.studio import chats
from workbook.studio.chats import Question, Reply
from workbook.studio.host import Host
from workbook.studio.pages import two_models
from workbook.studio.pages.two_models import TwoModels
from workbook.studio.pages.widgets import (
    Field,
    agreed,
    attempt,
    box,
    button,
    failure,
    plain,
    text,
    told,
)

_SCHEMA = '{"type": "object", "properties": {"stars": {"type": "integer"}}, "required": ["stars"]}'


class Tokens(Element, component="tokens.js"):  # type: ignore[call-arg]
    """An answer, each token with its probability."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.props["label"] = f"Answer of {reply.model}, token by token"
        self.props["tokens"] = [
            [
                plain(token.words),
                round(token.share, 4),
                [[plain(words), round(share, 4)] for words, share in token.options],
            ]
            for token in reply.tokens
        ]


def add(host: Host) -> None:
    """Make the page."""
    words = "One question, two models, or two checkpoints of one."
    two_models.add(host, "/playground", "Playground", words, _Playground)


class _Playground:
    def __init__(self, host: Host, models: TwoModels) -> None:
        self._host = host
        with box("aside"):
            with box("panel stack", "section"):
                self._system = Field(
                    "System prompt",
                    kind="area",
                    rows=2,
                    hint="A tuned model wants the one that it was trained with.",
                )
                self._words = Field("Question", kind="area", rows=4, placeholder="Ask something …")
                self._words.on("submit", self._ask, args=[])
                self._problems = box("stack")
                with box("between"):
                    with box("actions"):
                        button("Ask both", self._ask, "primary")
                        text("or Ctrl + Enter", "span", "hint")
                    self._price = text(
                        chats.price(host, [models.a, models.b], Question("")), "span", "hint"
                    )
            with box("panel stack", "section"):
                self._settings()
        with box("columns"):
            self._columns = [_Column(host, side, models) for side in "AB"]

    def _settings(self) -> None:
        with box("fields two"):
            self._temperature = Field(
                "Temperature", "0", kind="number", hint="0: always the likeliest"
            )
            self._max_tokens = Field("Most tokens", "128", kind="number", hint="of an answer")
        self._probabilities = Field("Probabilities of tokens", True, kind="check")
        self._structured = Field(
            "Structured output", False, kind="check", on_change=self._show_schema
        )
        self._schema = Field("JSON schema of the answer", _SCHEMA, kind="area", rows=5)
        self._schema.classes("mono")
        self._show_schema()

    def _show_schema(self) -> None:
        self._schema.set_visibility(self._structured.value)

    def _question(self) -> Question:
        """What is to be asked. Raises WorkbookError."""
        temperature = self._temperature.number(0, 2)
        max_tokens = self._max_tokens.number(1, whole=True)
        question = Question(
            self._words.value,
            self._system.value,
            0.0 if temperature is None else temperature,
            max_tokens or 128,
            self._schema.value if self._structured.value else None,
            self._probabilities.value,
        )
        chats.body("", question)
        return question

    async def _ask(self) -> None:
        self._problems.clear()
        try:
            question = self._question()
        except WorkbookError as error:
            failure(self._host, self._problems, error)
            return
        backend = self._host.backend
        price = chats.price(self._host, [each.model for each in self._columns], question)
        self._price.set_text(price)
        if not backend.is_confirmed:
            about = (
                "Later questions are asked without this question; their price stands beside them."
            )
            if not await agreed(f"Ask on {backend.title}?", "Ask both", [price, about]):
                return
            backend.confirm("Questions in the Playground", None, agreed=True)
        await asyncio.gather(*(column.ask(question) for column in self._columns))


class _Column:
    """One model and its answer."""

    def __init__(self, host: Host, side: str, models: TwoModels) -> None:
        self._host, self._side = host, side
        with box("panel stack", "section").props(f'aria-label="Model {side}"'):
            self._model = models.field(side)
            self._place = box("stack").props("aria-live=polite")
            with self._place:
                text("The answer comes here.", "p", "hint")

    @property
    def model(self) -> str:
        return self._model.value

    async def ask(self, question: Question) -> None:
        """Ask, and show the answer with what it took."""
        self._place.clear()
        with self._place:
            text("Thinking …", "p", "hint")
        reply = await attempt(self._host, self._place, chats.ask, self._host, self.model, question)
        if reply is None or self._place.is_deleted:
            return
        self._place.clear()
        with self._place:
            if reply.tokens:
                Tokens(reply)
            else:
                text(reply.words or "(an empty answer)", "div", "answer")
            text(reply.line, "p", "hint")
            with box("actions"):
                button(
                    "Keep as an example",
                    partial(self._keep, question, reply),
                    label=f"Keep the answer of model {self._side} as a training example",
                )

    async def _keep(self, question: Question, reply: Reply) -> None:
        """Show the exchange for a last change, and append it to a file."""
        with ui.dialog() as dialog, box("panel dialog").props('role=document aria-label="Example"'):
            text("Keep as a training example", "h2")
            answer = Field("The answer, as it should be", reply.words, kind="area", rows=5)
            name = Field("File in your work folder", chats.EXAMPLES, hint="It is appended to.")
            problems = box("stack")

            async def keep() -> None:
                def save() -> tuple[Any, int]:
                    return chats.append(chats.example(question, answer.value), name.value.strip())

                result = await attempt(self._host, problems, save)
                if result is not None:
                    dialog.close()
                    told(f"{result[0].name} has {result[1]:,} examples now.")

            with box("actions"):
                button("Append it", keep, "primary")
                button("Close", dialog.close)
        dialog.open()
