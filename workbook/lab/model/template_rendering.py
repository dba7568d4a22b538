"""Renders a chat template (Jinja), set up as in transformers, in a process of its own.

A template comes with a download: the sandbox keeps it from what it must not reach, the process from
the lab's time and memory (`{{ 'a' * 10**9 }}`, loops without an end, formats of any width). Knows
nothing of tokens and roles.
"""

import atexit
import functools
import json
from datetime import datetime
from typing import Any

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workbook import bounded_process
from workbook.bounded_process import BoundedProcess, Bounds, TooMuchError

# Of one conversation; the largest of the usual templates takes a hundredth of it.
BOUNDS = Bounds(cpu=2.0, seconds=30.0, memory=256 * 2**20)
MOST_GROWTH = 2**20  # characters by which a text may be longer than twice what is rendered

_PROCESS = BoundedProcess(__name__)
atexit.register(_PROCESS.close)
close = _PROCESS.close  # ends the process; the next rendering starts it again


class TemplateError(ValueError):
    """The template does not take such a conversation; says why, in its own words."""


def render(source: str, variables: dict[str, Any]) -> str:
    """The text that a template makes of these variables. Raises TemplateError."""
    try:
        with _PROCESS.turn():
            kind, text = _PROCESS.ask([source, variables], BOUNDS)
    except TooMuchError as error:
        raise TemplateError(f"the model's chat template takes too much {error}") from None
    if kind == "text":
        return str(text)
    raise TemplateError(text)


# In the process

_TOO_LARGE = "the model's chat template takes too much memory"


def _answer(question: Any) -> tuple[str, str]:
    source, variables = question
    most = 2 * len(json.dumps(variables)) + MOST_GROWTH
    pieces, size = [], 0
    try:
        template = _compile(source)  # it computes what it can beforehand
        for piece in template.generate(**variables):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                return "error", "the model's chat template makes far more text than it is given"
        return "text", "".join(pieces)
    except jinja2.TemplateSyntaxError as error:
        return "error", f"the chat template is wrong: {error}"
    except (MemoryError, RecursionError):
        return "error", _TOO_LARGE
    except Exception as error:  # whatever it does with what it is given
        reason = str(error)[:1000] or type(error).__name__
        return "error", f"the model's chat template refuses it: {reason}"


@functools.lru_cache(maxsize=8)
def _compile(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _as_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(source)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Without Jinja's escapes for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


class _Generation(Extension):
    """`{% generation %}` marks what the assistant says; here that is known without it."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


if __name__ == "__main__":
    bounded_process.answer_each(_answer, 2 * BOUNDS.cpu, 2 * BOUNDS.memory)
