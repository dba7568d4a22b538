"""The page Data: drop a file, see what is wrong, mend it, divide it, price it, send it.

Knows how that looks; what is done stands in `workbook.studio.datasets`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from nicegui import events, ui

from workbook import doctor
from workbook.doctor.findings import Finding
from workbook.doctor.report import Report
from workbook.studio import datasets
from workbook.studio.host import Host
from workbook.studio.pages import data_steps, frame
from workbook.studio.pages.charts import bars
from workbook.studio.pages.widgets import (
    Field,
    Table,
    address,
    attempt,
    box,
    heading,
    marked,
    notice,
    plain,
    section,
    text,
)

_ALL = ""
_LONG = 400  # characters of an example that are shown


def add(host: Host) -> None:
    """Make the page."""

    @ui.page("/data")
    def data(file: str = "") -> None:
        with frame.page(host, "/data"):
            heading(
                "Data",
                "What is wrong with a training file, before a host says so. It stays on this "
                "machine until you upload it.",
            )
            _choose(host, file)
            if file:
                place = box("stack")
                with place:
                    notice(f"Reading {file} …")
                ui.timer(0, partial(_open, host, file, place), once=True)


def _choose(host: Host, file: str) -> None:
    """Where a file is dropped, or chosen among those in the work folder."""
    with box("panel stack"):
        problems = box("stack")

        async def dropped(event: events.UploadEventArguments) -> None:
            await _keep(host, event, problems)

        with box("drop") as drop, box("zone"):
            text(
                "Drop a file here: JSONL, JSON, CSV, Excel, Parquet, text, a WhatsApp export",
                "p",
            )
            upload = ui.upload(on_upload=dropped, auto_upload=True, label="Training file")
            upload.props["tabindex"] = "-1"
            pick = text("Choose a file", "button", "button primary").props("type=button")
            pick.on("click", js_handler=f"() => getElement({upload.id}).$refs.qRef.pickFiles()")
        drop.on(
            "dragover",
            js_handler="(e) => { e.preventDefault(); e.currentTarget.classList.add('over'); }",
        )
        drop.on("dragleave", js_handler="(e) => e.currentTarget.classList.remove('over')")
        drop.on(
            "drop",
            js_handler="(e) => { e.preventDefault(); e.currentTarget.classList.remove('over');"
            f" getElement({upload.id}).$refs.qRef.addFiles(e.dataTransfer.files); }}",
        )
        names = datasets.files()
        if names:
            options = [("", "Choose …"), *((name, name) for name in names)]
            Field(
                "Or one that is in your work folder",
                file if file in names else "",
                kind="select",
                options=options,
                on_change=_chosen,
            )


def _chosen(event: Any) -> None:
    if event.value:
        _go(event.value)


def _go(name: str) -> None:
    ui.navigate.to(address("/data", file=name))


async def _keep(host: Host, event: events.UploadEventArguments, problems: Any) -> None:
    with TemporaryFile() as content:
        async for part in event.file.iterate():
            content.write(part)
        path = await attempt(host, problems, datasets.keep, event.file.name, content)
    if path is not None:
        _go(path.name)


async def _open(host: Host, file: str, place: Any) -> None:
    """Read the file and show all that there is to say of it."""
    path = await attempt(host, place, datasets.path_of, file)
    if path is None:
        return
    report = await attempt(host, place, _check, host, path)
    if report is None:
        return
    rows = await attempt(host, place, datasets.examples, path)
    place.clear()
    with place:
        _report(report)
        if rows:
            _examples(rows)
        data_steps.show(host, path, report, _go)


def _check(host: Host, path: Path) -> Report:
    return doctor.check(path, host.pricing_model, host=host.profile)


def _report(report: Report) -> None:
    with section("What the doctor says"):
        tone = "error" if not report.ok else "warning" if report.codes else "good"
        notice(report.summary, tone)
        with box("facts", "dl"):
            for name, value in datasets.facts(report):
                with box(""):
                    text(name, "dt")
                    text(value, "dd")
        with box("charts"):
            for title, names, heights in datasets.charts(report):
                bars(title, names, heights)
        if report.findings:
            _findings(report)


def _findings(report: Report) -> None:
    """All findings, line by line; one kind alone where it is chosen."""
    codes = sorted(report.codes, key=lambda code: -report.codes[code])
    by_line = sorted(report.findings, key=lambda finding: finding.line or 0)

    def narrow(event: Any) -> None:
        table.show([each for each in by_line if event.value in (_ALL, each.code)])

    if len(codes) > 1:
        options = [(_ALL, "all"), *((code, f"{code} ({report.codes[code]:,})") for code in codes)]
        Field("Show", _ALL, kind="select", options=options, on_change=narrow)
    table = Table(("Line", "Severity", "What", "Excerpt"), by_line, _cells, "findings", 10)


def _cells(finding: Finding) -> Sequence[Any]:
    def what() -> None:
        with box("stack tight"):
            marked(finding.message)
            with box("", "details"):
                text("Why, and what to do", "summary")
                marked(finding.why)
                marked(finding.fix)

    return (
        f"{finding.line:,}" if finding.line else "file",
        partial(text, finding.severity, "span", f"badge {finding.severity}"),
        what,
        partial(text, finding.excerpt, "span", "quote"),
    )


def _examples(rows: list[tuple[int, str, str]]) -> None:
    with section("Examples"):
        Table(
            ("Line", "Question", "Answer"),
            rows,
            lambda row: (f"{row[0]:,}", _cut(row[1]), _cut(row[2])),
            "examples",
            5,
        )


def _cut(words: str) -> str:
    return words if len(words) <= _LONG else f"{plain(words[:_LONG])} …"
