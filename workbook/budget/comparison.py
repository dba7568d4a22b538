"""Estimate and actual side by side: for each training job what was foreseen, and what it took.

Reads the ledgers of all budgets, and one for the jobs that no budget paid for, which `keep` fills
when a job has ended. Knows jobs and their files through the plain `openai` client.
"""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbook import backends, display
from workbook.budget.answers import is_count
from workbook.budget.charges import Charges, cheapest_open
from workbook.budget.ledger import TRAINING, Entry, Ledger, folder
from workbook.errors import WorkbookError
from workbook.prices import costs, registry

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

WITHOUT_BUDGET = "jobs without a budget"  # the name of their ledger


def keep(client: "OpenAI", job: "FineTuningJob", host: str | None = None) -> bool:
    """Note what a job that has ended was expected to cost and did, unless it is noted already.

    The estimate is made from its files, as it would have been before it ran. On the lab money is
    what the same work would have cost with the cheapest model that OpenAI's customers can tune.

    host: a backend's name; by default the one that the client's address leads to
    The value says whether the job stands in a ledger now: not one that reports no `trained_tokens`,
    nor one whose files are gone or whose model has no price.
    """
    trained = getattr(job, "trained_tokens", None)  # not every host says it
    if job.status not in ("succeeded", "cancelled") or not is_count(trained) or not trained:
        return False
    import openai

    try:
        return _keep(client, job, host or backends.called_by(client), trained)
    except (openai.OpenAIError, WorkbookError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _keep(client: "OpenAI", job: "FineTuningJob", host: str, trained: int) -> bool:
    if any(ledger.of_job(job.id) for ledger in _ledgers()):
        return True
    like = cheapest_open() if host == "lab" else None
    charges = Charges(host, like, str(client.base_url.host))
    bill = charges.job(_body(job), lambda id_: _rows(client, id_))
    entry = Entry(
        datetime.fromtimestamp(job.created_at, UTC).isoformat(timespec="seconds"),
        TRAINING,
        job.model,
        held=bill.usd_most,
        expected=bill.estimate.usd,
        job=job.id,
        tokens_estimated=bill.tokens,
        tokens_billed=trained,
        low=bill.estimate.usd_low,
        high=bill.estimate.usd_high,
        tokens_low=bill.tokens_low,
        tokens_high=bill.tokens_high,
    )
    usd = charges.finished_job(entry, trained)
    Ledger(WITHOUT_BUDGET).note(Entry(**vars(entry) | {"spent": usd}))
    return True


def rows() -> list[dict[str, Any]]:
    """A row for each training job of every ledger on this machine, oldest first."""
    entries = [entry for ledger in _ledgers() for entry in ledger.entries()]
    jobs = [entry for entry in entries if entry.what == TRAINING and entry.expected is not None]
    return [row(entry) for entry in sorted(jobs, key=lambda entry: entry.at)]


def show() -> None:
    """The table of all jobs, in a notebook or a terminal."""
    table = rows()
    if table:
        # What a job that goes on, or an early ledger, does not tell is no "None".
        display.table(
            {name: "not known yet" if cell is None else cell for name, cell in each.items()}
            for each in table
        )
        if any(registry.base_of(each["model"])[0] == registry.lab().id for each in table):
            display.box(
                "Jobs on the lab cost nothing. Their dollars are what the same work would have "
                f"cost with {cheapest_open().label}."
            )
    else:
        display.box(
            "No training job is noted yet: once one has ended, estimate and bill stand here."
        )


def row(entry: Entry) -> dict[str, Any]:
    """Estimate, `trained_tokens` and cost of one job, as text where there is a unit."""
    return {
        "job": entry.job or "",
        "model": entry.model,
        "tokens estimated": entry.tokens_estimated,
        "at least to at most": _span(entry.tokens_low, entry.tokens_high, "{:,}".format),
        "trained_tokens": entry.tokens_billed,
        "off by": _off(entry),
        "expected": "" if entry.expected is None else costs.usd(entry.expected),
        "low to high": _span(entry.low, entry.high, costs.usd),
        "cost": "not known yet" if entry.spent is None else costs.usd(entry.spent),
        "difference": _difference(entry),
    }


def _ledgers() -> list[Ledger]:
    """Those that can be read; a file that is none is passed over."""
    ledgers = []
    for file in sorted(folder().glob("*.sqlite")):
        try:
            ledgers.append(Ledger(file.stem))
        except WorkbookError:
            continue
    return ledgers


def _span(low: Any, high: Any, text: Any) -> str:
    return "" if low is None or high is None else f"{text(low)} to {text(high)}"


def _off(entry: Entry) -> str:
    """By how much the bill's tokens differ from the estimate's."""
    if entry.tokens_billed is None or not entry.tokens_estimated:
        return ""
    return f"{entry.tokens_billed / entry.tokens_estimated - 1:+.1%}"


def _difference(entry: Entry) -> str:
    if entry.spent is None or entry.expected is None:
        return ""
    usd = entry.spent - entry.expected
    return f"{'+' if usd > 0 else ''}{costs.usd(usd)}"


def _body(job: "FineTuningJob") -> dict[str, Any]:
    """The request that made a job."""
    body = {
        "model": job.model,
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "method": job.method.to_dict() if job.method else None,
        "hyperparameters": job.hyperparameters.to_dict() if job.hyperparameters else None,
    }
    return {name: value for name, value in body.items() if value}


def _rows(client: "OpenAI", file_id: str) -> list[dict[str, Any]]:
    content = client.files.content(file_id).read().decode("utf-8-sig")
    return [json.loads(line) for line in content.split("\n") if line.strip()]
