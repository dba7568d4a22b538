"""Measuring a model: ask it about examples, keep every answer on disk, grade, and say how sure.

`run` asks, `results` grades, `statistics` says what follows. Works over any OpenAI-compatible
client; knows nothing of the course, and nothing of who is asked.
"""

from workbook.evals.asking import arun as arun
from workbook.evals.asking import run as run
