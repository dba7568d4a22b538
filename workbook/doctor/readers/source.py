"""An opened file: which kind it is, what is odd about it, and its rows, one after the other.

Knows which format is read by which module. Nothing in a file raises an error: what can't be read
becomes a problem of its line. What rows must look like is not known here.
"""

import errno
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from workbook.doctor.forms import recognition
from workbook.doctor.lines import Line
from workbook.doctor.progress import byte_bar
from workbook.doctor.readers import (
    archives,
    columns,
    excel,
    json_list,
    jsonl,
    sniffing,
    tables,
    texts,
    whatsapp,
)
from workbook.doctor.readers.data_file import DataFile, RemoteFile
from workbook.doctor.readers.sniffing import SAMPLE
from workbook.errors import WorkbookError

_READERS: dict[str, Callable[[DataFile], Iterator[bytes | Line]]] = {
    "jsonl": jsonl.raw_lines,
    "json": json_list.rows,
    "csv": tables.csv_rows,
    "tsv": tables.csv_rows,
    "txt": texts.text_rows,
    "xlsx": excel.rows,
    "parquet": tables.parquet_rows,
    "whatsapp": texts.whatsapp_rows,
    "nothing": lambda file: iter(()),
}
_TABLES = ("csv", "tsv", "xlsx", "parquet")
_BINARY = ("xlsx", "parquet")
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
_STEP = 64 * 1024  # bytes after which the bar moves
_PACKED = (".gz", ".zst")
_CHAT = (
    "a chat, by the dates at the beginning of its lines, but not as WhatsApp exports one in any "
    "layout that is known: write its turns as `messages`"
)
_FORMAT_OF_NAME = {name: name[1:] for name in (".csv", ".tsv", ".xlsx", ".parquet", ".jsonl")}


class Source(DataFile):
    """A file and its rows."""

    def watched(self, doing: str) -> Iterator[Line]:
        """The lines, under a bar on stderr where they take longer than two seconds."""
        with byte_bar(self.size, f"{doing} {self.path.name}") as bar:
            for line in self.lines():
                yield line
                if (step := self.position - bar.n) > _STEP:
                    bar.update(step)

    def lines(self) -> Iterator[Line]:
        """The rows, numbered from 1 as an editor or a spreadsheet numbers them.

        Raises UnreadableError where the file goes away meanwhile.
        """
        in_table = self.format in _TABLES  # whose readers know the headings
        names = {} if in_table else self.options.get("columns") or {}
        values = (
            jsonl.value_of(number, line) if isinstance(line, bytes) else line
            for number, line in enumerate(self._values(), start=1)
        )
        for line in columns.in_rows(values, names):
            yield formed(line, names, in_table)

    def raw_lines(self) -> Iterator[bytes | Line]:
        """As `lines`, but those of JSONL as they stand there, in UTF-8: a quick look may do. Nobody
        names their keys."""
        in_table = self.format in _TABLES
        for line in self._values():
            yield line if isinstance(line, bytes) else formed(line, {}, in_table)

    def require_columns(self) -> None:
        """Raises DatasetError where the first rows lack a key that is named."""
        if self.options.get("columns"):
            next(self.lines(), None)

    def _values(self) -> Iterator[bytes | Line]:
        """The rows before their form is looked for."""
        binary = bool(self.packed) or self.format in _BINARY
        last = 0
        try:
            for line in _READERS[self.format](self):
                last = last + 1 if isinstance(line, bytes) else line.number
                yield line
        except WorkbookError:
            raise
        except OSError as error:
            # Without a number it is a library that stumbles over the bytes, if it has not lost the
            # file itself. EINVAL: a damaged index sent it to a place before the first byte.
            lost = FileNotFoundError, PermissionError, ConnectionError, TimeoutError
            gone = isinstance(error, lost)
            if not binary or gone or error.errno not in (None, errno.EINVAL):
                raise self.unreadable(error) from None
            yield self._damaged(last + 1, error)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            yield self._damaged(last + 1, error)
        except Exception as error:
            if not binary:
                raise
            yield self._damaged(last + 1, error)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # polars: how Rust gives up
                raise
            yield self._damaged(last + 1, error)

    def _damaged(self, number: int, error: BaseException) -> Line:
        """The line where the file can't be read on; what stands behind it is lost."""
        reason = f"{type(error).__name__}: {error}"[:100]
        message = (
            "the file can't be read on from here: it is damaged or "
            f"not complete ({reason}). Save or download it again"
        )
        self.problems.append(("lost", f"lost: all that stands behind line {number - 1}", ""))
        return Line.unreadable(number, ("not-json", message, ""))


def formed(line: Line, names: Mapping[str, str], in_table: bool = False) -> Line:
    """The line with its row in a format that is trained on.

    names: of its keys, as in {"prompt": "Question"}
    """
    return recognition.line(columns.renamed_line(line, names), in_table)


def open_source(path: str | PurePath, remote: RemoteFile | None = None, **options: Any) -> Source:
    """What kind of file it is, by its first bytes and then by its name.

    remote: opens the file, where it is not on this machine.
    options: for WhatsApp, assistant, gap_hours, date_order, mask, system, consent, without; for
        rows, columns.
    Raises UnreadableError for a missing file.
    """
    source = Source(Path(path), "jsonl", options=options, remote=remote)
    try:
        sample = _first_bytes(source)
    except OSError as error:
        raise source.unreadable(error) from None
    if kind := sniffing.other_kind(sample):
        source.problems.append(("file-kind", kind, ""))
        source.format = "nothing"
        return source
    name = Path(source.member) if source.packed == "zip" else source.path
    suffixes = [suffix.lower() for suffix in name.suffixes if suffix.lower() not in _PACKED]
    ending = suffixes[-1] if suffixes else ""
    is_cut = len(sample) == SAMPLE
    source.encoding, encoding_name = sniffing.encoding_of(sample, is_cut)
    text = sample.decode(source.encoding, "replace").removeprefix("\ufeff")
    ends_with_cr = "\r" in text.rstrip() and "\n" not in text
    if source.format != "nothing":
        lines = text.replace("\r", "\n") if ends_with_cr else text
        source.format = sniffing.recognise(sample, lines, ending, is_cut)
        if source.format == "txt" and whatsapp.may_be_chat(lines):
            source.problems.append(("file-kind", _CHAT, ""))
            source.format = "nothing"
            return source
    if source.format == "jsonl" and ends_with_cr:
        source.line_end = "\r"
        source.problems.append(("line-ends", "the lines end with CR alone, as on old Macs", ""))
    _note_problems(source, ending, encoding_name)
    return source


def _first_bytes(source: Source) -> bytes:
    """The beginning of the content; the size and the packing are noted."""
    with source.open_packed() as stream:
        start = stream.read(16)
        source.size = stream.seek(0, io.SEEK_END)
    source.packed = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
    if source.packed == "zip" and not archives.choose(source):
        return start if source.format == "jsonl" else b""
    try:
        with source.open_bytes() as stream:
            return stream.read(SAMPLE)
    except Exception as error:
        if not source.packed:
            raise
        message = f"packed with {source.packed}, and damaged ({type(error).__name__})"
        source.problems.append(("compressed", message, ""))
        return b""


def _note_problems(source: Source, ending: str, encoding_name: str) -> None:
    """What its beginning and its name show to be wrong with the file as a whole."""
    note = source.problems.append
    suffix = source.path.suffix
    format_name = sniffing.NAMES.get(source.format, "")
    if not format_name:
        return
    if source.packed:
        inside = f": of {source.member_of} files {source.member} is read" if source.member else ""
        note(("compressed", f"packed with {source.packed}{inside}", ""))
    elif suffix.lower() != ".jsonl" and source.format == "jsonl":
        note(("file-name", f"the name ends in “{suffix}”", ""))
    if source.encoding != "utf-8" and source.format not in _BINARY:
        note(("encoding", f"the file is in {encoding_name}", ""))
    if source.format not in ("jsonl", "json"):
        note(("not-jsonl", f"the file is {format_name}", ""))
    expected = _FORMAT_OF_NAME.get(ending)
    if expected and source.format != expected and {source.format, expected} != {"jsonl", "json"}:
        note(("wrong-name", f"the name ends in “{ending}”, but the file is {format_name}", ""))
