"""The state folder: records in SQLite, bytes in folders, and who holds it."""
