"""Encodings of alphabets that no file names: which of them makes sense of the bytes.

Knows a few letters of each language. What is neither is read as western Europe's, elsewhere.
"""

import re

_LONG = re.compile(rb"[\x80-\xff]{3,}")  # in western Europe no word has three such letters in a row
_HAN = "的一是不了在有我他这這你好请請吗嗎，。、？！"
# (codec, its name, letters that are usual, their share among all that is no ASCII)
_ALPHABETS = (
    ("cp1251", "Windows-1251, Cyrillic", re.compile("[а-яё]"), 0.7),
    ("koi8_r", "KOI8-R, Cyrillic", re.compile("[а-яё]"), 0.7),
    ("cp1253", "Windows-1253, Greek", re.compile("[α-ωάέήίόύώ]"), 0.7),
    ("cp932", "Shift JIS, Japanese", re.compile("[ぁ-んァ-ヴー、。？]"), 0.3),
    ("euc_jp", "EUC-JP, Japanese", re.compile("[ぁ-んァ-ヴー、。？]"), 0.3),
    ("cp949", "EUC-KR, Korean", re.compile("[가-힣]"), 0.7),
    ("gb18030", "GB 18030, Chinese", re.compile(f"[{_HAN}]"), 0.12),
    ("big5", "Big5, Chinese", re.compile(f"[{_HAN}]"), 0.12),
)
_NO_ASCII = re.compile(r"[^\x00-\x7f]")


def alphabet_of(sample: bytes) -> tuple[str, str] | None:
    """(codec, name) of the encoding in which these bytes, which are no UTF-8, read best; None where
    they look like western Europe's.

    sample: whole lines.
    """
    high = sum(byte >= 0x80 for byte in sample)
    is_long = sum(map(len, _LONG.findall(sample))) >= 0.5 * high
    best, share = None, 0.0
    for codec, name, usual, least in _ALPHABETS:
        if not is_long and codec != "cp932":  # whose second bytes may be ASCII
            continue
        try:
            text = sample.decode(codec)
        except UnicodeDecodeError:
            continue
        letters = len(_NO_ASCII.findall(text))
        here = len(usual.findall(text)) / max(1, letters)
        if here >= least and here / least > share:
            best, share = (codec, name), here / least
    return best
