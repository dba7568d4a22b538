"""A budget that holds: `Budget(usd, backend).client` refuses the call that could exceed it."""

from workbook.budget.budget import Budget, Entry, NotCountable, OverBudget

__all__ = ["Budget", "Entry", "NotCountable", "OverBudget"]
