"""What can be wrong with a set of examples: repetition, contradiction, imbalance, leaks.

Each check is shown the examples one after the other, as `workbook.doctor.fingerprints` has them.
Single rows are looked at in `workbook.doctor.row_checks`.
"""

from workbook.doctor.set_checks.balance import FormatMix, Labels, Refusals
from workbook.doctor.set_checks.check import SetCheck
from workbook.doctor.set_checks.repetition import Contradictions, Duplicates, NearDuplicates
from workbook.doctor.set_checks.style import Languages, Quotes, Style, Systems


def checks(labels: Labels) -> list[SetCheck]:
    """One of each, for one file.

    labels: the one that is asked afterwards which labels there are.
    """
    return [
        FormatMix(),
        Duplicates(),
        Contradictions(),
        labels,
        Systems(),
        Refusals(),
        Languages(),
        Style(),
        Quotes(),
        NearDuplicates(),
    ]
