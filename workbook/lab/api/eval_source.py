"""Where the items of an eval's run come from: sent along, or lines of an uploaded file.

Knows OpenAI's sources; knows nothing of what becomes of the items.
"""

from typing import Any

from workbook import strict_json
from workbook.lab.errors import ApiError
from workbook.lab.state.records import File, UnknownIdError
from workbook.lab.state.store import Store
from workbook.lab.training import training_file

MAX_ITEMS = 10_000  # of a run


def rows_of(source: dict[str, Any], store: Store) -> list[dict[str, Any]]:
    """The source's rows: {"item": …}, perhaps with "sample". Raises ApiError (400)."""
    if source["type"] == "file_content":
        rows: list[dict[str, Any]] = source["content"]
    elif source["type"] == "file_id":
        rows = _rows_of_file(source["id"], store)
    else:
        message = "The lab stores no answers to judge. Send items as file_content or file_id."
        raise ApiError(400, message, "unsupported_parameter", "data_source.source.type")
    if not 1 <= len(rows) <= MAX_ITEMS:
        message = f"A run has 1 to {MAX_ITEMS:,} items; send more in several runs."
        raise ApiError(400, message, "invalid_value", "data_source.source")
    return rows


def _rows_of_file(file_id: str, store: Store) -> list[dict[str, Any]]:
    store.expire_files()
    param = "data_source.source.id"
    try:
        path = store.path(store.get(File, file_id).id)
    except UnknownIdError:
        message = f"No such File object: {file_id[:80]}"
        raise ApiError(400, message, "file_not_found", param) from None
    rows = []
    for number, line in training_file.lines(path):
        try:
            row = strict_json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("item"), dict):
            message = f'Line {number} is not a JSON object like {{"item": {{…}}}}.'
            raise ApiError(400, message, "invalid_jsonl", param)
        rows.append(row)
        if len(rows) > MAX_ITEMS:
            break
    return rows
