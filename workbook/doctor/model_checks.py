"""Whether a model learns from rows of such a format: by its kind, its methods, its host's rules.

Knows the registry of models; no rows.
"""

from collections.abc import Iterator, Mapping

from workbook.doctor.host_checks import FORMAT_NAMES
from workbook.doctor.lines import Problem
from workbook.doctor.profiles import Profile
from workbook.prices import registry

_METHODS = {"preference": "dpo", "reinforcement": "reinforcement"}


def of_kinds(host: Profile, kinds: Mapping[str, int], model: str | None) -> Iterator[Problem]:
    """What the model can't be tuned on, and that there are rows for a method of their own.

    kinds: how many examples there are of each format.
    Raises WorkbookError for an unknown model.
    """
    if model is not None:
        yield from _misfits(host, kinds, model)
    if (count := kinds.get("reinforcement")) and "reinforcement" in host.value("formats"):
        text = f"{count:,} {FORMAT_NAMES['reinforcement']}: the method is `reinforcement`"
        yield "reinforcement", text, ""


def _misfits(host: Profile, kinds: Mapping[str, int], model: str) -> Iterator[Problem]:
    entry = registry.get(model)
    for kind, count in kinds.items():
        if kind not in host.value("formats"):
            continue  # `host_checks` says so
        rows = f"{count:,} × {FORMAT_NAMES[kind]}"
        if host.value("pairs_apart") and (kind == "completion") != (entry.kind == "completion"):
            other, to = ("messages", "chat") if entry.kind == "chat" else ("pairs", "completion")
            text = f"{entry.id} is a {entry.kind} model, and learns from {other} only"
            yield "model-format", f"{rows}: {text}: workbook convert FILE --to {to}", ""
            continue
        method = _METHODS.get(kind, "supervised")
        # Only what the host itself says of its model: elsewhere other methods may be had.
        if entry.vendor in host.vendors and entry.methods and method not in entry.methods:
            text = f"{entry.id} is tuned by {' and '.join(entry.methods)}, not by {method}"
            yield "model-method", f"{rows}: {text}", ""
