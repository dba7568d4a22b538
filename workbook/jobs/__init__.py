"""Fine-tuning jobs on any backend: sending a file, following a job, reading its results."""

from workbook.jobs.results import ENDED, decode, find, result_text, results

__all__ = ["ENDED", "decode", "find", "result_text", "results"]
