"""Every kind of file that training data comes in, as numbered rows.

JSONL, JSON, CSV, TSV, XLSX, TXT, Parquet and WhatsApp exports, each also as gzip or zstd, in UTF-8
(with or without BOM), UTF-16, Latin-1 or Windows-1252. Knows files; what rows must look like it
doesn't know. JSONL, CSV, TSV, TXT, XLSX and Parquet are read row by row; a JSON list is read whole.
Nothing in a file raises an error: what can't be read becomes a problem of its line.
"""

import codecs
import csv
import gzip
import io
import json
import lzma
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, AnyStr

from helpers import whatsapp
from helpers.checks import MAX_LINE, Line, Problem
from helpers.errors import WorkbookError

MAX_BYTES = 512 * 1024 * 1024
"""Largest training file that OpenAI accepts (512 MB)."""
BOM = codecs.BOM_UTF8
_SAMPLE = 256 * 1024
_WHOLE = 1024 * 1024 * 1024  # a JSON list is read whole, up to here
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

    @property
    def plain(self) -> bool:
        """Whether the file is what a service takes: JSONL in UTF-8, not packed."""
        return self.format == "jsonl" and self.encoding == "utf-8" and not self.packed

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


def open_source(path: str | Path, **options: Any) -> Source:
    """What kind of file it is, by its first bytes and then by its name.

    options   for WhatsApp: assistant, gap_hours, date_order, mask
    Raises Unreadable for a missing file.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            start = stream.read(16)
        source = Source(path, "jsonl", options=options)
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
    source.format = _format(sample, text, ending, source)
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


def _format(sample: bytes, text: str, ending: str, source: Source) -> str:
    if sample.startswith(b"PK\x03\x04") and ending in (".xlsx", ".xlsm", ".csv", ".jsonl", ""):
        return "xlsx"
    if sample.startswith(b"PAR1"):
        return "parquet"
    first = text.lstrip()[:1]
    if first == "[" and whatsapp.recognise(text):
        return "whatsapp"
    if first == "[" and ending not in (".csv", ".tsv") and _whole_json(source):
        return "json"
    if first == "{":
        head = text.lstrip().split("\n", 1)[0].strip()
        small = ending in (".json", ".jsonl", "") and len(text) < _SAMPLE // 2
        spread = small and not _is_json(head)
        return "json" if spread and _is_json(text) else "jsonl"
    if ending in (".jsonl", ".json", ".ndjson"):
        return "jsonl"
    if whatsapp.recognise(text):
        return "whatsapp"
    return {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "txt"}.get(ending, "jsonl")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _whole_json(source: Source) -> bool:
    """Whether the file is one JSON list; JSONL with a list on each line is none."""
    try:
        with _bytes(source) as stream:
            content = stream.read(_WHOLE + 1)
        value = json.loads(content.decode(source.encoding).removeprefix("\ufeff"))
        return len(content) <= _WHOLE and isinstance(value, list) and any(
            isinstance(row, dict) for row in value)
    except Exception:  # whatever is the matter with it: the line reader says so
        return False


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


def _bytes(source: Source) -> IO[bytes]:
    if source.packed == "gzip":
        return gzip.open(source.path, "rb")
    if source.packed == "zstd":
        import zstandard  # here: few files need it

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(
            open(source.path, "rb"), closefd=True, read_across_frames=True))
    return open(source.path, "rb")


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
        return Line(number, None, (("long-line", "the line is longer than "
                    f"{MAX_LINE // 2**20} MiB", raw[:60].decode("utf-8", "replace")),),
                    readable=False)
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


def decode(text: str, repeated: list[str]) -> Any:
    """JSON as its standard has it: no NaN, and keys that stand twice are collected."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not a JSON number")

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            repeated.extend(key for key, count in Counter(key for key, _ in pairs).items()
                            if count > 1)
        return value

    return json.loads(text, parse_constant=refuse, object_pairs_hook=collect)


# JSON

def _json(source: Source) -> Iterator[Line]:
    with _text(source) as stream:
        content = stream.read()
    try:
        value = decode(content, [])
    except (ValueError, RecursionError) as error:
        yield Line(1, None, (("not-json", f"not JSON: {error}"[:200], content[:60]),),
                   readable=False)
        return
    if isinstance(value, dict):
        lists = [its for its in value.values() if isinstance(its, list)]
        within = len(value) == 1 and lists and "messages" not in value
        value = lists[0] if within else [value]
        message = f"the file is one JSON object; its {len(value):,} examples are counted below"
    else:
        message = (f"the file is one JSON list of {len(value):,} elements; the numbers below count "
                   "its elements")
    source.problems.append(("json-list", message, ""))
    for number, row in enumerate(value, start=1):
        yield Line(number, converted(row))


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
    csv.field_size_limit(2**31 - 1)
    with _text(source) as stream:
        # A zero byte would end the reader; it is no text in any table.
        lines = (line.replace("\0", "") for line in stream)
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

    with _bytes(source) as stream:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
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

    size, start = 5_000, 0
    with _bytes(source) as stream:
        content = source.path if not source.packed else io.BytesIO(stream.read())
    while True:
        part = polars.scan_parquet(content).slice(start, size).collect()
        for number, row in enumerate(part.iter_rows(named=True), start=start + 1):
            yield Line(number, converted(shaped(dict(row), [])))
        start += size
        if len(part) < size:
            return


# Text

def _txt(source: Source) -> Iterator[Line]:
    with _text(source) as stream:
        for number, text in enumerate(stream, start=1):
            if text.strip():
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


