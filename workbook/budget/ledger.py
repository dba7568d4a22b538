"""The ledger of a budget: what was put aside and spent, in a file of its own under one name.

Holds for several threads, kernels and days. Knows lines and sums of money; nothing of requests and
of prices. Its order is that of its lines, so that a clock set back changes no sum.
"""

import contextlib
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from workbook import paths
from workbook.errors import WorkbookError
from workbook.prices import costs

TRAINING, REQUEST, BATCH, HOSTING = "training", "request", "batch", "hosting"


class OverBudgetError(WorkbookError):
    """The call could cost more than is left. Nothing was sent."""


class LedgerError(WorkbookError):
    """The ledger can't be read or written, so nothing can be counted."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. Money in USD."""

    at: str
    what: str  # TRAINING, REQUEST, BATCH or HOSTING
    model: str
    held: float  # put aside before the call: the most it can cost
    expected: float | None = None  # of a job: what the estimate expects
    spent: float | None = None  # None: not known yet (or never, if the connection broke)
    job: str | None = None  # the id of what goes on after its call: a job, a batch, a response
    tokens_estimated: int | None = None  # of a job, in the vocabulary of the model that trains
    tokens_billed: int | None = None  # `trained_tokens` of the finished job
    low: float | None = None  # of a job: the estimate's bounds
    high: float | None = None
    tokens_low: int | None = None
    tokens_high: int | None = None
    until: str | None = None  # of hosting: when the hours are over
    base: str | None = None  # of hosting: the model that was tuned


_TYPES = {"at": "TEXT", "what": "TEXT", "model": "TEXT", "job": "TEXT", "until": "TEXT"}
_TYPES |= {"base": "TEXT", "held": "REAL", "expected": "REAL", "spent": "REAL", "low": "REAL"}
_TYPES |= {"high": "REAL"}
_NAMES = [field.name for field in fields(Entry)]
_COLUMNS = ", ".join(_NAMES)


class Ledger:
    """The lines of one budget on disk; safe for threads and processes.

    Everything raises LedgerError where the file is none, can't be written, or is gone.
    """

    def __init__(self, name: str) -> None:
        self.file = folder() / f"{name}.sqlite"
        with _sentences(self.file):
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            is_new = not self.file.exists() or self.file.stat().st_size == 0
        if is_new:
            with self._open("rwc") as db:
                db.execute(
                    "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, "
                    + ", ".join(f"{name} {_TYPES.get(name, 'INTEGER')}" for name in _NAMES)
                    + ")"
                )
        with self._open() as db:
            columns = {row[1] for row in db.execute("PRAGMA table_info(entries)")}
            if not {"number", "held", "spent"} <= columns:
                raise LedgerError(_no_ledger(self.file, "it has no entries"))
            for name in _NAMES:
                if name not in columns:  # of an earlier version
                    db.execute(
                        f"ALTER TABLE entries ADD COLUMN {name} {_TYPES.get(name, 'INTEGER')}"
                    )

    @contextlib.contextmanager
    def _open(self, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """A connection in a transaction that no other writer shares.

        mode: "rwc" makes the file; else one that is gone is an error, and no new empty ledger
        """
        with _sentences(self.file):
            address = f"{self.file.absolute().as_uri()}?mode={mode}"
            db = sqlite3.connect(address, uri=True, timeout=60, isolation_level=None)
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
        _check(entry.held)
        with self._open() as db:
            spent, held = _sums(db)
            if limit is not None and not spent + held + entry.held <= limit * (1 + 1e-12):
                raise OverBudgetError(
                    f"Nothing was sent: this call may cost {costs.usd(entry.held)}, and "
                    f"{costs.usd(max(0.0, limit - spent - held))} are left of "
                    f"{costs.usd(limit)} (spent {costs.usd(spent)}, put aside {costs.usd(held)}). "
                    f"{_SMALLER[entry.what]}, or a larger budget."
                )
            return _insert(db, entry)

    def note(self, entry: Entry) -> None:
        """Keep a line for a job that no line was put aside for."""
        _check(entry.held)
        with self._open() as db:
            if db.execute("SELECT 1 FROM entries WHERE job = ?", (entry.job,)).fetchone() is None:
                _insert(db, entry)

    def settle(self, number: int, usd: float, tokens_billed: int | None = None) -> None:
        """Replace what a line put aside by what was spent."""
        _check(usd)
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


_SMALLER = {
    REQUEST: "Set max_completion_tokens lower",
    TRAINING: "Name fewer n_epochs, or fewer examples",
    BATCH: "Send fewer rows, or set their max_completion_tokens lower",
    HOSTING: "Reserve fewer hours",
}


def folder() -> Path:
    """Where the ledgers lie."""
    return paths.home() / "budgets"


def _insert(db: sqlite3.Connection, entry: Entry) -> int:
    marks = ", ".join("?" * len(_NAMES))
    cursor = db.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES ({marks})", astuple(entry))
    assert cursor.lastrowid is not None  # it is None only before an INSERT
    return cursor.lastrowid


def _check(usd: float) -> None:
    """An amount that no sum and no comparison can go wrong with. Raises LedgerError."""
    if not (math.isfinite(usd) and usd >= 0):
        raise LedgerError(f"{usd} dollars is no amount that can be put aside or spent.")


def _sums(db: sqlite3.Connection) -> tuple[float, float]:
    spent, held = db.execute(
        "SELECT coalesce(sum(spent), 0.0), "
        "coalesce(sum(CASE WHEN spent IS NULL THEN held END), 0.0) FROM entries"
    ).fetchone()
    return spent, held


@contextlib.contextmanager
def _sentences(file: Path) -> Iterator[None]:
    """What sqlite and the disk say, as a sentence with what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        reason = str(error)
        if "locked" in reason:
            raise LedgerError(f"Another program holds {file}. Close it, then try again.") from None
        if "readonly" in reason or "unable to open" in reason or "full" in reason:
            raise LedgerError(
                f"The ledger {file} can't be written ({reason}), so nothing can be counted. "
                "Make it and its folder writable; WORKBOOK_HOME names another place."
            ) from None
        raise LedgerError(_no_ledger(file, reason)) from None
    except sqlite3.DatabaseError as error:
        raise LedgerError(_no_ledger(file, str(error))) from None
    except OSError as error:
        raise LedgerError(
            f"The ledger {file} can't be made: {error.strerror}. WORKBOOK_HOME names another place."
        ) from None


def _no_ledger(file: Path, reason: str) -> str:
    return (
        f"{file} is no ledger of a budget ({reason}). Nothing was changed. Look at it; to begin "
        "a new ledger, give it another name."
    )
