"""Rows in memory, in whatever holds them: a list, a table of pandas or polars, an object of lists.

Knows tables by what they can do; imports none of these libraries.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbook.doctor.readers.json_tables import rows_in


def rows_of(data: Iterable[Any]) -> Sequence[Any]:
    """The rows, one after the other."""
    if isinstance(data, Mapping):
        rows, problems = rows_in(data)
        is_whole = rows is not None and all(code == "json-list" for code, _, _ in problems)
        return rows if rows is not None and is_whole else [data]
    if callable(to_dicts := getattr(data, "to_dicts", None)):  # polars
        return list(to_dicts())
    if callable(to_dict := getattr(data, "to_dict", None)) and hasattr(data, "columns"):  # pandas
        return list(to_dict("records"))
    return data if isinstance(data, Sequence) else list(data)
