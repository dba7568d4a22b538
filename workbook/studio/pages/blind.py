"""The page Blind A/B: which answer is better, without knowing whose it is.

Knows how that looks; contests, votes and their score stand in `workbook.studio.ballots`.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import events, ui

from workbook.errors import WorkbookError
from workbook.evals.examples import Example
from workbook.studio import ballots, datasets
from workbook.studio.ballots import SAME, Contest, Pair
from workbook.studio.host import Host
from workbook.studio.pages import two_models
from workbook.studio.pages.charts import interval
from workbook.studio.pages.two_models import TwoModels
from workbook.studio.pages.widgets import (
    Field,
    agreed,
    attempt,
    box,
    button,
    notice,
    section,
    text,
)

_BUTTONS = {
    "first": ("First is better", "1"),
    "second": ("Second is better", "2"),
    "equal": ("Equally good", "3"),
    "neither": ("Both are bad", "4"),
}


def add(host: Host) -> None:
    """Make the page."""
    words = "Two models answer, you prefer, and neither name is shown before you ask for it."
    two_models.add(host, "/blind", "Blind A/B", words, _Setup)


class _Setup:
    """Who competes, and on what."""

    def __init__(self, host: Host, models: TwoModels) -> None:
        self._host, self._place = host, box("stack")
        with self._place, section("Who, and on what"):
            with box("fields"):
                self._a, self._b = models.fields()
            files = [
                ("", "questions of my own, below"),
                *((each, each) for each in datasets.files()),
            ]
            self._file = Field(
                "Questions",
                "",
                kind="select",
                options=files,
                hint="A file in your work folder whose examples neither model has learned from.",
                on_change=self._fit,
            )
            self._words = Field("Your questions, one a line", kind="area", rows=5)
            self._system = Field("System prompt", kind="area", rows=2)
            with box("fields"):
                self._limit = Field("At most so many questions", "20", kind="number")
                self._temperature = Field("Temperature", "0", kind="number")
                self._max_tokens = Field("Most tokens of an answer", "128", kind="number")
            self._problems = box("stack")
            with box("actions"):
                button("Start voting", self._start, "primary")

    def _fit(self) -> None:
        for field in (self._words, self._system):
            field.set_visibility(not self._file.value)

    def _contest(self) -> Contest:
        """Raises WorkbookError."""
        asked = ballots.questions(
            self._file.value,
            self._words.value,
            self._system.value,
            self._limit.number(1, whole=True),
        )
        if not asked:
            raise WorkbookError("Write a question, or choose a file of them.")
        temperature = self._temperature.number(0, 2) or 0.0
        max_tokens = self._max_tokens.number(1, whole=True) or 128
        return Contest(self._a.value, self._b.value, asked, temperature, max_tokens)

    async def _start(self) -> None:
        self._problems.clear()
        contest = await attempt(self._host, self._problems, self._contest)
        if contest is None:
            return
        backend = self._host.backend
        if contest.open_questions and not backend.is_lab:
            price = ballots.price(
                self._host, (contest.a, contest.b), contest.open_questions, contest.max_tokens
            )
            if not await agreed(f"Ask both models on {backend.title}?", "Start voting", [price]):
                return
            backend.confirm("Answers for a blind vote", None, agreed=True)
        self._place.clear()
        with self._place:
            if not contest.open_questions:
                notice("You have voted on all of these questions. This is what came out.")
            voting = _Voting(self._host, contest)
        await voting.next()


class _Voting:
    """One question after the other."""

    def __init__(self, host: Host, contest: Contest) -> None:
        self._host, self._contest = host, contest
        self._pair: Pair | None = None
        self._ahead: asyncio.Task | None = None
        self._place = box("stack")
        ui.keyboard(self._key, repeating=False)

    async def next(self) -> None:
        """Show the next question with two different answers, or the score where there is none."""
        self._pair = None
        while waiting := self._contest.open_questions:
            pair = await self._answers(waiting)
            if pair is None:
                return
            if pair.first.strip() != pair.second.strip():
                self._pair = pair
                self._show(pair, waiting)
                if len(waiting) > 1:
                    work = self._host.call(self._contest.pair, self._host, waiting[1])
                    self._ahead = asyncio.create_task(work)
                return
            if not await self._attempt(self._contest.vote, pair, SAME):
                return
        self._show_score()

    async def _answers(self, waiting: list[Example]) -> Pair | None:
        """Both answers to the first question; None where there are none, which is then told."""
        self._place.clear()
        with self._place:
            notice(f"Question {self._number(waiting)}: both are answering …")
        if self._ahead:  # asked for while the last one was voted on
            with contextlib.suppress(WorkbookError):
                await self._ahead
            self._ahead = None
        pair = await self._attempt(self._contest.pair, self._host, waiting[0])
        return None if self._place.is_deleted else pair

    async def _attempt(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function gives; None after an error, which is then told, with the ways on."""
        value = await attempt(self._host, self._place, function, *arguments)
        if value is None and not self._place.is_deleted:
            with self._place, box("actions"):
                button("Try again", self.next)
                button("Show the score", self._show_score)
        return value

    def _number(self, waiting: list[Example]) -> str:
        total = len(self._contest.questions)
        return f"{total - len(waiting) + 1:,} of {total:,}"

    def _show(self, pair: Pair, waiting: list[Example]) -> None:
        self._place.clear()
        with self._place:
            with box("panel stack", "section"):
                with box("between"):
                    text(f"Question {self._number(waiting)}", "h2")
                    button("Show the score", self._show_score, "quiet")
                for message in pair.example.messages:
                    if message["role"] != "user":
                        text(f"{message['role']}: {message.get('content')}", "p", "hint said")
                    else:
                        text(message.get("content"), "div", "said")
            with box("columns"):
                for title, answer in (("First", pair.first), ("Second", pair.second)):
                    with box("panel stack", "section"):
                        text(title, "h2")
                        text(answer or "(an empty answer)", "div", "answer")
            with box("votes").props('role=group aria-label="Your vote"'):
                for choice, (words, key) in _BUTTONS.items():
                    with button("", partial(self._vote, choice)):
                        text(words, "span")
                        text(key, "kbd").props("aria-hidden=true")

    async def _key(self, event: events.KeyEventArguments) -> None:
        keys = {key: choice for choice, (_, key) in _BUTTONS.items()}
        if event.action.keydown and str(event.key) in keys and self._pair:
            await self._vote(keys[str(event.key)])

    async def _vote(self, choice: str) -> None:
        pair, self._pair = self._pair, None
        if pair is None:  # a second press of the same key
            return
        if await self._attempt(self._contest.vote, pair, choice):
            await self.next()

    def _show_score(self) -> None:
        self._pair = None
        score = self._contest.score()
        self._place.clear()
        with self._place, section("What your votes say"):
            if score.interval:
                share, low, high = score.interval
                interval(share, low, high, f"{share:.0%} prefer B", half=True)
            text(score.verdict, "p", "strong")
            with box("facts", "dl"):
                others = score.votes - score.for_a - score.for_b
                facts = {
                    f"for A: {score.a}": score.for_a,
                    f"for B: {score.b}": score.for_b,
                    "for neither, or the same answer": others,
                }
                for name, count in facts.items():
                    with box(""):
                        text(name, "dt")
                        text(f"{count:,}", "dd")
            text(f"Every vote is kept in {ballots.votes_file()}.", "p", "hint")
            with box("actions"):
                if self._contest.open_questions:
                    button("Go on voting", self.next, "primary")
                button("Another contest", lambda: ui.navigate.to("/blind"))
