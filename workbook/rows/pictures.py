"""What can be known of a picture in a message without decoding it: format, size, colours.

Reads the first bytes of what stands in the row; fetches nothing. What a host takes is not known
here.
"""

import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workbook.quoting import excerpt

DETAILS = ("auto", "low", "high")
"""How closely a model looks (OpenAI's specification)."""
_DATA = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_BUCKET = re.compile(r"(gs|s3)://[^/\s]+/\S")
_ENDING = re.compile(r"(?i)\.(jpe?g|png|webp|gif|bmp|tiff?|svg|heic|avif|pdf)(?:[?#].*)?$")
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"%PDF", "pdf"),
    (b"<svg", "svg"),
)
_BARE = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR")  # how base64 of PNG, JPEG, GIF, WebP begins
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}


@dataclass(frozen=True)
class Picture:
    """What is known of a picture; None for what is not.

    problem: why nobody can read it, in words.
    is_inside: whether it stands in the row itself.
    size: bytes.
    mode: of its colours, by Pillow's names: L is grey, P a palette.
    bucket: "gs" or "s3" where it lies in a cloud's store, which no other cloud's host opens.
    """

    problem: str = ""
    is_inside: bool = False
    format: str | None = None
    size: int | None = None
    mode: str | None = None
    bucket: str = ""


@lru_cache(maxsize=2)  # the validator asks, and then who checks for a host: one long text, twice
def picture_at(url: str) -> Picture:
    """What can be said of the picture at an address."""
    if url[:5].lower() == "data:":
        return _inside(url)
    if url[:8].lower().startswith(("http://", "https://")):
        ending = _ENDING.search(url[-300:])
        return Picture(format=_name(ending[1]) if ending else None)
    if bucket := _BUCKET.match(url):
        ending = _ENDING.search(url[-300:])
        return Picture(format=_name(ending[1]) if ending else None, bucket=bucket[1])
    if url.startswith(_BARE) or _BASE64.fullmatch(url[:200].strip()):
        return Picture("bare base64: `data:image/png;base64,`, or the like, must stand before it")
    shown = excerpt(url, 40)
    return Picture(f"`{shown}` is no address that a host can open: https://… or data:image/…")


def _inside(url: str) -> Picture:
    match = _DATA.match(url[:300])
    if not match or not match[2].lower().endswith(";base64"):
        return Picture("a data address is written `data:image/png;base64,…`", True)
    kind = match[1].strip().lower()
    if not kind.startswith("image/"):
        return Picture(f"its type is `{excerpt(kind, 30)}`, not image/…", True)
    text = url[match.end() :]
    try:
        content = binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except (binascii.Error, ValueError) as error:  # ValueError: letters beyond ASCII
        return Picture(f"broken base64 ({str(error).lower()})", True)
    if not content:
        return Picture("there is nothing behind `base64,`", True)
    name = _format(content) or _name(kind.removeprefix("image/"))
    return Picture("", True, name, len(content), _mode(content, name))


def _name(ending: str) -> str:
    name = ending.lower().removesuffix("+xml")
    return {"jpg": "jpeg", "tif": "tiff"}.get(name, name)


def _format(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _MAGIC if content.startswith(magic)), None)


def _mode(content: bytes, name: str | None) -> str | None:
    if name == "png" and len(content) > 25:
        return _PNG_MODES.get(content[25])
    if name == "jpeg":
        return _jpeg_mode(content)
    return None


def _jpeg_mode(content: bytes) -> str | None:
    """By the number of components in the frame header (ITU T.81, B.2.2)."""
    place = 2
    while place + 10 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _JPEG_MODES.get(content[place + 9])
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return None


def address_of(part: Any) -> str | None:
    """The address in a part of a message that is a picture; None for any other."""
    value = part.get("image_url") if part.get("type") == "image_url" else None
    url = value.get("url") if isinstance(value, dict) else None
    return url if isinstance(url, str) else None
