"""Plans for work that nobody waits for: where too many others plan just now, it tries again.

Knows the lab's 429. Knows nothing of what is planned.
"""

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from workbook.lab.errors import ApiError
from workbook.lab.generation.plan import Plan

PAUSE = 1.0  # seconds


def plan_patiently(
    plan: Callable[[str, Any], Plan], endpoint: str, body: Any, stopping: threading.Event
) -> Plan:
    """What `plan` makes of a body. Raises its ApiErrors but 429; CancelledError when stopping."""
    while True:
        try:
            return plan(endpoint, body)
        except ApiError as error:
            if error.status != 429:
                raise
        if stopping.wait(PAUSE):
            raise futures.CancelledError
