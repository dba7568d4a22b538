"""How a job is to train: the request's method and hyperparameters, and which the lab has.

Knows what may be asked for; how it is done, `trainer` knows.
"""

from typing import Any

from workbook.lab.schema import ApiError

# The methods that the lab has, each with its hyperparameters; "auto" where none is given.
METHODS = {
    "supervised": ("n_epochs", "batch_size", "learning_rate_multiplier"),
    "dpo": ("beta", "n_epochs", "batch_size", "learning_rate_multiplier"),
}


def parse(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Method and hyperparameters of a checked CreateFineTuningJobRequest. Raises ApiError (400)."""
    chosen = body.get("method") or {"type": "supervised"}
    kind = chosen["type"]
    if kind not in METHODS:
        offered = " and ".join(f"'{name}'" for name in METHODS)
        raise ApiError(
            400,
            f"The lab does not train with method '{kind}'. It offers {offered}.",
            "unsupported_method",
            "method.type",
        )
    if other := sorted(name for name in chosen.keys() - {"type", kind} if chosen[name]):
        raise ApiError(
            400,
            f"'method.{other[0]}' is only allowed when 'method.type' is '{other[0]}'.",
            "invalid_parameter_combination",
            f"method.{other[0]}",
        )
    given = _given(body, (chosen.get(kind) or {}).get("hyperparameters") or {})
    if unknown := sorted(given.keys() - set(METHODS[kind])):
        param = f"hyperparameters.{unknown[0]}"
        raise ApiError(400, f"Unknown parameter: '{param}'.", "unknown_parameter", param)
    return kind, {name: given.get(name, "auto") for name in METHODS[kind]}


def _given(body: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters from the method, or from their older place."""
    old = body.get("hyperparameters") or {}
    if old and new and old != new:
        raise ApiError(
            400,
            "Give the hyperparameters in 'method' or at the top level, not both.",
            "invalid_parameter_combination",
            "hyperparameters",
        )
    return old | new
