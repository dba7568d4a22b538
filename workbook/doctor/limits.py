"""The figures that checks compare with, and that the codes name.

What a row must have stands in `workbook.rows.rules`; what a model reads, in `workbook.prices`.
"""

LONGEST_LINE = 160 * 1024 * 1024
"""Bytes of a line that are read at most: ten images of 10 MB in base64, as OpenAI takes, and more
text than any model reads. What a host takes of it stands in its profile."""
LONG_TEXT = 10_000
"""Characters; the removed command-line tool dropped longer prompt/completion pairs."""
ADVISED_EXAMPLES = 50
"""The number OpenAI's guide advises to start with."""
SAMPLE = 20_000
"""Rows that are compared for near duplicates and languages."""
REMEMBERED = 1_000_000
"""Different rows, and different questions, that later ones are compared with."""
MAX_FINDINGS = 10_000
"""Findings of one code that are kept; all are counted."""
