"""The user's own prices: `models.json` in the course's folder of its own (`WORKBOOK_HOME`).

It adds models and hosts that the course does not know, and overrides what it says of those it does:

    {"models": {"my-model": {"input": 0.20, "output": 0.60, "training": 1.00}},
     "hosts": {"llm.example.org": {"input": 0.20, "output": 0.60}}}

Prices are dollars for 1 million tokens; `like` takes everything else from a model of the course.
Nothing is ever written to this file.
"""

import difflib
import json
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbook import paths, strict_json
from workbook.errors import WorkbookError
from workbook.prices import vocabularies
from workbook.prices.model import Model, Price
from workbook.prices.registry_file import rules_of

# Each field of a model or a host, with what its value must be.
_PRICES = (
    "training",
    "input",
    "cached_input",
    "output",
    "batch_input",
    "batch_output",
    "tuned_input",
    "tuned_cached_input",
    "tuned_output",
)
_NUMBERS = (*_PRICES, "hosting_per_hour")
_LIMITS = ("context_window", "max_output_tokens", "max_example_tokens")
_TEXTS = ("like", "label", "encoding")
_FIELDS = (*_NUMBERS, *_LIMITS, *_TEXTS)
_EVER = date(2000, 1, 1)


class OwnModelsError(WorkbookError):
    """The user's own file of prices can't be used; says where and why."""


def file() -> Path:
    """Where the user's own file is looked for."""
    return paths.home() / "models.json"


def added_to(models: dict[str, Model]) -> dict[str, Model]:
    """The models with the user's own added and overridden. Raises OwnModelsError."""
    rows = _content()["models"]
    if not rows:
        return models
    merged = dict(models)
    for name, fields in rows.items():
        model = _merged(name, fields, models)
        for other in [key for key, known in merged.items() if known.id == model.id]:
            merged[other] = model  # its other names lead to it as well
        merged[name] = model
    return merged


def at_host(host: str, model_id: str, models: dict[str, Model]) -> Model | None:
    """A model at a host of the user's own, by the prices that the file has for the host.

    host: the name in its address ("llm.example.org"); None where the file doesn't name it.
    """
    fields = _content()["hosts"].get(host)
    return None if fields is None else _merged(model_id, fields, models, vendor=host)


def _content() -> dict[str, Any]:
    try:
        path = file()
        stat = path.stat()
    except OSError:  # no such file, or not even the folder can be made
        return {"models": {}, "hosts": {}}
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int, _size: int) -> dict[str, Any]:
    """What the file holds, checked. It is read again once it has changed."""
    try:
        content = strict_json.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except json.JSONDecodeError as error:
        raise OwnModelsError(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg})."
        ) from None
    except ValueError as error:
        raise OwnModelsError(f"{path}: not valid JSON ({error}).") from None
    if not isinstance(content, dict):
        raise OwnModelsError(f'{path}: it must be an object, {{"models": {{…}}}}.')
    _known(content, ("models", "hosts"), f"{path}")
    for part in ("models", "hosts"):
        rows = content.setdefault(part, {})
        if not isinstance(rows, dict):
            raise OwnModelsError(f'{path}: "{part}" must be an object, a name for each entry.')
        for name, fields in rows.items():
            _check(fields, f'{path}: "{part}" → "{name}"')
    return content


def _check(fields: Any, where: str) -> None:
    if not isinstance(fields, dict):
        raise OwnModelsError(f'{where} must be an object, such as {{"input": 0.2, "output": 0.6}}.')
    _known(fields, _FIELDS, where)
    for key, value in fields.items():
        place = f'{where} → "{key}"'
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if key in _NUMBERS and not (is_number and value >= 0):
            raise OwnModelsError(
                f"{place} is {json.dumps(value)}: a number of dollars is wanted, 0 or more"
                f"{'' if key == 'hosting_per_hour' else ', for 1 million tokens'}."
            )
        if key in _LIMITS and not (is_number and value == int(value) and value > 0):
            raise OwnModelsError(f"{place} is {json.dumps(value)}: a number of tokens is wanted.")
        if key in _TEXTS and not isinstance(value, str):
            raise OwnModelsError(f"{place} is {json.dumps(value)}: a text is wanted.")
        if key == "encoding" and value not in vocabularies.names():
            choices = ", ".join(vocabularies.names())
            raise OwnModelsError(f'{place} is "{value}": choose one of: {choices}.')


def _known(fields: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    for key in fields:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else f"There are: {', '.join(names)}."
            raise OwnModelsError(f'{where}: there is no "{key}". {hint}')


def _merged(
    name: str, fields: dict[str, Any], models: dict[str, Model], vendor: str = "your own"
) -> Model:
    """A model of the course, or a new one, with the user's fields in front."""
    like = fields.get("like")
    if like is not None and like not in models:
        near = difflib.get_close_matches(like, models, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise OwnModelsError(f'{file()}: "{name}" is like {like!r}, which is no model.{hint}')
    known = models.get(name)
    source = known or _new(name, vendor)
    if like is not None:
        source = replace(models[like], id=source.id, base_id=source.id, label=source.label)
        source = replace(source, vendor=vendor, shutdown=None, tuned_shutdown=None)
    own = {key: fields[key] for key in _PRICES if key in fields}
    for kind in ("input", "cached_input", "output"):
        # Who says nothing of the tuned model's tokens pays for them as for the base's.
        if kind in own and not any(f"tuned_{kind}" in price.kinds for price in source.prices):
            own.setdefault(f"tuned_{kind}", own[kind])
    prices = [_price((key,), usd) for key, usd in own.items()]
    replaced = {kind for price in prices for kind in price.kinds}
    kept = [
        replace(price, kinds=left)
        for price in source.prices
        if (left := tuple(kind for kind in price.kinds if kind not in replaced))
    ]
    changes: dict[str, Any] = {key: int(fields[key]) for key in _LIMITS if key in fields}
    if "label" in fields:
        changes["label"] = fields["label"]
    if "encoding" in fields:
        changes["encoding"] = fields["encoding"]
        changes["token_rules"] = rules_of(fields["encoding"])
    if "hosting_per_hour" in fields:
        changes["hosting"] = _price(("hosting",), fields["hosting_per_hour"], "hour")
    return replace(source, prices=(*kept, *prices), **changes)


def _price(kinds: tuple[str, ...], usd: float, unit: str = "1M tokens") -> Price:
    today = date.today()
    title = "your own models.json"
    return Price(kinds, usd, unit, _EVER, None, False, title, str(file()), today, "your own")


def _new(name: str, vendor: str) -> Model:
    """A chat model of which nothing is known but what the user writes."""
    return Model(
        id=name,
        base_id=name,
        label=name,
        vendor=vendor,
        kind="chat",
        tuned=False,
        encoding=None,
        context_window=None,
        max_output_tokens=None,
        max_example_tokens=None,
        token_rules=rules_of(None),
        methods=("supervised",),
        tunable_from=_EVER,
        tunable_until=None,
        newcomers_until=None,
        newcomers_closed=False,
        shutdown=None,
        tuned_shutdown=None,
        hosting=None,
        prices=(),
        promotions=(),
        source_documents=(),
        notes="Its prices are from your own models.json.",
        sources=(f"your own models.json ({file()})",),
    )
