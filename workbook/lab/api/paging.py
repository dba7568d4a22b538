"""Lists in pages: the query's `limit` and `after`, and the records that they mean."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from workbook.lab.errors import ApiError
from workbook.lab.state.records import Record, UnknownIdError
from workbook.lab.state.store import Store


def page(
    store: Store,
    kind: type[Record],
    request: Request,
    where: Mapping[str, Any],
    default: int = 20,
    most: int = 100,
    newest_first: bool = True,
) -> tuple[list[Record], bool]:
    """The records that a list's query asks for, and whether more follow.

    where: see `Database.page`.
    default: of the query's `limit`, which may be up to `most`.
    Raises ApiError (400).
    """
    limit = _limit(request, default, most)
    after = request.query_params.get("after")
    try:
        return store.page(kind, where, after, limit, newest_first)
    except UnknownIdError:
        raise ApiError(
            400, f"Invalid 'after': there is no '{str(after)[:80]}'.", "invalid_value", "after"
        ) from None


def _limit(request: Request, default: int, most: int) -> int:
    text = request.query_params.get("limit", str(default))
    limit = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not 1 <= limit <= most:
        raise ApiError(
            400,
            f"Invalid 'limit': expected a number from 1 to {most}, but got '{text[:80]}' instead.",
            "invalid_value",
            "limit",
        )
    return limit
