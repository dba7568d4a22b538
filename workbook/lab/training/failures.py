"""Why a training ended before its end: a code, and a sentence for the job's owner.

Knows errors by their kind; nothing of what raised them.
"""

from workbook.errors import WorkbookError


class UnrecoverableError(Exception):
    """The job cannot be trained, however often it is tried: a code and a sentence for its owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def describe(error: Exception) -> tuple[str, str]:
    """Code and message of what ended a training."""
    if isinstance(error, UnrecoverableError):
        return error.code, str(error)
    # Of the processor's memory torch speaks in a RuntimeError, of a GPU's in a class of its own.
    full = "DefaultCPUAllocator" in str(error) or type(error).__name__ == "OutOfMemoryError"
    if full or isinstance(error, MemoryError):
        return "out_of_memory", (
            "The training ran out of memory. Close other programs, shorten the longest examples, "
            "or use a smaller batch_size, then create the job again."
        )
    if isinstance(error, OSError):
        reason = error.strerror or error
        return "disk_error", f"The job's files could not be read or written: {reason}."
    if isinstance(error, WorkbookError):
        return "training_process_died", str(error)
    return "training_process_died", (
        f"The training stopped at an error that the lab did not expect: {type(error).__name__}: "
        f"{str(error)[:300]}. More is in trainer.log, in the job's folder. The lab goes on."
    )
