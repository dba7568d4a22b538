"""A data file as bytes, as text or under a path, whatever it is packed with and wherever it lies.

Knows packing and encodings once they are recognised; knows nothing of formats and rows.
"""

import gzip
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from workbook.doctor.errors import UnreadableError
from workbook.doctor.lines import Problem


class RemoteFile(Protocol):
    """What opens a file that is not on this machine: an `OpenFile` of fsspec."""

    def open(self) -> io.RawIOBase: ...


@dataclass
class DataFile:
    """A file: what it is, what was odd about it, and its content."""

    path: Path
    format: str
    """"jsonl", "json", "csv", "tsv", "txt", "xlsx", "parquet" or "whatsapp"."""
    encoding: str = "utf-8"
    packed: str | None = None
    """"gzip", "zstd" or "zip"."""
    member: str = ""
    """The name of the file in a ZIP archive that is read."""
    member_of: int = 0
    """How many files the archive has."""
    line_end: str = "\n"
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the file as a whole; reading the rows may add to it."""
    options: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    """Bytes, as it lies on the disk."""
    remote: RemoteFile | None = None
    _stream: IO[bytes] | None = None

    @property
    def position(self) -> int:
        """How many of its bytes have been read."""
        return self._stream.tell() if self._stream and not self._stream.closed else 0

    @property
    def plain(self) -> bool:
        """Whether the file is what a service takes: JSONL in UTF-8, not packed."""
        lines = self.format == "jsonl" and self.line_end == "\n"
        return lines and self.encoding == "utf-8" and not self.packed

    def open_packed(self) -> IO[bytes]:
        """The bytes as they lie on the disk."""
        if self.remote:
            # What fsspec opens may not read lines up to a size: a buffer around it does.
            self._stream = io.BufferedReader(self.remote.open())
        else:
            self._stream = open(self.path, "rb")  # noqa: SIM115 - closed by whoever asked for it
        return self._stream

    def open_bytes(self) -> IO[bytes]:
        """The content, unpacked."""
        stream = self.open_packed()
        if self.packed == "gzip":
            # Closed with its own stream, which gzip leaves open.
            return _ClosingReader(gzip.GzipFile(fileobj=stream), stream)
        if self.packed == "zip":
            return _ClosingReader(zipfile.ZipFile(stream).open(self.member), stream)
        if self.packed == "zstd":
            import zstandard  # here: few files need it

            return io.BufferedReader(
                zstandard.ZstdDecompressor().stream_reader(
                    stream, closefd=True, read_across_frames=True
                )
            )
        return stream

    def open_text(self) -> IO[str]:
        """The content, unpacked and decoded; what the encoding does not know becomes U+FFFD."""
        name = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        newline = "\r" if self.line_end == "\r" else ""
        return io.TextIOWrapper(self.open_bytes(), encoding=name, errors="replace", newline=newline)

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """A path of the content for what can't read a stream: its own, or that of a copy."""
        if not self.packed and not self.remote:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="workbook-") as folder:
            copy = Path(folder) / "copy"
            with self.open_bytes() as stream, open(copy, "wb") as unpacked:
                shutil.copyfileobj(stream, unpacked)
            yield copy

    def unreadable(self, error: OSError) -> UnreadableError:
        """What to raise where the disk or the network refuses the file."""
        return UnreadableError(
            f"{self.path} can't be read: {error.strerror or error}. Check the name and the folder."
        )


class _ClosingReader(io.BufferedReader):
    """A stream that closes the one it reads from, too."""

    def __init__(self, stream: Any, source: IO[bytes]) -> None:
        super().__init__(stream)
        self._source = source

    def close(self) -> None:
        super().close()
        self._source.close()
