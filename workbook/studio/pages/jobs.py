"""The page Jobs: all of them, as they are now.

Knows how that looks; asking stands in `workbook.studio.job_views`.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from nicegui import ui

from workbook.studio.host import Host, short
from workbook.studio.job_views import JobList, day
from workbook.studio.pages import frame
from workbook.studio.pages.widgets import Table, attempt, box, link, notice, text

SECONDS = 3.0  # between two looks


def add(host: Host) -> None:
    """Make the page."""

    @ui.page("/jobs")
    def jobs() -> None:
        with frame.page(host, "/jobs"):
            with box("between"):
                text("Jobs", "h1")
                link("New job", "/jobs/new", "button primary")
            problems, place = box("stack"), box("panel")
            listing = _Listing(host, problems, place)
            ui.timer(SECONDS, listing.look)


class _Listing:
    """The table, drawn again only where something has changed: the focus stays where it was."""

    def __init__(self, host: Host, problems: Any, place: Any) -> None:
        self._host, self._problems, self._place = host, problems, place
        self._jobs = JobList()
        self._table: Table | None = None
        self._shown: Any = None

    async def look(self) -> None:
        jobs = await attempt(self._host, self._problems, self._jobs.look, self._host)
        if jobs is None or self._place.is_deleted:
            return
        self._problems.clear()
        state = [(job.id, job.status) for job in jobs]
        if state == self._shown:
            return
        self._shown = state
        if self._table is not None and jobs:
            self._table.show(jobs)
            return
        self._place.clear()
        with self._place:
            if jobs:
                headings = ("Job", "Status", "Created", "Model", "Method")
                self._table = Table(headings, jobs, _cells, "jobs")
            else:
                notice("No jobs yet. The page Data uploads a file, and “New job” trains on it.")


def _cells(job: Any) -> Sequence[Any]:
    status = job.status
    model = job.fine_tuned_model or job.model
    return (
        partial(link, short(job.id, 26), f"/jobs/{job.id}"),
        partial(text, status.replace("_", " "), "span", f"badge {status}"),
        day(job.created_at),
        short(model, 40),
        job.method.type if job.method else "supervised",
    )
