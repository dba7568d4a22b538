"""The page of a new job: every setting explained where it stands, the price beside it.

Knows how that looks; settings, requests and prices stand in `workbook.studio.job_forms`.
"""

from typing import Any

from nicegui import ui

from workbook.errors import WorkbookError
from workbook.studio import job_forms
from workbook.studio.host import Host, short
from workbook.studio.job_forms import METHODS, SETTINGS, Draft
from workbook.studio.job_views import day
from workbook.studio.pages import frame
from workbook.studio.pages.widgets import (
    Field,
    agreed,
    attempt,
    box,
    button,
    code_dialog,
    failure,
    heading,
    link,
    loaded,
    model_options,
    notice,
    section,
    text,
)


def add(host: Host) -> None:
    """Make the page."""

    @ui.page("/jobs/new")
    def new_job(training: str = "", validation: str = "", model: str = "") -> None:
        with frame.page(host, "/jobs"):
            heading("New job", "Nothing is sent before you press “Create job”.")

            def ask() -> tuple[Any, list[str]]:
                return host.training_files(), host.models()

            def show(answers: tuple[Any, list[str]]) -> None:
                files, models = answers
                _Form(host, files, models, Draft(training, validation, model))

            loaded(host, "Asking for files and models …", ask, show)


class _Form:
    def __init__(self, host: Host, files: Any, models: list[str], start: Draft) -> None:
        self._host = host
        if not files:
            with notice("No file is uploaded yet.", "warning"):
                link("Upload one on the page Data", "/data")
        names = [
            (file.id, f"{file.filename} · {day(file.created_at)} · {short(file.id, 16)}")
            for file in files
        ]
        with box("aside"):
            with box("stack"):
                self._what(names, models, start)
                self._how()
            with box("panel stack sticky", "aside-box").props(
                "aria-label=Price role=complementary"
            ):
                text("Price", "h2")
                self._price = box("stack").props("role=status")
                self._problems = box("stack")
                with box("actions"):
                    button("Create job", self._create, "primary")
                    button("As Python code", self._code)
        ui.timer(0, self._reprice, once=True)

    def _what(self, files: list[tuple[str, str]], models: list[str], start: Draft) -> None:
        again: dict[str, Any] = {"on_change": self._reprice}
        with section("What it learns"):
            self._training = Field(
                "Training file",
                start.training,
                kind="select",
                options=[("", "Choose …"), *files],
                hint="The examples to learn from, uploaded on the page Data.",
                **again,
            )
            self._validation = Field(
                "Validation file",
                start.validation,
                kind="select",
                options=[("", "none"), *files],
                hint="Examples that are not learned from: the loss on them shows when the model "
                "begins to learn by heart, and which checkpoint is the best.",
                **again,
            )
            self._model = Field(
                "Model",
                start.model or self._host.backend.model,
                kind="select",
                options=model_options(models, start.model),
                hint="What is tuned: a base model, or one that was tuned before, which goes on "
                "learning.",
                **again,
            )
            self._method = Field(
                "Method",
                "supervised",
                kind="select",
                options=list(METHODS.items()),
                hint="It has to fit the rows: answers, preferences, or prompts to grade.",
                on_change=self._fit,
            )
            self._grader = Field(
                "Grader",
                "",
                kind="area",
                rows=7,
                placeholder='{"type": "string_check", …}',
                hint="JSON: how an answer is turned into a reward, from 0 to 1.",
            ).classes("mono")

    def _how(self) -> None:
        with section("How it learns", "Start with all of them empty, then change one at a time."):
            self._settings: dict[str, Field] = {}
            with box("fields"):
                for setting in SETTINGS:
                    self._settings[setting.name] = Field(
                        setting.label,
                        setting.choices[0] if setting.choices else "",
                        kind="select" if setting.choices else "number",
                        options=[(choice, choice) for choice in setting.choices],
                        placeholder="auto",
                        hint=setting.explanation,
                        on_change=self._reprice if setting.name == "n_epochs" else None,
                    )
        with section("Its name"), box("fields"):
            self._suffix = Field(
                "Suffix", hint="A part of the new model's name, so that you find it again."
            )
            self._seed = Field(
                "Seed", kind="number", placeholder="auto", hint="The same seed, the same job."
            )
            self._metadata = Field(
                "Labels", placeholder="purpose=test, try=2", hint="For yourself: name=value."
            )
            kinds = job_forms.training_types(self._host)
            self._training_type = Field(
                "Training type",
                "",
                kind="select",
                options=[("", "the resource's region"), *((kind, kind) for kind in kinds)],
                hint="Where Azure trains, and at which price.",
            )
            self._training_type.set_visibility(bool(kinds))
        self._fit()

    def _fit(self) -> None:
        """Show the settings of the method, and no others."""
        method = self._method.value
        for setting in SETTINGS:
            self._settings[setting.name].set_visibility(method in setting.methods)
        self._grader.set_visibility(method == "reinforcement")

    def _draft(self) -> Draft:
        """What the form holds. Raises WorkbookError for a number that is none."""
        values: dict[str, Any] = {}
        for setting in SETTINGS:
            if self._method.value in setting.methods:
                element = self._settings[setting.name]
                values[setting.name] = (
                    element.value
                    if setting.choices
                    else element.number(1 if setting.whole else 0, whole=setting.whole)
                )
        return Draft(
            self._training.value,
            self._validation.value,
            self._model.value,
            self._method.value,
            self._suffix.value.strip(),
            self._seed.number(0, whole=True),
            self._metadata.value,
            self._grader.value,
            self._training_type.value,
            values,
        )

    async def _reprice(self) -> job_forms.Bill | None:
        try:
            draft = self._draft()
        except WorkbookError as error:
            failure(self._host, self._price, error)
            return None
        bill = await attempt(self._host, self._price, job_forms.bill, self._host, draft)
        if bill is None or self._price.is_deleted:
            return None
        self._price.clear()
        with self._price:
            text(bill.line, "p", "strong")
            for note in bill.notes:
                text(note, "p", "hint")
        return bill

    def _request(self) -> dict[str, Any] | None:
        self._problems.clear()
        try:
            return job_forms.body(self._draft(), self._host.backend.name == "azure")
        except WorkbookError as error:
            failure(self._host, self._problems, error)
            return None

    def _code(self) -> None:
        if request := self._request():
            code_dialog(job_forms.code(request, self._host))

    async def _create(self) -> None:
        request = self._request()
        if request is None:
            return
        is_agreed = self._host.backend.is_lab
        if not is_agreed:
            bill = await self._reprice()
            if bill is None:
                return
            question = f"Create this job on {self._host.backend.title}?"
            is_agreed = await agreed(question, "Create job", [bill.line, *bill.notes])
        if is_agreed:
            job = await attempt(
                self._host, self._problems, job_forms.create, self._host, request, True
            )
            if job is not None:
                ui.navigate.to(f"/jobs/{job.id}")
