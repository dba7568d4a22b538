"""The errors a student may meet. Each message says what went wrong, where, and what to do now."""


class WorkbookError(Exception):
    """A mistake or a fault that has a plain explanation; notebooks show it without a traceback."""


class RefusedError(WorkbookError):
    """Nothing was sent, written or deleted: a file has errors, or nobody agreed."""
