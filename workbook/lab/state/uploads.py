"""Files that come in parts: what is kept of them until they are whole.

Knows the store's records and files; knows nothing of HTTP.
"""

import contextlib
import hashlib
import secrets
from pathlib import Path

from workbook.lab.ids import new_id, now
from workbook.lab.state.database import placeholders
from workbook.lab.state.records import File, Part, UnknownIdError, Upload
from workbook.lab.state.store import Store

LIFETIME = 3600  # seconds that parts are waited for, as OpenAI
_BLOCK = 2**20


class UploadError(ValueError):
    """Why the parts do not make the file that was announced."""


class Uploads:
    """The uploads of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, filename: str, purpose: str, size: int, lifetime: int | None) -> Upload:
        """A new upload of a file of `size` bytes."""
        created_at = now()
        upload = Upload(
            id=new_id("upload_"),
            status="pending",
            filename=filename,
            purpose=purpose,
            bytes=size,
            created_at=created_at,
            expires_at=created_at + LIFETIME,
            lifetime=lifetime,
        )
        self._store.add(upload)
        return upload

    def get(self, id: str) -> Upload:
        """The upload, expired if its time is over. Raises UnknownIdError."""
        self.expire()
        return self._store.get(Upload, id)

    def expire(self) -> None:
        """End the uploads whose time is over."""
        sql = "SELECT id FROM uploads WHERE status = 'pending' AND expires_at <= ?"
        for row in self._store.rows(sql, now()):
            self.end(row["id"], "expired")

    def end(self, id: str, status: str) -> bool:
        """Drop the parts of a pending upload; False when it is not pending."""
        ended = self._store.update(Upload, id, ["pending"], {"status": status})
        if ended:
            self._drop_parts(id)
        return ended

    def add_part(self, upload: Upload, source: Path) -> Part:
        """Take over the bytes at `source` as a part. Raises UploadError."""
        part = Part(new_id("part_"), upload.id, source.stat().st_size, now())
        with self._store.transaction():
            sum_ = "SELECT coalesce(sum(bytes), 0) AS n FROM parts WHERE upload_id = ?"
            [row] = self._store.rows(sum_, upload.id)
            if row["n"] + part.bytes > upload.bytes:
                raise UploadError(
                    f"the parts have {row['n'] + part.bytes:,} bytes, and {upload.bytes:,} were "
                    "announced"
                )
            self._store.keep(source, part)
        return part

    def complete(self, upload: Upload, part_ids: list[str], md5: str | None) -> File | None:
        """Make a file of the parts, in this order; None when the upload is not pending any more.

        Raises UploadError.
        """
        store = self._store
        sql = f"SELECT id FROM parts WHERE upload_id = ? AND id IN ({placeholders(part_ids)})"
        known = {row["id"] for row in store.rows(sql, upload.id, *part_ids)}
        if missing := [id for id in part_ids if id not in known]:
            raise UploadError(f"there is no part '{missing[0][:80]}' of this upload")
        if len(known) < len(part_ids):
            raise UploadError("a part is named twice")
        whole = store.uploads() / secrets.token_hex(16)
        try:
            size, digest = self._join(part_ids, whole)
            if size != upload.bytes:
                raise UploadError(
                    f"the parts have {size:,} bytes, and {upload.bytes:,} were announced"
                )
            if md5 is not None and md5.lower() != digest:
                raise UploadError(f"the md5 of the parts is {digest}, and not {md5[:40]}")
            with store.transaction():
                file = store.add_file(whole, upload.filename, upload.purpose, upload.lifetime)
                changes = {"status": "completed", "file": file.id}
                if not store.update(Upload, upload.id, ["pending"], changes):
                    raise UnknownIdError(upload.id)  # undoes the file
        except UnknownIdError:
            return None
        finally:
            whole.unlink(missing_ok=True)
        self._drop_parts(upload.id)
        return file

    def _join(self, part_ids: list[str], target: Path) -> tuple[int, str]:
        """Bytes and md5 of the whole."""
        size, digest = 0, hashlib.md5(usedforsecurity=False)
        with open(target, "xb") as whole:
            for id in part_ids:
                with open(self._store.path(id), "rb") as part:
                    while block := part.read(_BLOCK):
                        whole.write(block)
                        digest.update(block)
                        size += len(block)
        return size, digest.hexdigest()

    def _drop_parts(self, id: str) -> None:
        for row in self._store.rows("SELECT id FROM parts WHERE upload_id = ?", id):
            with contextlib.suppress(UnknownIdError):
                self._store.delete_with_bytes(Part, row["id"])
