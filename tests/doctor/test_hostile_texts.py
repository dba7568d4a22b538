"""No text takes more than its share of time: four times as long, about four times the time."""

import time

import pytest
from training_rows import chat

from workbook import doctor
from workbook.doctor import near_duplicates, personal_data, secret_keys, text_checks

PIECES = {
    "slashes": "/",
    "slashes, then a key": "/:_authToken",
    "an address over and over": "://a:",
    "colons": ":",
    "an address of colons": "://" + ":" * 5_000,
    "beginnings of keys": "sk-",
    "beginnings of keys with a T3": "sk-T3BlbkFJ-",
    "other beginnings": "sk-ant-sk_live_",
    "beginnings of web tokens": "eyJ",
    "web tokens": "eyJ-",
    "web tokens with dots": "eyJ.",
    "letters parted by nothing": "a\u200b",
    "digits parted by nothing": "1\u200b",
    "marks of direction": "\u200e\u202a",
    "byte order marks": "\ufeff",
    "a key and blanks": "key" + " " * 3_000,
    "a key and lines": "api_key\n" * 3 + "\n" * 3_000,
    "keys, keys": "token key ",
    "a token that is none": "ibm_cloud_iam_key = ",
    "passwords": "password:a,",
    "a password of lines": "password:" + "_" * 3_000,
    "passwords and blanks": "senha" + " " * 3_000,
    "keys of the same sort": "-AKIA1234567890ABCDEF",
    "keys with dots": "AKIA1234567890ABCDEF.",
    "aws": "aws",
    "aws, quoted": "aws key '",
    "capitals": "M",
    "small letters": "a",
    "hex": "0123456789abcdef",
    "digits": "7",
    "digits and blanks": "4 ",
    "card numbers": "4111 1111 1111 1112 ",
    "digits and dots": "1.2-3",
    "pluses": "+",
    "numbers": "+99 999 99999 ",
    "numbers of no country": "call (00) 00000-0000 ",
    "account numbers": "DE00 0000 1111 ",
    "at signs": "@",
    "addresses of mail": "a@b.",
    "a long mailbox": "a.b+c-" * 2_000 + "@",
    "hosts": "@a.bb.cc.dd",
    "braces": "{{",
    "brackets": "[your ",
    "angle brackets": "<insert <",
    "capital Xs": "X",
    "template marks": "<|im_",
    "other template marks": "[INST",
    "ampersands": "&amp",
    "entities": "&amp;",
    "backslashes": "\\",
    "backslashes and n": "\\n",
    "wrong letters": "Ã",
    "wrong quotation marks": "â€",
    "wrong emoji": "ðŸ",
    "wrong Cyrillic": "Ð\x9f",
    "wrong letters apart": "Ã ",
    "controls": "\x85\x92",
    "replacement signs": "\ufffd",
    "accents": "e\u0301",
    "accents on one letter": "\u0301",
    "blanks": " ",
    "lines": "\n",
    "blank lines": " \n",
    "tabs": "\t",
    "returns": "\r",
    "emoji": "😀",
    "Chinese": "花",
    "Arabic": "مرحبا ",
    "apologies": "sorry ",
    "a bomb": "how to make a ",
    "a picture": "data:image/png;base64,",
    "words": "the cat and the dog ",
    "slack": "xoxb-1-",
    "a slack app": "xapp-1-A-",
    "gitlab": "glagent-",
    "discord": "M" * 23 + ".",
    "telegram": "12345678:",
    "urls": "https://hooks.slack.com/services/T",
    "cloudant": "http://a:cloudant",
    "a private key": "-----BEGIN ",
}


def of_length(piece: str, length: int, end: str = "") -> str:
    return (piece * (length // len(piece) + 1))[:length] + end


def seconds(text: str) -> float:
    start = time.process_time()
    list(text_checks.check(text))
    return time.process_time() - start


@pytest.mark.parametrize("piece", PIECES)
def test_twice_as_long_takes_about_twice_the_time(piece: str) -> None:
    """Four times the length takes less than eight times the time; what is quadratic takes sixteen.

    What ends within a few hundredths of a second is quick enough.
    """
    short, long = (of_length(PIECES[piece], length, " !") for length in (8_000, 32_000))
    for _ in range(3):  # the machine may be busy
        after, before = seconds(long), seconds(short)
        if after < max(0.04, 8 * before):
            return
    pytest.fail(f"{before:.3f} s, and for four times the length {after:.3f} s")


@pytest.mark.full
@pytest.mark.parametrize("piece", PIECES)
def test_the_longest_legal_text_is_checked_in_seconds(piece: str) -> None:
    assert seconds(of_length(PIECES[piece], 4 * 2**20, " !")) < 10


def test_rows_of_such_texts_are_compared_in_seconds() -> None:
    """Near duplicates, fingerprints and excerpts, too."""
    text = of_length("letters/ ", 1_000_000)
    start = time.process_time()
    report = doctor.check([chat(text, text), chat(text[1:], text), chat(text, text[1:])])
    assert "near-duplicate" in report.codes and time.process_time() - start < 8


def test_a_picture_in_a_text_is_no_text() -> None:
    picture = "data:image/png;base64," + "sk-proj-abcdefghijklmnopqrstuvwx1234/T3BlbkFJ" * 20_000
    text = f"Look: {picture} Write to ana@example.org or with sk-proj-abcdefghijklmnopqrstuvwx!"
    kinds = [entity.kind for entity in personal_data.find(text)]
    assert kinds == ["e-mail", "OpenAI key"] and secret_keys.hide(text).endswith("with [key]!")
    masked = personal_data.mask(text)
    assert masked == f"Look: {picture} Write to [e-mail] or with [key]!"
    assert seconds(text) < 1


def test_a_key_at_the_end_of_a_long_text_is_found() -> None:
    text = "the cat sat. " * 20_000 + "sk-proj-abcdefghijklmnopqrstuvwx and ana@example.org"
    start = text.index("sk-proj")
    key, address = personal_data.first_of_each(text)
    assert (key.start, key.is_key, text[address.start : address.end]) == (
        start,
        True,
        "ana@example.org",
    )


def test_a_long_text_is_compared_by_its_beginning() -> None:
    index = near_duplicates.NearIndex()
    for key, words in enumerate(("cats and dogs ", "rain and snow ", "tea and coffee ")):
        assert index.match(key, words * 100_000) is None
    assert index.match(3, "cats and dogs " * 90_000) == (0, 1.0)
