"""Every kind of file that training data comes in, as numbered rows.

JSONL, JSON, CSV, TSV, XLSX, TXT, Parquet and WhatsApp exports, each also as gzip or zstd, in UTF-8
(with or without BOM), UTF-16, Latin-1 or Windows-1252. Knows files; what rows must look like it
doesn't know. All are read row by row, but for WhatsApp exports and a workbook's table of texts.
Nothing in a file raises an error: what can't be read becomes a problem of its line.
"""

import codecs
import csv
import errno
import gzip
import io
import json
import lzma
import math
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, AnyStr

from tqdm import tqdm

from workbook import strict_json
from workbook.doctor import sniffing, whatsapp
from workbook.doctor.codes import Line, Problem
from workbook.doctor.foreign_rows import converted, row_of, shaped
from workbook.errors import WorkbookError
from workbook.rows.rules import MAX_LINE

MAX_BYTES = 512 * 1024 * 1024
"""Largest training file that OpenAI accepts (512 MB)."""
BOM = codecs.BOM_UTF8
_SAMPLE = 256 * 1024
_PIECE = 1024 * 1024  # characters of a JSON list that are read at once
_SPACE = re.compile(r"[ \t\r\n]*")


class Unreadable(WorkbookError):
    """A file that is not there, or that its library can't open."""


@dataclass
class Source:
    """An opened file: what it is, what was odd about it, and its rows."""

    path: Path
    format: str
    """"jsonl", "json", "csv", "tsv", "txt", "xlsx", "parquet" or "whatsapp"."""
    encoding: str = "utf-8"
    packed: str | None = None
    problems: list[Problem] = field(default_factory=list)
    """What was found before the first row; reading the rows may add to it."""
    options: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    """Bytes, as it lies on the disk."""
    remote: Any = None
    """What opens the file where it is not on this machine: an `OpenFile` of fsspec."""
    _raw: Any = None

    @property
    def place(self) -> int:
        """How many of its bytes have been read."""
        return self._raw.tell() if self._raw and not self._raw.closed else 0

    @property
    def plain(self) -> bool:
        """Whether the file is what a service takes: JSONL in UTF-8, not packed."""
        return self.format == "jsonl" and self.encoding == "utf-8" and not self.packed

    def watched(self, doing: str) -> Iterator[Line]:
        """The lines, under a bar on stderr where they take longer than two seconds."""
        with tqdm(
            total=self.size,
            desc=f"{doing} {self.path.name}",
            unit="B",
            unit_scale=True,
            delay=2,
            leave=False,
        ) as bar:
            for line in self.lines():
                yield line
                bar.update(max(0, self.place - bar.n))

    def lines(self) -> Iterator[Line]:
        """The rows, numbered from 1 as an editor or a spreadsheet numbers them."""
        for number, line in enumerate(self.raw_lines(), start=1):
            yield line_of(number, line) if isinstance(line, bytes) else line

    def raw_lines(self) -> Iterator[bytes | Line]:
        """As `lines`, but those of JSONL as they stand there, in UTF-8: a quick look may do."""
        reader = {
            "jsonl": _jsonl,
            "json": _json,
            "csv": _table,
            "tsv": _table,
            "txt": _txt,
            "xlsx": _xlsx,
            "parquet": _parquet,
            "whatsapp": _whatsapp,
        }[self.format]
        binary = bool(self.packed) or self.format in ("xlsx", "parquet")
        last = 0
        try:
            for line in reader(self):
                last = last + 1 if isinstance(line, bytes) else line.number
                yield line
        except OSError as error:
            # Without a number it is a library that stumbles over the bytes, if it has not lost the
            # file itself. EINVAL: a damaged index sent it to a place before the first byte.
            lost = FileNotFoundError, PermissionError, ConnectionError, TimeoutError
            gone = isinstance(error, lost)
            if not binary or gone or error.errno not in (None, errno.EINVAL):
                raise _unreadable(self.path, error) from None
            yield _broken(last + 1, error)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            yield _broken(last + 1, error)
        except Exception as error:
            if not binary:
                raise
            yield _broken(last + 1, error)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # polars: how Rust gives up
                raise
            yield _broken(last + 1, error)


def _broken(number: int, error: BaseException) -> Line:
    reason = f"{type(error).__name__}: {error}"[:100]
    return Line(
        number,
        None,
        (
            (
                "not-json",
                "the file can't be read on from here: it is damaged or "
                f"not complete ({reason}). Save or download it again",
                "",
            ),
        ),
        readable=False,
    )


def _unreadable(path: Path, error: OSError) -> Unreadable:
    return Unreadable(
        f"{path} can't be read: {error.strerror or error}. Check the name and the folder."
    )


def open_source(path: str | Path, remote: Any = None, **options: Any) -> Source:
    """What kind of file it is, by its first bytes and then by its name.

    remote    opens the file, where it is not on this machine
    options   for WhatsApp: assistant, gap_hours, date_order, mask
    Raises Unreadable for a missing file.
    """
    path = Path(path)
    source = Source(path, "jsonl", options=options, remote=remote)
    try:
        with _raw(source) as stream:
            start = stream.read(16)
            size = source.size = stream.seek(0, io.SEEK_END)
        source.packed = (
            "gzip"
            if start.startswith(b"\x1f\x8b")
            else "zstd"
            if start.startswith(b"\x28\xb5\x2f\xfd")
            else None
        )
        try:
            with _bytes(source) as stream:
                sample = stream.read(_SAMPLE)
        except Exception as error:
            if not source.packed:
                raise
            source.problems.append(
                (
                    "compressed",
                    f"packed with {source.packed}, and damaged ({type(error).__name__})",
                    "",
                )
            )
            sample = b""
    except OSError as error:
        raise _unreadable(path, error) from None
    names = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst")]
    ending = names[-1] if names else ""
    cut = len(sample) == _SAMPLE
    source.encoding, shown = sniffing.encoding_of(sample, cut)
    text = sample.decode(source.encoding, "replace").removeprefix("\ufeff")
    source.format = sniffing.recognise(sample, text, ending, cut)
    if source.packed:
        source.problems.append(("compressed", f"packed with {source.packed}", ""))
    elif path.suffix.lower() != ".jsonl" and source.format == "jsonl":
        source.problems.append(("file-name", f"the name ends in “{path.suffix}”", ""))
    if source.encoding != "utf-8" and source.format not in ("xlsx", "parquet"):
        source.problems.append(("encoding", f"the file is in {shown}", ""))
    if source.format not in ("jsonl", "json"):
        source.problems.append(("not-jsonl", f"the file is {sniffing.NAMES[source.format]}", ""))
    if size > MAX_BYTES:
        source.problems.append(("too-large", f"{size / 1024**2:,.0f} MB", ""))
    expected = {
        ".csv": "csv",
        ".tsv": "tsv",
        ".xlsx": "xlsx",
        ".parquet": "parquet",
        ".jsonl": "jsonl",
    }.get(ending)
    if expected and source.format != expected and {source.format, expected} != {"jsonl", "json"}:
        source.problems.append(
            (
                "wrong-name",
                f"the name ends in “{ending}”, but the file is {sniffing.NAMES[source.format]}",
                "",
            )
        )
    return source


def _raw(source: Source) -> IO[bytes]:
    # What fsspec opens may not read lines up to a size: a buffer around it does.
    source._raw = (
        io.BufferedReader(source.remote.open()) if source.remote else open(source.path, "rb")
    )
    return source._raw


def _bytes(source: Source) -> IO[bytes]:
    """The content, unpacked."""
    raw = _raw(source)
    if source.packed == "gzip":
        # Closed with its own stream, which gzip leaves open.
        return _Closing(gzip.GzipFile(fileobj=raw), raw)
    if source.packed == "zstd":
        import zstandard  # here: few files need it

        return io.BufferedReader(
            zstandard.ZstdDecompressor().stream_reader(raw, closefd=True, read_across_frames=True)
        )
    return raw


class _Closing(io.BufferedReader):
    """A stream that closes the one it reads from, too."""

    def __init__(self, stream: Any, raw: IO[bytes]) -> None:
        super().__init__(stream)
        self._source = raw

    def close(self) -> None:
        super().close()
        self._source.close()


@contextmanager
def _unpacked(source: Source) -> Iterator[Path]:
    """A path of the content for what can't read a stream: its own, or that of a copy."""
    if not source.packed and not source.remote:
        yield source.path
        return
    with tempfile.TemporaryDirectory(prefix="workbook-") as folder:
        copy = Path(folder) / "copy"
        with _bytes(source) as stream, open(copy, "wb") as unpacked:
            shutil.copyfileobj(stream, unpacked)
        yield copy


def _text(source: Source) -> IO[str]:
    name = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    return io.TextIOWrapper(_bytes(source), encoding=name, errors="replace", newline="")


# JSONL


def _jsonl(source: Source) -> Iterator[bytes]:
    if source.encoding == "utf-8":
        with _bytes(source) as stream:
            yield from cut_lines(stream)
        return
    with _text(source) as stream:
        for text in cut_lines(stream):
            yield text.encode("utf-8", "surrogatepass")


def cut_lines(stream: IO[AnyStr], size: float = math.inf) -> Iterator[AnyStr]:
    """The lines of the next `size` bytes; of one longer than MAX_LINE, a bit more than that."""
    while size > 0 and (line := stream.readline(MAX_LINE + 1)):
        size -= len(line)
        rest = line
        while len(rest) >= MAX_LINE and rest[-1:] not in ("\n", b"\n"):
            rest = stream.readline(MAX_LINE)
            size -= len(rest)
        yield line


def line_of(number: int, raw: bytes) -> Line:
    """One line of JSONL; nothing in it can raise an error."""
    if len(raw) > MAX_LINE:
        return _long(number, raw[:60].decode("utf-8", "replace"))
    problems = []
    if number == 1 and raw.startswith(BOM):
        raw = raw[len(BOM) :]
        problems.append(("bom", "the file starts with a byte order mark", ""))
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        shown = raw[:60].decode("utf-8", "backslashreplace").rstrip("\r\n")
        problems.append(("not-utf8", f"byte {error.start + 1} is not UTF-8", shown))
        return Line(number, None, tuple(problems), readable=False)
    if not text.strip():
        if raw:
            problems.append(("blank-line", "the line is empty", ""))
        return Line(number, None, tuple(problems), readable=False)
    repeated: list[str] = []
    try:
        value = strict_json.decoder(repeated).decode(text)
    except json.JSONDecodeError as error:
        problems.append(
            (
                "not-json",
                f"not JSON: {error.msg} at character {error.pos + 1}",
                text[max(0, error.pos - 30) : error.pos + 30],
            )
        )
    except RecursionError:
        problems.append(("not-json", "nested too deeply to be read", text))
    except ValueError as error:  # numbers of thousands of digits, NaN
        problems.append(("not-json", f"not JSON: {error}", text))
    else:
        problems += [
            ("repeated-key", f"key “{key}” stands twice in one object", text) for key in repeated
        ]
        return Line(number, value, tuple(problems))
    return Line(number, None, tuple(problems), readable=False)


def _long(number: int, start: str) -> Line:
    return Line(
        number,
        None,
        (("long-line", f"the line is longer than {MAX_LINE // 2**20} MiB", start[:60]),),
        readable=False,
    )


# JSON


def _json(source: Source) -> Iterator[Line]:
    """The elements of a list, one after the other, numbered from 1; or one object."""
    with _text(source) as stream:
        start = stream.read(_SAMPLE)
        opening = re.match(r"\s*\[", start) or sniffing.WRAPPED.match(start)
        if opening is None or (opening.lastindex and opening[1] in sniffing.ROW_KEYS):
            line = line_of(1, " ".join(start.splitlines()).encode("utf-8", "surrogatepass"))
            yield replace(line, value=converted(line.value))
            source.problems.append(
                ("json-list", "the file is one JSON object over several lines", "")
            )
            return
        number = 0
        for line in _elements(stream, start, opening.end()):
            number = line.number
            yield line
    message = (
        f"the file is one JSON {'object with a ' if opening.lastindex else ''}list of "
        f"{number:,} elements; the numbers below count its elements"
    )
    source.problems.append(("json-list", message, ""))


def _elements(stream: IO[str], text: str, place: int) -> Iterator[Line]:
    """What stands between the brackets. ijson would lose half characters and repeated keys, and
    stop at large numbers: the standard library reads element by element just as well."""
    repeated: list[str] = []
    scan = strict_json.decoder(repeated).raw_decode
    number = 1
    while True:
        place = _SPACE.match(text, place).end()
        repeated.clear()
        problem = "the list has no end"
        try:
            if text[place : place + 1] == "]":
                return
            value, end = scan(text, place)
            end = _SPACE.match(text, end).end()
            if text[end : end + 1] in (",", "]") and end < len(text):
                problems = tuple(
                    ("repeated-key", f"key “{key}” stands twice in one object", "")
                    for key in repeated
                )
                yield Line(number, converted(value), problems)
                number += 1
                place = end + (text[end] == ",")
                continue
            if end < len(text):
                problem = "not JSON: a comma is missing between two elements"
        except RecursionError:
            problem = "nested too deeply to be read"
        except ValueError as error:
            problem = f"not JSON: {getattr(error, 'msg', error)}"
        # Perhaps only the piece has ended: more is read, as long as it is one element's.
        text, place = text[place:], 0
        more = stream.read(max(_PIECE, len(text))) if len(text) <= MAX_LINE else ""
        if not more:
            yield Line(number, None, (("not-json", problem, text[:60]),), readable=False)
            return
        text += more


# Tables


def _table(source: Source) -> Iterator[Line]:
    csv.field_size_limit(MAX_LINE)  # a quote that is never closed must not take the whole file
    with _text(source) as stream:
        # A zero byte would end the reader; it is no text in any table.
        lines = (line.replace("\0", "") for line in cut_lines(stream))
        first = next(lines, "")
        counted = {sign: first.count(sign) for sign in ("\t", ";", ",")}
        sign = max(counted, key=counted.get) if any(counted.values()) else ","
        reader = csv.reader(_again(first, lines), delimiter=sign)
        heads: list[str] = []
        before = 0
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(
                    before + 1, None, (("not-json", f"not a table: {error}", ""),), readable=False
                )
                before = reader.line_num
                continue
            number, before = before + 1, reader.line_num
            if not heads:
                heads = cells
            elif any(cell.strip() for cell in cells):
                yield row_of(number, heads, cells)
            else:
                yield Line(number, None, (("blank-line", "the row is empty", ""),), readable=False)


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _xlsx(source: Source) -> Iterator[Line]:
    import openpyxl  # here: few files need it

    with _unpacked(source) as path:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            if len(book.sheetnames) > 1:
                source.problems.append(
                    (
                        "sheets",
                        f"of {len(book.sheetnames)} sheets only “{book.sheetnames[0]}” is read",
                        "",
                    )
                )
            heads: list[Any] = []
            for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
                if not any(cell not in (None, "") for cell in cells):
                    continue
                if not heads:
                    heads = list(cells)
                else:
                    yield row_of(number, heads, list(cells))
        finally:
            book.close()


def _parquet(source: Source) -> Iterator[Line]:
    import polars  # here: few files need it

    number = 0
    with _unpacked(source) as path:
        for part in polars.scan_parquet(path).collect_batches(
            chunk_size=1_000, maintain_order=True
        ):
            for row in part.iter_rows(named=True):
                number += 1
                yield Line(number, converted(shaped(dict(row), [])))


# Text


def _txt(source: Source) -> Iterator[Line]:
    with _text(source) as stream:
        for number, text in enumerate(cut_lines(stream), start=1):
            if len(text) > MAX_LINE:
                yield _long(number, text)
            elif text.strip():
                yield Line(number, {"prompt": "", "completion": text.rstrip("\r\n")})


def _whatsapp(source: Source) -> Iterator[Line]:
    with _text(source) as stream:
        chat = whatsapp.parse(stream, source.options.get("date_order"))
    source.options["chat"] = chat
    source.problems.extend(chat.problems)
    keep = {
        key: value
        for key, value in source.options.items()
        if key in ("assistant", "gap_hours", "mask", "system")
    }
    for number, row in chat.examples(**keep):
        yield Line(number, row)
