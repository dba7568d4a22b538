"""What a command writes, made safe for a terminal: names and texts in it are other people's.

An escape sequence in a file's name or in a row could recolour, hide or retype what the terminal
shows. Knows nothing of what is written. The form `\\u001b` means the same inside JSON.
"""

import contextlib
import re
import sys
from collections.abc import Iterator
from typing import Any

# Control characters; those that reorder a line; bytes of a name that are no UTF-8.
_UNSAFE = "[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_OWN_COLOUR = r"\x1b\[(?:1;3[136]|0)m"  # of a finding's severity, see `doctor.terminal`
_BAR = r"\r|\x1b\[A"  # how a progress bar is drawn over


def visible(text: str) -> str:
    """The text with what a terminal would obey written as `\\u001b`; ends of lines stay."""
    return re.sub(_UNSAFE, _escape, text)


def _escape(sign: re.Match[str]) -> str:
    return f"\\u{ord(sign[0]):04x}"


class _Screen:
    """A text stream that shows what is unsafe and is otherwise the stream it stands for."""

    def __init__(self, stream: Any, allowed: str) -> None:
        self._stream = stream
        self._pattern = re.compile(f"(?P<own>{allowed})|{_UNSAFE}")

    def write(self, text: str) -> int:
        self._stream.write(self._pattern.sub(lambda m: m["own"] or _escape(m), text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within it, nothing unsafe reaches standard output or standard error."""
    out: Any = _Screen(sys.stdout, _OWN_COLOUR)
    err: Any = _Screen(sys.stderr, f"{_OWN_COLOUR}|{_BAR}")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
