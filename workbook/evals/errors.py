"""What goes wrong while measuring."""

from workbook.errors import WorkbookError


class EvaluationError(WorkbookError):
    """An evaluation that can't begin or did not end; says how much of it is kept."""
