"""What a job will cost: shown before anything is sent, and held against a limit.

One plans with the most that it can cost. Knows the files of a job and the models of a backend; says
what it finds on standard error, as `send` does.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbook import backends, confirm, epochs
from workbook.errors import RefusedError, WorkbookError
from workbook.prices import costs, estimates
from workbook.prices.costs import Estimate

UNKNOWN = "at a price that is not known here"


@dataclass(frozen=True)
class Price:
    """The estimate of a job; None where its host's price is not known.

    n_epochs: as asked for; None where the host chooses
    """

    estimate: Estimate | None
    n_epochs: int | None

    @property
    def usd_most(self) -> float | None:
        """The most that the job can cost, also with the most epochs that the host may choose.

        None where that can't be known: no price, or something that no rule counts.
        """
        if self.estimate is None or self.estimate.gaps:
            return None
        factor = 1.0 if self.n_epochs else max(1.0, epochs.MOST / self.estimate.n_epochs)
        return self.estimate.usd_high * factor

    def __str__(self) -> str:
        if self.estimate is None:
            return UNKNOWN
        planned = f"at most {costs.usd(self.estimate.usd_high)}"
        times = f"{self.estimate.n_epochs} epochs"
        if not self.n_epochs:
            times += ", which the host chooses; --epochs says how many"
        return f"{planned} ({costs.usd(self.estimate.usd)} expected; {times})"


def of_job(
    backend: backends.Backend,
    training: bytes,
    validation: bytes = b"",
    n_epochs: int | None = None,
) -> Price:
    """The price of training on these files, at this backend's own prices.

    training, validation: what the files hold
    """
    model = backend.registered()
    rows, held_out = list(_rows(training)), list(_rows(validation))
    if model is None or not rows:
        return Price(None, n_epochs)
    try:
        return Price(estimates.job(rows, model, n_epochs, held_out), n_epochs)
    except WorkbookError:  # no price, or a vocabulary that is not here
        return Price(None, n_epochs)


def agree(
    backend: backends.Backend, price: Price, agreed: bool, max_usd: float | None = None
) -> None:
    """Show the price of a hosted job and have it agreed to. Raises RefusedError when it is not.

    agreed: beforehand
    max_usd: the most that the job may cost; one that can cost more is refused before the question
    """
    if backend.is_lab:
        return
    what = f"A job on {backend.model}"
    for notice in price.estimate.notices() if price.estimate else []:
        print(f"Take care. {notice}", file=sys.stderr)
    if max_usd is not None:
        _hold(what, price, max_usd)
    question = f"{what}: {price} on {backend.title}."
    if agreed:
        print(question, file=sys.stderr)
    elif not confirm.agrees(question, "--yes agrees to the price beforehand."):
        raise RefusedError("Not confirmed, so nothing was sent.")
    backend.confirm(what, price.estimate.usd_high if price.estimate else None, agreed=True)


def _hold(what: str, price: Price, max_usd: float) -> None:
    most = price.usd_most
    if most is None:
        raise RefusedError(
            f"Nothing was sent: what this job can cost is not known, so --max-usd {max_usd:g} "
            "can't hold. Leave --max-usd out to decide yourself; prices of your own go into "
            "models.json (`workbook prices --help`)."
        )
    if most > max_usd:
        epochs_left_open = "" if price.n_epochs else " with the most epochs that a host chooses"
        raise RefusedError(
            f"Nothing was sent: {what[0].lower()}{what[1:]} can cost {costs.usd(most)}"
            f"{epochs_left_open}, more than --max-usd {costs.usd(max_usd)}. Name fewer --epochs, "
            "take fewer examples, or raise the limit."
        )


def content(backend: backends.Backend, name: str, is_id: bool) -> bytes:
    """What a file holds: one on this machine, or one that was uploaded."""
    if is_id:
        return backend.client.files.content(name).read()
    return Path(name).read_bytes()


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    """The rows that can be read; of others nothing is trained."""
    for line in data.decode("utf-8-sig", "replace").split("\n"):
        with contextlib.suppress(ValueError, RecursionError):
            row = json.loads(line)
            if isinstance(row, dict):
                yield row
