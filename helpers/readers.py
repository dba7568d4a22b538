"""Every kind of file that training data comes in, as numbered rows.

JSONL, JSON, CSV, TSV, XLSX, TXT, Parquet and WhatsApp exports, each also as gzip or zstd, in UTF-8
(with or without BOM), UTF-16, Latin-1 or Windows-1252. Knows files; what rows must look like it
doesn't know. All are read row by row, but for WhatsApp exports and a workbook's table of texts.
Nothing in a file raises an error: what can't be read becomes a problem of its line.
"""

import codecs
import csv
import gzip
import io
import json
import lzma
import math
import re
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, AnyStr

from tqdm import tqdm

from helpers import whatsapp
from helpers.codes import CHAT_KEYS, COMPLETION_KEYS, MAX_LINE, PREFERENCE_KEYS, Line, Problem
from helpers.errors import WorkbookError

MAX_BYTES = 512 * 1024 * 1024
"""Largest training file that OpenAI accepts (512 MB)."""
BOM = codecs.BOM_UTF8
_SAMPLE = 256 * 1024
_PIECE = 1024 * 1024  # characters of a JSON list that are read at once
# What may stand before the list in a file that is one JSON object: {"data": [
_WRAPPED = re.compile(r'\s*\{\s*"([^"\\]*)"\s*:\s*\[')
_ROW_KEYS = CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS | {"contents", "conversations"}
_SPACE = re.compile(r"[ \t\r\n]*")
_ALIASES = {
    "prompt": ("prompt", "question", "instruction", "input", "user", "pregunta", "pergunta"),
    "completion": ("completion", "answer", "response", "output", "assistant", "respuesta",
                   "resposta"),
    "system": ("system", "system_prompt"),
}
_SHAREGPT = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
             "system": "system", "tool": "tool"}


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
        with tqdm(total=self.size, desc=f"{doing} {self.path.name}", unit="B", unit_scale=True,
                  delay=2, leave=False) as bar:
            for line in self.lines():
                yield line
                bar.update(max(0, self.place - bar.n))

    def lines(self) -> Iterator[Line]:
        """The rows, numbered from 1 as an editor or a spreadsheet numbers them."""
        for number, line in enumerate(self.raw_lines(), start=1):
            yield line_of(number, line) if isinstance(line, bytes) else line

    def raw_lines(self) -> Iterator[bytes | Line]:
        """As `lines`, but those of JSONL as they stand there, in UTF-8: a quick look may do."""
        reader = {"jsonl": _jsonl, "json": _json, "csv": _table, "tsv": _table, "txt": _txt,
                  "xlsx": _xlsx, "parquet": _parquet, "whatsapp": _whatsapp}[self.format]
        last = 0
        try:
            for line in reader(self):
                last = last + 1 if isinstance(line, bytes) else line.number
                yield line
        except OSError as error:
            if self.packed and not error.errno:
                yield _broken(last + 1, error)
            else:
                raise _unreadable(self.path, error) from None
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            yield _broken(last + 1, error)
        except Exception as error:
            if self.format not in ("xlsx", "parquet") and not self.packed:
                raise
            yield _broken(last + 1, error)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # polars: how Rust gives up
                raise
            yield _broken(last + 1, error)


def _broken(number: int, error: BaseException) -> Line:
    return Line(number, None, (("not-json", f"the file can't be read on from here: "
                                f"{type(error).__name__}: {error}"[:200], ""),), readable=False)


def _unreadable(path: Path, error: OSError) -> Unreadable:
    return Unreadable(f"{path} can't be read: {error.strerror or error}. Check the name and the "
                      "folder.")


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
        source.packed = "gzip" if start.startswith(b"\x1f\x8b") else \
            "zstd" if start.startswith(b"\x28\xb5\x2f\xfd") else None
        try:
            with _bytes(source) as stream:
                sample = stream.read(_SAMPLE)
        except Exception as error:
            if not source.packed:
                raise
            source.problems.append(("compressed", f"packed with {source.packed}, and damaged "
                                    f"({type(error).__name__})", ""))
            sample = b""
    except OSError as error:
        raise _unreadable(path, error) from None
    names = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst")]
    ending = names[-1] if names else ""
    source.encoding, shown = _encoding(sample)
    text = sample.decode(source.encoding, "replace").removeprefix("\ufeff")
    source.format = _format(sample, text, ending)
    if source.packed:
        source.problems.append(("compressed", f"packed with {source.packed}", ""))
    elif path.suffix.lower() != ".jsonl" and source.format == "jsonl":
        source.problems.append(("file-name", f"the name ends in “{path.suffix}”", ""))
    if source.encoding != "utf-8" and source.format not in ("xlsx", "parquet"):
        source.problems.append(("encoding", f"the file is in {shown}", ""))
    if source.format not in ("jsonl", "json"):
        source.problems.append(("not-jsonl", f"the file is {_NAMES[source.format]}", ""))
    if size > MAX_BYTES:
        source.problems.append(("too-large", f"{size / 1024 ** 2:,.0f} MB", ""))
    expected = {".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx", ".parquet": "parquet",
                ".jsonl": "jsonl"}.get(ending)
    if expected and source.format != expected and {source.format, expected} != {"jsonl", "json"}:
        source.problems.append(("wrong-name", f"the name ends in “{ending}”, but the file is "
                                f"{_NAMES[source.format]}", ""))
    return source


_NAMES = {"jsonl": "JSONL", "json": "JSON", "csv": "CSV", "tsv": "TSV", "txt": "plain text",
          "xlsx": "an Excel workbook", "parquet": "Parquet", "whatsapp": "a WhatsApp export"}


def _format(sample: bytes, text: str, ending: str) -> str:
    if sample.startswith(b"PK\x03\x04") and ending in (".xlsx", ".xlsm", ".csv", ".jsonl", ""):
        return "xlsx"
    if sample.startswith(b"PAR1"):
        return "parquet"
    text = text.lstrip()
    if text[:1] == "[" and whatsapp.recognise(text):
        return "whatsapp"
    if text[:1] == "{" or text[:1] == "[" and ending not in (".csv", ".tsv"):
        return "json" if _is_list(text) or _is_spread(text, ending) else "jsonl"
    if ending in (".jsonl", ".json", ".ndjson"):
        return "jsonl"
    if whatsapp.recognise(text):
        return "whatsapp"
    return {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "txt"}.get(ending, "jsonl")


def _is_list(text: str) -> bool:
    """Whether a file that starts so is one JSON list of objects, or one object with such a list;
    JSONL with a list on each line is none."""
    wrapped = _WRAPPED.match(text)
    if wrapped and wrapped[1] in _ROW_KEYS:
        return False
    inside = text[wrapped.end() if wrapped else 1:]
    if not (wrapped or text[0] == "[") or not inside.lstrip().startswith("{"):
        return False
    head, _, rest = text.partition("\n")
    return not (rest.strip() and _is_json(head))


def _is_spread(text: str, ending: str) -> bool:
    """Whether the file is one small object over several lines."""
    return text[0] == "{" and ending in (".json", ".jsonl", "") and len(text) < _SAMPLE // 2 \
        and not _is_json(text.partition("\n")[0]) and _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _encoding(sample: bytes) -> tuple[str, str]:
    """(the codec, what to call it), by BOM, by zero bytes, then by what is valid."""
    for bom, name, shown in ((codecs.BOM_UTF8, "utf-8", "UTF-8"),
                             (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
                             (codecs.BOM_UTF16_BE, "utf-16", "UTF-16")):
        if sample.startswith(bom):
            return name, shown
    if sample.startswith((b"PK\x03\x04", b"PAR1")) or not sample:
        return "utf-8", "UTF-8"
    start = sample[:4096]
    if len(start) >= 8 and b"\x00" in start:
        even, odd = start[::2].count(0), start[1::2].count(0)
        if odd > len(start) * 0.3 and even < len(start) * 0.05:
            return "utf-16-le", "UTF-16 without BOM"
        if even > len(start) * 0.3 and odd < len(start) * 0.05:
            return "utf-16-be", "UTF-16 without BOM"
        return "utf-8", "UTF-8"
    valid = invalid = 0
    lines = sample.split(b"\n")
    for line in lines[:-1] if len(sample) == _SAMPLE else lines:
        if not line.isascii():
            try:
                line.decode("utf-8")
                valid += 1
            except UnicodeDecodeError:
                invalid += 1
    letters = sum(byte < 9 or 13 < byte < 32 for byte in start)
    if not invalid or valid or letters:
        return "utf-8", "UTF-8"
    if any(0x80 <= byte < 0xa0 for byte in sample):
        return "cp1252", "Windows-1252 (a guess: it names no encoding)"
    return "latin-1", "Latin-1 (a guess: it names no encoding)"


def _raw(source: Source) -> IO[bytes]:
    source._raw = source.remote.open() if source.remote else open(source.path, "rb")
    return source._raw


def _bytes(source: Source) -> IO[bytes]:
    """The content, unpacked."""
    raw = _raw(source)
    if source.packed == "gzip":
        # Closed with its own stream, which gzip leaves open.
        return _Closing(gzip.GzipFile(fileobj=raw), raw)
    if source.packed == "zstd":
        import zstandard  # here: few files need it

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(
            raw, closefd=True, read_across_frames=True))
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
        raw = raw[len(BOM):]
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
        value = decode(text, repeated)
    except json.JSONDecodeError as error:
        problems.append(("not-json", f"not JSON: {error.msg} at character {error.pos + 1}",
                         text[max(0, error.pos - 30):error.pos + 30]))
    except RecursionError:
        problems.append(("not-json", "nested too deeply to be read", text))
    except ValueError as error:  # numbers of thousands of digits, NaN
        problems.append(("not-json", f"not JSON: {error}", text))
    else:
        problems += [("repeated-key", f"key “{key}” stands twice in one object", text)
                     for key in repeated]
        return Line(number, value, tuple(problems))
    return Line(number, None, tuple(problems), readable=False)


def _long(number: int, start: str) -> Line:
    return Line(number, None, (("long-line", f"the line is longer than {MAX_LINE // 2**20} MiB",
                                start[:60]),), readable=False)


def decode(text: str, repeated: list[str]) -> Any:
    """JSON as its standard has it: no NaN, and keys that stand twice are collected."""
    return json.loads(text, parse_constant=_refuse, object_pairs_hook=_collector(repeated))


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _collector(repeated: list[str]) -> Any:
    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            repeated.extend(key for key, count in Counter(key for key, _ in pairs).items()
                            if count > 1)
        return value

    return collect


# JSON

def _json(source: Source) -> Iterator[Line]:
    """The elements of a list, one after the other, numbered from 1; or one object."""
    with _text(source) as stream:
        start = stream.read(_SAMPLE)
        opening = re.match(r"\s*\[", start) or _WRAPPED.match(start)
        if opening is None or opening.lastindex and opening[1] in _ROW_KEYS:
            line = line_of(1, " ".join(start.splitlines()).encode("utf-8", "surrogatepass"))
            yield replace(line, value=converted(line.value))
            source.problems.append(("json-list", "the file is one JSON object over several lines",
                                    ""))
            return
        number = 0
        for line in _elements(stream, start, opening.end()):
            number = line.number
            yield line
    message = (f"the file is one JSON {'object with a ' if opening.lastindex else ''}list of "
               f"{number:,} elements; the numbers below count its elements")
    source.problems.append(("json-list", message, ""))


def _elements(stream: IO[str], text: str, place: int) -> Iterator[Line]:
    """What stands between the brackets. ijson would lose half characters and repeated keys, and
    stop at large numbers: the standard library reads element by element just as well."""
    repeated: list[str] = []
    scan = json.JSONDecoder(parse_constant=_refuse,
                            object_pairs_hook=_collector(repeated)).raw_decode
    number = 1
    while True:
        place = _SPACE.match(text, place).end()
        repeated.clear()
        problem = "the list has no end"
        try:
            if text[place:place + 1] == "]":
                return
            value, end = scan(text, place)
            end = _SPACE.match(text, end).end()
            if text[end:end + 1] in (",", "]") and end < len(text):
                problems = tuple(("repeated-key", f"key “{key}” stands twice in one object", "")
                                 for key in repeated)
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


def converted(row: Any) -> Any:
    """Rows in the forms of other tools as ours: ShareGPT's `conversations`, Alpaca's three keys."""
    if not isinstance(row, Mapping):
        return row
    turns = row.get("conversations")
    if isinstance(turns, list) and all(
            isinstance(turn, Mapping) and turn.get("from") in _SHAREGPT
            and isinstance(turn.get("value"), str) for turn in turns):
        return {"messages": [{"role": _SHAREGPT[turn["from"]], "content": turn["value"]}
                             for turn in turns]}
    if row.keys() == {"instruction", "input", "output"} and all(
            isinstance(value, str) for value in row.values()):
        asked = "\n\n".join(filter(None, (row["instruction"], row["input"])))
        return {"messages": [{"role": "user", "content": asked},
                             {"role": "assistant", "content": row["output"]}]}
    return row


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
                yield Line(before + 1, None, (("not-json", f"not a table: {error}", ""),),
                           readable=False)
                before = reader.line_num
                continue
            number, before = before + 1, reader.line_num
            if not heads:
                heads = cells
            elif any(cell.strip() for cell in cells):
                yield _row(number, heads, cells)
            else:
                yield Line(number, None, (("blank-line", "the row is empty", ""),), readable=False)


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _row(number: int, heads: list[Any], cells: list[Any]) -> Line:
    problems: list[tuple[str, str, str]] = []
    if len(cells) > len(heads):
        problems.append(("lost-value", f"{len(cells)} cells under {len(heads)} headings",
                         str(cells[-1])))
    row: dict[str, Any] = {}
    for head, cell in zip(heads, cells, strict=False):
        if head in (None, "") and cell in (None, ""):
            continue
        row[str(head)] = cell
    return Line(number, shaped(row, problems), tuple(problems))


def shaped(row: dict[str, Any], problems: list[tuple[str, str, str]]) -> dict[str, Any]:
    """A table's row as an example: chat from `messages` or from system, user and assistant; pairs
    from `prompt` and `completion` and their synonyms. Other columns stay, and are found there."""
    keys = {key.strip().lower(): key for key in row}
    if "messages" in keys or "input" in keys and "preferred_output" in keys:
        rest: dict[str, Any] = {}
        for name, key in keys.items():
            value = row[key]
            if isinstance(value, str) and name in (
                    "messages", "tools", "functions", "input", "preferred_output",
                    "non_preferred_output", "parallel_tool_calls"):
                if not value.strip():
                    continue
                try:
                    value = decode(value, [])
                except (ValueError, RecursionError):
                    problems.append(("lost-value", f"the cell `{name}` is not JSON", value[:60]))
            if value is not None:
                rest[name] = _without_empty(value)
        return rest
    found = {ours: next((keys[name] for name in names if name in keys), None)
             for ours, names in _ALIASES.items()}
    asked, given, system = found["prompt"], found["completion"], found["system"]
    if given is None:
        return row
    rest = {key: value for key, value in row.items() if key not in (asked, given, system)
            and value not in (None, "")}
    if given.strip().lower() == "assistant" or system:
        messages = [{"role": role, "content": _cell(row[key])} for role, key in (
            ("system", system), ("user", asked), ("assistant", given))
            if key and row[key] not in (None, "")]
        return {"messages": messages, **rest}
    return {"prompt": _cell(row[asked]) if asked else "", "completion": _cell(row[given]), **rest}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _without_empty(value: Any) -> Any:
    """Columns give every message every key: those without a value are left out."""
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items()
                if item is not None or key == "content" and not any(
                    value.get(name) for name in ("tool_calls", "function_call", "refusal"))}
    return value


def _xlsx(source: Source) -> Iterator[Line]:
    import openpyxl  # here: few files need it

    with _unpacked(source) as path:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            if len(book.sheetnames) > 1:
                source.problems.append(("sheets", f"of {len(book.sheetnames)} sheets only "
                                        f"“{book.sheetnames[0]}” is read", ""))
            heads: list[Any] = []
            for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
                if not any(cell not in (None, "") for cell in cells):
                    continue
                if not heads:
                    heads = list(cells)
                else:
                    yield _row(number, heads, list(cells))
        finally:
            book.close()


def _parquet(source: Source) -> Iterator[Line]:
    import polars  # here: few files need it

    number = 0
    with _unpacked(source) as path:
        for part in polars.scan_parquet(path).collect_batches(chunk_size=1_000,
                                                              maintain_order=True):
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
    keep = {key: value for key, value in source.options.items()
            if key in ("assistant", "gap_hours", "mask", "system")}
    for number, row in chat.examples(**keep):
        yield Line(number, row)


