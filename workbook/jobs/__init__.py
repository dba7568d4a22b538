"""Fine-tuning jobs on any backend: sending a file, following a job, reading its results."""

from workbook.jobs.results import (
    ENDED,
    best_checkpoint,
    decode,
    find,
    model_of,
    result_text,
    results,
    unfinished,
)

__all__ = [
    "ENDED",
    "best_checkpoint",
    "decode",
    "find",
    "model_of",
    "result_text",
    "results",
    "unfinished",
]
