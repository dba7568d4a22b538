"""The page of one job: how its training goes, its checkpoints, what failed, what can be done.

Knows how that looks; following a job stands in `workbook.studio.job_views`.
"""

from functools import partial
from typing import Any

from nicegui import ui

from workbook.studio import job_forms, job_views
from workbook.studio.host import Host, short
from workbook.studio.job_views import Watch, clock, day
from workbook.studio.pages import frame
from workbook.studio.pages.charts import curves, update_curves
from workbook.studio.pages.widgets import (
    Table,
    address,
    agreed,
    attempt,
    box,
    button,
    code_dialog,
    link,
    notice,
    section,
    text,
    told,
)

SECONDS = 2.0  # between two looks


def add(host: Host) -> None:
    """Make the page."""

    @ui.page("/jobs/{job_id}")
    def one_job(job_id: str) -> None:
        with frame.page(host, "/jobs"):
            view = _View(host, Watch(job_id))
            timer: Any = ui.timer(SECONDS, lambda: view.look(timer))


class _View:
    """The parts of the page, each drawn again only where it has changed."""

    def __init__(self, host: Host, watch: Watch) -> None:
        self._host, self._watch = host, watch
        self._shown: dict[str, Any] = {}
        self._charts: dict[str, Any] = {}
        self._head = box("stack")
        self._progress = box("stack")
        self._event_table: Table | None = None
        self._problems = box("stack")
        self._curves = box("charts wide")
        self._points = box("stack")
        self._events = box("stack")

    async def look(self, timer: Any) -> None:
        job = await attempt(self._host, self._problems, self._watch.look, self._host)
        if job is None or self._head.is_deleted:
            return
        self._problems.clear()
        if self._has_changed("status", job.status):
            self._draw_head(job)
        if self._has_changed("step", self._watch.step):
            self._draw_progress()
        if self._has_changed("events", len(self._watch.events)):
            self._draw_curves()
            self._draw_events()
        if self._has_changed("blame", job.status) and job.status == "failed":
            await self._draw_blame(job)
        points = await attempt(
            self._host, self._problems, job_views.checkpoints, self._host, job.id
        )
        if points and self._has_changed("points", [point["model"] for point in points]):
            self._draw_points(job, points)
        if self._watch.has_ended:
            timer.deactivate()

    def _has_changed(self, name: str, state: Any) -> bool:
        changed = self._shown.get(name) != state
        self._shown[name] = state
        return changed

    def _draw_head(self, job: Any) -> None:
        self._head.clear()
        with self._head:
            with box("line"):
                text(short(job.id, 34), "h1")
                text(job.status.replace("_", " "), "span", f"badge {job.status}")
            if job.status == "succeeded" and job.fine_tuned_model:
                with notice(f"The model is ready: {job.fine_tuned_model}", "good"):
                    both = {"a": job.model, "b": job.fine_tuned_model}
                    with box("actions"):
                        link(
                            "Try it beside the base model",
                            address("/playground", **both),
                            "button primary",
                        )
                        link("Vote blind", address("/blind", **both), "button")
                        link("Compare on examples", address("/compare", **both), "button")
            with box("panel"), box("facts", "dl"):
                for name, value in _facts(job):
                    with box(""):
                        text(name, "dt")
                        text(value, "dd")
            self._actions(job)

    def _draw_progress(self) -> None:
        watch = self._watch
        self._progress.clear()
        if not watch.steps:
            return
        with self._progress:
            words = f"Step {watch.step:,} of {watch.steps:,}"
            bar = box("progress", "progress").props(f"max={watch.steps} value={watch.step}")
            bar.props["aria-label"] = words
            text(words, "p", "hint")

    def _actions(self, job: Any) -> None:
        jobs = self._host.client.fine_tuning.jobs
        with box("actions"):
            if job.status in ("running", "queued"):
                button("Pause", partial(self._do, jobs.pause, "Paused"))
            if job.status == "paused":
                button("Resume", partial(self._do, jobs.resume, "Goes on"), "primary")
            if job.status in ("running", "queued", "paused", "validating_files"):
                button("Cancel job", self._cancel, "danger")
            request = job_forms.request_of(job)
            button("As Python code", lambda: code_dialog(job_forms.code(request, self._host)))
            again = address(
                "/jobs/new",
                training=job.training_file,
                validation=job.validation_file or "",
                model=job.model,
            )
            link("New job on this file", again, "button")
        self._refusals = box("stack")  # apart from the problems of looks, which the next one clears

    async def _do(self, action: Any, words: str) -> None:
        self._refusals.clear()
        if await attempt(self._host, self._refusals, action, self._watch.id):
            told(words)

    async def _cancel(self) -> None:
        details = ["What it has learned since its last checkpoint is lost. This can't be undone."]
        if await agreed("Cancel this job?", "Cancel job", details, danger=True):
            await self._do(self._host.client.fine_tuning.jobs.cancel, "Cancelled")

    def _draw_curves(self) -> None:
        watch = self._watch
        for kind in watch.series:
            series = watch.curves(kind)
            if kind in self._charts:
                update_curves(self._charts[kind], series, watch.words(kind))
            else:
                with self._curves, box("panel", "section"):
                    text(kind, "h2")
                    self._charts[kind] = curves(series, watch.words(kind))

    async def _draw_blame(self, job: Any) -> None:
        lines = await attempt(self._host, self._problems, job_views.blame, self._host, job)
        with self._head:
            message = job.error.message if job.error else "The host gives no reason."
            notice(message, "error", urgent=True)
            for line in lines or ():
                with section(f"Line {line.line}"):
                    text(f"{line.file}, as it was sent:", "p", "hint")
                    text(line.words, "div", "code wrap")
            text("Mend the file on the page Data, upload it again, and start another job.", "p")

    def _draw_points(self, job: Any, points: list[dict[str, Any]]) -> None:
        names = list(dict.fromkeys(name for point in points for name in point["figures"]))
        self._points.clear()
        with self._points, section("Checkpoints", "The model as it was after these steps."):
            Table(
                ("Step", *names, "Model"),
                points,
                lambda point: (
                    f"{point['step']:,}",
                    *(_figure(point["figures"].get(name)) for name in names),
                    partial(
                        link,
                        "Try beside the base model",
                        address("/playground", a=job.model, b=point["model"]),
                    ),
                ),
                "checkpoints",
            )
            if len(points) > 1:
                a, b = points[-2]["model"], points[-1]["model"]
                link("Try the last two beside each other", address("/playground", a=a, b=b))

    def _draw_events(self) -> None:
        if self._event_table is not None:
            self._event_table.show(self._watch.events)
            return
        with self._events, section("Events"):
            self._event_table = Table(
                ("When", "What"),
                self._watch.events,
                lambda event: (clock(event.created_at), event.message),
                "events",
                10,
            )


def _figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "–" if value is None else str(value)


def _facts(job: Any) -> list[tuple[str, str]]:
    facts = [("Base model", job.model), ("Created", day(job.created_at))]
    facts += [(name.capitalize(), value) for name, value in job_views.hyperparameters(job).items()]
    if job.trained_tokens:
        facts.append(("Trained tokens", f"{job.trained_tokens:,}"))
    return facts
