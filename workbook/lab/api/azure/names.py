"""Azure's names of tuned models, `BASE.ft-` and 32 hexadecimal digits, beside the lab's own.

Knows both; which models there are, the store says.
"""

import hashlib
import re
from typing import Any

from workbook.lab.ids import base_of
from workbook.lab.state.records import Model
from workbook.lab.state.store import Store

_OURS = re.compile(r"ft:[^:\s\"]+:lab:[a-z0-9-]*:\w{8}(?::ckpt-step-\d+)?")


def outside(model: str) -> str:
    """A model by the name that Azure's clients see."""
    if not model.startswith("ft:"):
        return model
    return f"{base_of(model)}.ft-{hashlib.sha256(model.encode()).hexdigest()[:32]}"


def inside(name: str, store: Store) -> str:
    """The lab's name for what a client names; where it is no name of Azure's, the same."""
    if ".ft-" not in name:
        return name
    models, _ = store.page(Model, limit=1_000_000)
    return next((model.id for model in models if outside(model.id) == name), name)


def renamed(answer: Any) -> Any:
    """An answer with Azure's names, wherever a tuned model is named; what clients wrote stays."""
    match answer:
        case str():
            return _OURS.sub(lambda match: outside(match[0]), answer)
        case dict():
            return {
                key: value if key == "metadata" else renamed(value) for key, value in answer.items()
            }
        case list():
            return [renamed(value) for value in answer]
    return answer
