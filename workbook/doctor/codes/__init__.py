"""The codes of all that can be wrong with fine-tuning data, why it matters, and what to do.

Knows no data: what brings a code up stands in `row_checks`, for a set in `set_checks`, for a file
in `readers`, for a job in `job_checks`.
"""

from workbook.doctor.codes.code import SEVERITIES, Code
from workbook.doctor.codes.of_files import FILE_CODES, JOB_CODES
from workbook.doctor.codes.of_rows import ROW_CODES
from workbook.doctor.codes.of_sets import SET_CODES
from workbook.doctor.codes.of_texts import TEXT_CODES

__all__ = ["CODES", "SEVERITIES", "Code"]

CODES: dict[str, Code] = {**FILE_CODES, **JOB_CODES, **ROW_CODES, **TEXT_CODES, **SET_CODES}
"""Every code that a report can hold, in the order in which reports count them."""
