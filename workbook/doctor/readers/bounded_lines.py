"""Lines of a stream, of which none can fill the memory. Knows nothing of what stands on them."""

import math
from collections.abc import Iterator
from typing import IO, AnyStr

from workbook.doctor.lines import Line
from workbook.rows.rules import MAX_LINE


def bounded_lines(stream: IO[AnyStr], size: float = math.inf) -> Iterator[AnyStr]:
    """The lines of the next `size` bytes; of one longer than MAX_LINE, a bit more than that."""
    while size > 0 and (line := stream.readline(MAX_LINE + 1)):
        size -= len(line)
        rest = line
        while len(rest) >= MAX_LINE and rest[-1:] not in ("\n", b"\n"):
            rest = stream.readline(MAX_LINE)
            size -= len(rest)
        yield line


def too_long(number: int, start: str) -> Line:
    """The line in the place of one that is longer than MAX_LINE."""
    message = f"the line is longer than {MAX_LINE // 2**20} MiB"
    return Line.unreadable(number, ("long-line", message, start[:60]))
