"""Lists in pages: the query's `limit` and `after`, and the records that they mean."""

import re
from typing import Any

from starlette.requests import Request

from workbook.lab.schema import ApiError
from workbook.lab.state.store import Store, Unknown


def page(
    store: Store,
    kind: type,
    request: Request,
    where: dict[str, Any],
    default: int,
    most: int = 100,
    newest_first: bool = True,
) -> tuple[list[Any], bool]:
    """The records that a list's query asks for, and whether more follow. Raises ApiError (400)."""
    limit, after = _asked(request, default, most)
    try:
        return store.page(kind, where, after, limit, newest_first)
    except Unknown:
        raise ApiError(
            400, f"Invalid 'after': there is no '{str(after)[:80]}'.", "invalid_value", "after"
        ) from None


def _asked(request: Request, default: int, most: int) -> tuple[int, str | None]:
    """The query's `limit` and `after`. Raises ApiError (400)."""
    text = request.query_params.get("limit", str(default))
    limit = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not 1 <= limit <= most:
        raise ApiError(
            400,
            f"Invalid 'limit': expected a number from 1 to {most}, but got '{text[:80]}' instead.",
            "invalid_value",
            "limit",
        )
    return limit, request.query_params.get("after")
