"""A budget that holds: `Budget(usd, backend).client` refuses the call that could exceed it."""

from workbook.budget.budget import Budget
from workbook.budget.ledger import Entry, LedgerError, OverBudgetError
from workbook.budget.usage import NotCountableError

__all__ = ["Budget", "Entry", "LedgerError", "NotCountableError", "OverBudgetError"]
