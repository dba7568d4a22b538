"""The ledger of a budget: what was put aside and spent, in a file of its own under one name.

Holds for several threads, kernels and days. Knows lines and sums of money; nothing of requests and
of prices.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from workbook import paths
from workbook.errors import WorkbookError
from workbook.prices import costs


class OverBudgetError(WorkbookError):
    """The call could cost more than is left. Nothing was sent."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: a request or a training job. Money in USD."""

    at: str
    what: str
    model: str
    held: float  # put aside before the call: the most it can cost
    expected: float | None = None  # of a job: what the estimate expects
    spent: float | None = None  # None: not known yet (or never, if the connection broke)
    job: str | None = None
    tokens_estimated: int | None = None  # of a job, in the vocabulary of the model that trains
    tokens_billed: int | None = None  # `trained_tokens` of the finished job


_COLUMNS = "at, what, model, held, expected, spent, job, tokens_estimated, tokens_billed"


class Ledger:
    """The lines of one budget on disk; safe for threads and processes."""

    def __init__(self, name: str) -> None:
        folder = paths.home() / "budgets"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._file = folder / f"{name}.sqlite"
        with self._open() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, at TEXT, "
                "what TEXT, model TEXT, held REAL, expected REAL, spent REAL, job TEXT, "
                "tokens_estimated INTEGER, tokens_billed INTEGER)"
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction that no other writer shares."""
        db = sqlite3.connect(self._file, timeout=60, isolation_level=None)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        finally:
            db.close()  # what was not committed is undone

    def hold(self, limit: float | None, entry: Entry) -> int:
        """Put `entry.held` aside; the value is the line's number.

        limit: the most that may be spent and put aside in all; None: no limit.
        Raises OverBudgetError where it would be exceeded.
        """
        with self._open() as db:
            spent, held = _sums(db)
            if limit is not None and spent + held + entry.held > limit * (1 + 1e-12):
                raise OverBudgetError(
                    f"Nothing was sent: this call may cost {costs.usd(entry.held)}, and "
                    f"{costs.usd(max(0.0, limit - spent - held))} are left of "
                    f"{costs.usd(limit)} (spent {costs.usd(spent)}, put aside {costs.usd(held)}). "
                    "Set max_completion_tokens lower, or a larger budget."
                )
            cursor = db.execute(
                f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                astuple(entry),
            )
            assert cursor.lastrowid is not None  # it is None only before an INSERT
            return cursor.lastrowid

    def settle(self, number: int, usd: float, tokens_billed: int | None = None) -> None:
        """Replace what a line put aside by what was spent."""
        with self._open() as db:
            db.execute(
                "UPDATE entries SET spent = ?, tokens_billed = ? WHERE number = ?",
                (usd, tokens_billed, number),
            )

    def name_job(self, number: int, job: str) -> None:
        """Note the id of the job that a line paid for."""
        with self._open() as db:
            db.execute("UPDATE entries SET job = ? WHERE number = ?", (job, number))

    def of_job(self, job: str) -> tuple[int, Entry] | None:
        """The line of the job with this id, and its number."""
        with self._open() as db:
            query = f"SELECT {_COLUMNS}, number FROM entries WHERE job = ?"
            row = db.execute(query, (job,)).fetchone()
        return (row[-1], Entry(*row[:-1])) if row else None

    def sums(self) -> tuple[float, float]:
        """USD spent, and USD put aside for what has not ended."""
        with self._open() as db:
            return _sums(db)

    def entries(self) -> list[Entry]:
        """Every line, oldest first."""
        with self._open() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM entries ORDER BY number").fetchall()
        return [Entry(*row) for row in rows]


def _sums(db: sqlite3.Connection) -> tuple[float, float]:
    spent, held = db.execute(
        "SELECT coalesce(sum(spent), 0.0), "
        "coalesce(sum(CASE WHEN spent IS NULL THEN held END), 0.0) FROM entries"
    ).fetchone()
    return spent, held
