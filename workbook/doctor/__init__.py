"""The dataset doctor: read fine-tuning data, check it, mend it, convert it, split it, write it."""

from workbook.doctor.checking import (
    CODES,
    DatasetError,
    Finding,
    Report,
    check,
    check_files,
    read,
    split,
    stream,
    to_chat,
    to_prompt_completion,
    write,
)

__all__ = [
    "CODES",
    "DatasetError",
    "Finding",
    "Report",
    "check",
    "check_files",
    "read",
    "split",
    "stream",
    "to_chat",
    "to_prompt_completion",
    "write",
]
