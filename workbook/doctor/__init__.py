"""The dataset doctor: read fine-tuning data, check it, mend it, convert it, split it, write it.

The public door. Inside, modules import each other and not this one.
"""

from workbook.doctor.checking import check, check_files
from workbook.doctor.codes import CODES
from workbook.doctor.conversion import FORMATS, convert, to_chat, to_prompt_completion
from workbook.doctor.errors import ConversionError, DatasetError
from workbook.doctor.findings import Finding
from workbook.doctor.fixes import FIXES
from workbook.doctor.losses import DataLossWarning, Losses
from workbook.doctor.reading import read, stream
from workbook.doctor.report import Report
from workbook.doctor.splitting import answer_of, question_of, split, split_places
from workbook.doctor.writing import write

__all__ = [
    "CODES",
    "FIXES",
    "FORMATS",
    "ConversionError",
    "DataLossWarning",
    "DatasetError",
    "Finding",
    "Losses",
    "Report",
    "answer_of",
    "check",
    "check_files",
    "convert",
    "question_of",
    "read",
    "split",
    "split_places",
    "stream",
    "to_chat",
    "to_prompt_completion",
    "write",
]
