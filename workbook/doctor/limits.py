"""The figures that checks compare with, and that the codes name.

What a row must have stands in `workbook.rows.rules`; what a model reads, in `workbook.prices`.
"""

MAX_BYTES = 512 * 1024 * 1024
"""Largest training file that OpenAI accepts (512 MB)."""
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
