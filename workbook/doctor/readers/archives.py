"""ZIP archives: which of their files is to be read. A workbook of Excel is one, and is left alone.

Knows names and sizes in archives; knows nothing of what the files hold.
"""

import zipfile
from pathlib import PurePosixPath

from workbook.doctor.readers.data_file import DataFile

_DATA = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".tab", ".txt", ".parquet", ".xlsx", ".xlsm")
_LISTED = 6


def choose(file: DataFile) -> bool:
    """Whether a file that begins as a ZIP archive is one with one file of data; its name is noted.

    Otherwise it is read as what it is (a workbook, or damaged), or as nothing, which is noted.
    """
    try:
        with file.open_packed() as stream, zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        file.packed = None
        if file.path.suffix.lower() not in (".xlsx", ".xlsm"):
            message = f"a damaged ZIP archive ({error}): save or download it again"
            file.problems.append(("compressed", message, ""))
            file.format = "nothing"
        return False
    names = [entry.filename for entry in entries]
    if "xl/workbook.xml" in names or "[Content_Types].xml" in names:
        file.packed = None
        return False
    data = [entry for entry in entries if _is_data(entry)]
    if len(data) == 1 and not data[0].flag_bits & 1:
        file.member = data[0].filename
        file.member_of = sum(not entry.is_dir() and not _is_system(entry) for entry in entries)
        return True
    if data and data[0].flag_bits & 1:
        message = "a ZIP archive with a password: unpack it first"
    elif data:
        names = [entry.filename for entry in data[:_LISTED]]
        more = f" and {len(data) - _LISTED} more" if len(data) > _LISTED else ""
        message = (
            f"a ZIP archive of {len(data)} files that could be meant: {', '.join(names)}{more}. "
            "Unpack it, and name the one you mean"
        )
    else:
        message = (
            f"a ZIP archive without a file of data: it has {', '.join(names[:_LISTED]) or 'none'}"
        )
    file.problems.append(("compressed", message, ""))
    file.packed, file.format = None, "nothing"
    return False


def _is_system(entry: zipfile.ZipInfo) -> bool:
    """Whether the operating system has put it there."""
    path = PurePosixPath(entry.filename)
    return "__MACOSX" in path.parts or path.name.startswith(".") or path.name == "Thumbs.db"


def _is_data(entry: zipfile.ZipInfo) -> bool:
    if entry.is_dir() or _is_system(entry):
        return False
    suffixes = [suffix.lower() for suffix in PurePosixPath(entry.filename).suffixes[-2:]]
    ending = suffixes[-1] if suffixes else ""
    name = PurePosixPath(entry.filename).stem.lower()
    return ending in _DATA and name not in ("readme", "license", "licence")
