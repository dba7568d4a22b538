"""What can be done with a file on the page Data: mend, divide, price, upload.

Knows how that looks; what is done stands in `workbook.studio.datasets`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbook import doctor
from workbook.doctor.report import Report
from workbook.errors import WorkbookError
from workbook.prices import registry
from workbook.studio import datasets
from workbook.studio.host import Host
from workbook.studio.pages.widgets import (
    Field,
    address,
    attempt,
    box,
    button,
    failure,
    link,
    notice,
    section,
    text,
    told,
)

_CLASSES = {"-": "gone", "+": "new", "@": "at"}


def show(host: Host, path: Path, report: Report, go: Callable[[str], None]) -> None:
    """The four steps for one file. go: opens another file on the page."""
    _fix(host, path, report, go)
    with box("columns"):
        _split(host, path, go)
        _price(host, path, report)
    _upload(host, path, report)


def _fix(host: Host, path: Path, report: Report, go: Callable[[str], None]) -> None:
    safe, others = datasets.safe_fixes(report), datasets.other_fixes(report)
    if not (safe or others) and path.suffix.lower() == ".jsonl":
        return
    with section("Fix", "The original stays as it is; the mended file gets a name of its own."):
        if safe:
            text(
                "Always mended: "
                + "; ".join(f"{each.what} ({each.count:,} ×)" for each in safe)
                + ".",
                "p",
            )
        checks: dict[str, Any] = {}
        if others:
            text("Mended where you say so:", "p")
        for each in others:
            checks[each.code] = Field(
                f"{each.what} ({each.code}, {each.count:,} ×)", False, kind="check"
            )
        place = box("stack")

        async def preview() -> None:
            codes = [code for code, check in checks.items() if check.value]
            found = await attempt(host, place, datasets.preview, report, codes)
            if found is None:
                return
            place.clear()
            with place:
                _preview(host, found, place, go)

        with box("actions"):
            button("See what would change", preview)
        place.move(target_index=-1)


def _preview(host: Host, found: datasets.Preview, place: Any, go: Callable[[str], None]) -> None:
    text(found.summary, "p")
    for sentence in found.losses:
        notice(sentence, "warning")
    if found.lines:
        with box("diff").props('tabindex=0 role=region aria-label="Changes, line by line"'):
            for words in found.lines:
                text(words, "div", _CLASSES.get(words[:1], ""))

    async def write() -> None:
        written = await attempt(host, place, found.repair.write)
        if written is not None:
            told(f"Written: {written.name}")
            go(written.name)

    with box("actions"):
        button("Write the mended file", write, "primary")


def _split(host: Host, path: Path, go: Callable[[str], None]) -> None:
    with section(
        "Split", "What asks the same stays together, so that nothing leaks into the test."
    ):
        with box("fields"):
            shares = {
                name: Field(f"{name.capitalize()} (%)", value, kind="number")
                for name, value in (("train", "80"), ("validation", "10"), ("test", "10"))
            }
            seed = Field("Seed", "42", kind="number", hint="The same seed, the same parts.")
        place = box("stack")

        async def divide() -> None:
            try:
                parts = {name: field.number(0, 100) or 0 for name, field in shares.items()}
                number = seed.number(0, whole=True) or 0
            except WorkbookError as error:
                failure(host, place, error)
                return
            done = await attempt(host, place, datasets.split, path, parts, number)
            if done is None:
                return
            sizes, losses = done
            place.clear()
            with place:
                for sentence in losses:
                    notice(sentence, "warning")
                with notice("Written to your work folder:", "good"):
                    for name, size in sizes.items():
                        button(f"{name}: {size:,} examples", lambda name=name: go(name), "quiet")

        with box("actions"):
            button("Split", divide)
        place.move(target_index=-1)


def _price(host: Host, path: Path, report: Report) -> None:
    with section("Price", "What a training job on the whole file costs, before anything is sent."):
        models = {model.id: model.label for model in registry.tunable(existing_customer=True)}
        chosen = report.model if report.model in models else next(iter(models), "")
        with box("fields"):
            model = Field("Model", chosen, kind="select", options=list(models.items()))
            epochs = Field("Epochs", "", kind="number", placeholder="as the host chooses")
        place = box("stack")

        async def estimate() -> None:
            def bill() -> list[str]:
                checked = doctor.check(path, model.value)
                return datasets.price(checked, epochs.number(1, 100, whole=True))

            sentences = await attempt(host, place, bill)
            if sentences is None:
                return
            place.clear()
            with place:
                text(sentences[0], "p")
                for sentence in sentences[1:]:
                    text(sentence, "p", "hint")

        with box("actions"):
            button("Estimate", estimate)
        place.move(target_index=-1)
        if host.backend.is_lab:
            text("On the lab it costs nothing.", "p", "hint")


def _upload(host: Host, path: Path, report: Report) -> None:
    title = host.backend.title
    with section("Upload", f"The file goes to {title}, where a job can learn from it."):
        force = None
        if not report.ok:
            force = Field("Send it as it is, with its errors", False, kind="check")
        place = box("stack")

        async def send() -> None:
            sent = await attempt(
                host, place, datasets.upload, host, path, report, bool(force and force.value)
            )
            if sent is None:
                return
            place.clear()
            with place, notice(f"{path.name} is uploaded: {sent.id}", "good"):
                link(
                    "Create a job with it", address("/jobs/new", training=sent.id), "button primary"
                )

        with box("actions"):
            button(f"Upload to {title}", send, "primary")
        place.move(target_index=-1)
