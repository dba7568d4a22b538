"""What kind of file training data is in, and in which encoding, by its first bytes and its name.

Knows how formats begin; how they are read stands in the other modules beside this one.
"""

import codecs
import json
import re

from workbook.doctor.readers import guessing, json_tables, whatsapp

SAMPLE = 256 * 1024
"""Bytes, or characters, at a file's beginning by which it is recognised."""
# What may stand before the list in a file that is one JSON object: {"version": "1.0", "data": [
WRAPPED = re.compile(
    r'\s*\{(?P<before>(?:\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[-+.\w]+)\s*,){0,50})\s*"(?P<key>[^"\\]*)"\s*:\s*\['
)
_ELEMENT = re.compile(r"\s*(?:\[\s*)?\{")
_KEY = re.compile(r'"([^"\\]*)"\s*:')
_OPENING = re.compile(r'\{\s*\n|\{"[^"\\]*":\s*\{"0":')  # of an object that holds rows
_TRIED = 50  # objects at the beginning
NAMES = {
    "jsonl": "JSONL",
    "json": "JSON",
    "csv": "CSV",
    "tsv": "TSV",
    "txt": "plain text",
    "xlsx": "an Excel workbook",
    "parquet": "Parquet",
    "whatsapp": "a WhatsApp export",
}


_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel before 2007 (.xls): save it as .xlsx or CSV"),
    (b"%PDF-", "a PDF document"),
    (b"SQLite format 3\0", "a database of SQLite"),
    (b"ARROW1", "an Arrow file: save it as Parquet or JSONL"),
    (b"FEA1", "a Feather file: save it as Parquet or JSONL"),
    (b"\xff\xff\xff\xff", "an Arrow stream: save it as Parquet or JSONL"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it"),
    (b"BZh", "packed with bzip2: unpack it"),
    (b"\xfd7zXZ\0", "packed with xz: unpack it"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (
        b"version https://git-lfs.github.com/spec",
        "a pointer of Git LFS, in the place of the data: fetch the file itself with `git lfs pull`",
    ),
)
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|\?xml)", re.IGNORECASE)
_RTF = b"{\\rtf"


def other_kind(sample: bytes) -> str:
    """What a file is that holds no rows, by its first bytes; "" for any other."""
    if sample[257:262] == b"ustar":
        return "a TAR archive: unpack it"
    if _PAGE.match(sample.removeprefix(codecs.BOM_UTF8)):
        return "a page of HTML or XML: download the file itself, not the page that shows it"
    if sample.startswith(_RTF):
        return "a text with formatting (RTF): save it as plain text"
    return next((name for magic, name in _OTHERS if sample.startswith(magic)), "")


def recognise(sample: bytes, text: str, ending: str, is_cut: bool) -> str:
    """The format of a file, one of `NAMES`.

    sample: its beginning.
    text: the same, decoded.
    ending: of its name, as ".csv".
    is_cut: whether there is more than the sample.
    """
    if sample.startswith(b"PK\x03\x04"):
        return "xlsx"
    if sample.startswith(b"PAR1"):
        return "parquet"
    text = text.lstrip()
    if text[:1] == "[" and whatsapp.recognise(text):
        return "whatsapp"
    if text[:1] == "{" or (text[:1] == "[" and ending not in (".csv", ".tsv")):
        return "json" if _is_list(text) or _is_spread(text, is_cut) else "jsonl"
    if ending in (".jsonl", ".json", ".ndjson"):
        return "jsonl"
    if whatsapp.recognise(text):
        return "whatsapp"
    return {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "txt"}.get(ending, "jsonl")


def names_row(wrapped: re.Match[str]) -> bool:
    """Whether the keys that open an object are those of a row."""
    keys = [wrapped["key"], *_KEY.findall(wrapped["before"])]
    return any(key in json_tables.ROW_KEYS for key in keys)


def _is_list(text: str) -> bool:
    """Whether a file that starts so is one JSON list of objects, or of lists of them, or one object
    with such a list; JSONL with a list on each line is none."""
    wrapped = WRAPPED.match(text)
    if wrapped and names_row(wrapped):
        return False
    inside = text[wrapped.end() if wrapped else 1 :]
    if not (wrapped or text[0] == "[") or not _ELEMENT.match(inside):
        return False
    head, _, rest = text.partition("\n")
    return not (rest.strip() and _is_json(head))


def _is_spread(text: str, is_cut: bool) -> bool:
    """Whether objects stand over several lines, or several on one."""
    if text[0] != "{":
        return False
    scan = json.JSONDecoder().raw_decode
    place = 0
    for number in range(_TRIED):
        try:
            value, end = scan(text, place)
        except (ValueError, RecursionError):
            # The first object may be longer than the sample.
            return is_cut and place == 0 and _OPENING.match(text) is not None
        if "\n" in text[place:end]:
            return True
        rest, _, after = text[end:].partition("\n")
        if rest.strip().startswith("{"):
            return True
        place = len(text) - len(after.lstrip()) if after else len(text)
        if place >= len(text):
            # One line that is no row: perhaps columns, or a list beside something else.
            whole = number == 0 and not is_cut and isinstance(value, dict)
            return whole and any(json_tables.rows_in(value))
    return False


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def encoding_of(sample: bytes, is_cut: bool) -> tuple[str, str]:
    """(the codec, what to call it), by BOM, by zero bytes, then by what is valid."""
    for bom, codec, name in (
        (codecs.BOM_UTF8, "utf-8", "UTF-8"),
        (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # its first half is UTF-16's
        (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
        (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    ):
        if sample.startswith(bom):
            return codec, name
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
    for line in lines[:-1] if is_cut else lines:
        if not line.isascii():
            try:
                line.decode("utf-8")
                valid += 1
            except UnicodeDecodeError:
                invalid += 1
    has_controls = any(byte < 9 or 13 < byte < 32 for byte in start)
    if not invalid or valid or has_controls:
        return "utf-8", "UTF-8"
    if guess := guessing.alphabet_of(b"\n".join(lines[:-1] or lines) if is_cut else sample):
        return guess[0], f"{guess[1]} (a guess: it names no encoding)"
    if any(0x80 <= byte < 0xA0 for byte in sample):
        return "cp1252", "Windows-1252 (a guess: it names no encoding)"
    return "latin-1", "Latin-1 (a guess: it names no encoding)"
