"""Lines of a stream, of which none can fill the memory. Knows nothing of what stands on them."""

import math
from collections.abc import Iterator
from typing import IO, AnyStr

from workbook.doctor.limits import LONGEST_LINE
from workbook.doctor.lines import Line


def bounded_lines(stream: IO[AnyStr], size: float = math.inf) -> Iterator[AnyStr]:
    """The lines of the next `size` bytes; of one longer than LONGEST_LINE, a bit more than that."""
    while size > 0 and (line := stream.readline(LONGEST_LINE + 1)):
        size -= len(line)
        rest = line
        while len(rest) >= LONGEST_LINE and rest[-1:] not in ("\n", b"\n"):
            rest = stream.readline(LONGEST_LINE)
            size -= len(rest)
        yield line


def too_long(number: int, start: str) -> Line:
    """The line in the place of one that is longer than LONGEST_LINE."""
    message = f"the line is longer than {LONGEST_LINE // 2**20} MiB"
    return Line.unreadable(number, ("long-line", message, start[:60]))
