"""How much is kept for those whose work is being done: files, parts of files, tuned models.

Knows the store's records and folders; knows nothing of how much is allowed.
"""

from workbook.lab.state import inventory
from workbook.lab.state.database import of_owner
from workbook.lab.state.records import File, Model, Part
from workbook.lab.state.store import Store
from workbook.lab.state.tables import TABLES


def stored_bytes(store: Store) -> int:
    """Bytes on disk; a job's own hold on a file is not counted again."""
    total = 0
    for kind in (File, Part):
        mine, names = of_owner(kind)
        sql = f"SELECT coalesce(sum(bytes), 0) AS n FROM {TABLES[kind]} WHERE {mine}"
        total += store.rows(sql, *names)[0]["n"]
    mine, names = of_owner(Model)
    for row in store.rows(f"SELECT DISTINCT folder FROM models WHERE {mine}", *names):
        total += inventory.size(store.folder / row["folder"])
    return total
