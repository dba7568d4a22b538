"""Evals, their runs and items: what is counted and removed together.

Knows the store's records; knows nothing of how answers are made or judged.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from workbook.lab.state.database import placeholders
from workbook.lab.state.records import Eval, EvalItem, EvalRun, RunStatus
from workbook.lab.state.store import Store

RUN_UNFINISHED: tuple[RunStatus, ...] = ("queued", "in_progress")


class RunTotals(NamedTuple):
    """What a run has come to.

    counts: of items: total, passed, failed, errored.
    criteria: name of a criterion to items that passed and failed it.
    usage: prompt_tokens, completion_tokens, total_tokens, cached_tokens, and invocation_count.
    """

    counts: dict[str, int]
    criteria: dict[str, tuple[int, int]]
    usage: dict[str, int]


class Evals:
    """The evals of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def update_eval(self, id: str, **changes: Any) -> None:
        """Give an eval another name or other metadata."""
        values = [self._store.to_column(name, value) for name, value in changes.items()]
        sets = ", ".join(f"{name} = ?" for name in changes)
        self._store.change(f"UPDATE evals SET {sets} WHERE id = ?", *values, id)

    def add_run(self, run: EvalRun, items: Iterable[EvalItem]) -> None:
        """Write a new run with all of its items, or nothing."""
        with self._store.transaction():
            self._store.add(run)
            for item in items:
                self._store.add(item)

    def first_runs(self) -> list[tuple[str, EvalRun]]:
        """Each owner, and their oldest run that is not finished; the oldest of all is the first."""
        sql = (
            "SELECT eval_runs.*, evals.owner AS owner, min(eval_runs.number) "
            "FROM eval_runs JOIN evals ON evals.id = eval_id "
            f"WHERE status IN ({placeholders(RUN_UNFINISHED)}) "
            "GROUP BY evals.owner ORDER BY eval_runs.number"
        )
        rows = self._store.rows(sql, *RUN_UNFINISHED)
        return [(row["owner"], self._store.record(EvalRun, row)) for row in rows]

    def update_run(self, id: str, only_if: Iterable[RunStatus], **changes: Any) -> bool:
        """Change a run if its status is one of `only_if`; False when it is not."""
        return self._store.update(EvalRun, id, only_if, changes)

    def waiting_items(self, run_id: str, after: int, limit: int) -> list[EvalItem]:
        """The next items of a run that are not judged, from a place on."""
        sql = (
            "SELECT * FROM eval_items WHERE run_id = ? AND done = 0 AND place >= ? "
            "ORDER BY place LIMIT ?"
        )
        rows = self._store.rows(sql, run_id, after, limit)
        return [self._store.record(EvalItem, row) for row in rows]

    def judge(self, item: EvalItem, status: str, results: list[dict], sample: dict) -> None:
        """Write down what an item has come to."""
        changes = {"done": 1, "status": status, "results": results, "sample": sample}
        values = [self._store.to_column(name, value) for name, value in changes.items()]
        sets = ", ".join(f"{name} = ?" for name in changes)
        with self._store.transaction():
            self._store.change(f"UPDATE eval_items SET {sets} WHERE id = ?", *values, item.id)

    def totals(self, evaluation: Eval, run: EvalRun) -> RunTotals:
        """Counted from the items, so that nothing is counted twice after a restart."""
        counts = {"total": 0, "passed": 0, "failed": 0, "errored": 0}
        names = {"pass": "passed", "fail": "failed", "error": "errored"}
        sql = "SELECT status, count(*) AS n FROM eval_items WHERE run_id = ? GROUP BY status"
        for row in self._store.rows(sql, run.id):
            counts["total"] += row["n"]
            if row["status"] in names:
                counts[names[row["status"]]] = row["n"]
        criteria = {criterion["name"]: (0, 0) for criterion in evaluation.criteria}
        sql = (
            "SELECT json_extract(value, '$.name') AS name, count(*) AS n, "
            "sum(json_extract(value, '$.passed')) AS passed "
            "FROM eval_items, json_each(results) WHERE run_id = ? AND done = 1 GROUP BY 1"
        )
        for row in self._store.rows(sql, run.id):
            criteria[row["name"]] = (row["passed"], row["n"] - row["passed"])
        fields = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
        sums = ", ".join(
            f"coalesce(sum(json_extract(sample, '$.usage.{name}')), 0) AS {name}" for name in fields
        )
        sql = (
            f"SELECT {sums}, count(*) AS invocation_count FROM eval_items "
            "WHERE run_id = ? AND done = 1 AND json_extract(sample, '$.usage.total_tokens') > 0"
        )
        [row] = self._store.rows(sql, run.id)
        return RunTotals(counts, criteria, dict(row))

    def delete_run(self, run_id: str) -> None:
        """Forget a run and its items. Raises UnknownIdError."""
        with self._store.transaction():
            self._store.delete(EvalRun, run_id)
            self._store.change("DELETE FROM eval_items WHERE run_id = ?", run_id)

    def delete_eval(self, eval_id: str) -> None:
        """Forget an eval with its runs. Raises UnknownIdError."""
        with self._store.transaction():
            self._store.delete(Eval, eval_id)
            for row in self._store.rows("SELECT id FROM eval_runs WHERE eval_id = ?", eval_id):
                self.delete_run(row["id"])
