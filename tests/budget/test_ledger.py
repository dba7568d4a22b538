"""The ledger: it never forgets, and holds for several kernels."""

import subprocess
import sys

import pytest
from budgets import REAL, ask, backend, confirmed_budget

from workbook import paths
from workbook.budget import Budget, OverBudgetError
from workbook.errors import WorkbookError


def test_it_holds_after_a_kernel_restart(server, yes):
    ask(confirmed_budget(server))
    again = "from workbook.budget.ledger import Ledger; print(Ledger('course').sums()[0])"
    done = subprocess.run(
        [sys.executable, "-c", again], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(REAL)
    later = Budget(1.0, backend(server))  # as a fresh kernel would
    assert later.spent == pytest.approx(REAL)
    with pytest.raises(WorkbookError, match="Nothing was sent"):  # and it asks again
        ask(later)
    smaller = confirmed_budget(server, usd=1.1 * REAL + 0.001)
    with pytest.raises(OverBudgetError):
        ask(smaller, max_completion_tokens=2000)
    assert Budget(1.0, backend(server), name="another").spent == 0


HOLDING = """
from workbook.budget.ledger import Entry, Ledger, OverBudgetError
ledger, done = Ledger("shared"), 0
for _ in range(10):
    try:
        ledger.hold(1.0, Entry("", "request", "m", 0.1))
        done += 1
    except OverBudgetError:
        pass
print(done)
"""


def test_it_holds_for_several_kernels_at_once(home):
    kernels = [
        subprocess.Popen([sys.executable, "-c", HOLDING], cwd=paths.ROOT, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert sum(int(kernel.communicate()[0]) for kernel in kernels) == 10
