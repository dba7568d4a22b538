"""How a job is to train: the request's method and hyperparameters, and which the lab has.

Knows what may be asked for; how it is done, `training` knows.
"""

from typing import Any

from workbook.grading import graders
from workbook.lab.errors import ApiError
from workbook.lab.generation import structured_output
from workbook.lab.state.records import Method

# The methods that the lab has, each with its hyperparameters; "auto" where a request has none.
METHODS: dict[Method, tuple[str, ...]] = {
    "supervised": ("n_epochs", "batch_size", "learning_rate_multiplier"),
    "dpo": ("beta", "n_epochs", "batch_size", "learning_rate_multiplier"),
    "reinforcement": (
        "n_epochs",
        "batch_size",
        "learning_rate_multiplier",
        "compute_multiplier",
        "eval_interval",
        "eval_samples",
        "reasoning_effort",
    ),
}


def parse(body: dict[str, Any]) -> tuple[Method, dict[str, Any], dict[str, Any] | None]:
    """Method, hyperparameters and other settings of a checked CreateFineTuningJobRequest.

    Raises ApiError (400).
    """
    request = body.get("method") or {"type": "supervised"}
    method = request["type"]
    if method not in METHODS:
        offered = ", ".join(f"'{name}'" for name in METHODS)
        raise ApiError(
            400,
            f"The lab does not train with method '{method}'. It offers {offered}.",
            "unsupported_method",
            "method.type",
        )
    if other := sorted(name for name in request.keys() - {"type", method} if request[name]):
        raise ApiError(
            400,
            f"'method.{other[0]}' is only allowed when 'method.type' is '{other[0]}'.",
            "invalid_parameter_combination",
            f"method.{other[0]}",
        )
    values = _hyperparameters(body, (request.get(method) or {}).get("hyperparameters") or {})
    if unknown := sorted(values.keys() - set(METHODS[method])):
        param = f"hyperparameters.{unknown[0]}"
        raise ApiError(400, f"Unknown parameter: '{param}'.", "unknown_parameter", param)
    hyperparameters = {name: values.get(name, _unset(name)) for name in METHODS[method]}
    settings = _reinforcement(body) if method == "reinforcement" else None
    return method, hyperparameters, settings


def _unset(name: str) -> str:
    return "default" if name == "reasoning_effort" else "auto"


def _reinforcement(body: dict[str, Any]) -> dict[str, Any]:
    """Grader and answers' form of a reinforcement job. Raises ApiError (400): can't be had."""
    settings = body["method"].get("reinforcement")
    if settings is None:
        param = "method.reinforcement"
        message = f"Missing required parameter: '{param}'."
        raise ApiError(400, message, "missing_required_parameter", param)
    grader, where = settings["grader"], "method.reinforcement.grader"
    if body.get("validation_file") is None and grader["type"] != "lambda":  # as at Bedrock
        raise ApiError(
            400,
            "Missing required parameter: 'validation_file'. Method 'reinforcement' needs one.",
            "missing_required_parameter",
            "validation_file",
        )
    if "label_model" in graders.kinds(grader):
        message = (
            "A job can't be graded by 'label_model', also not as a part of a multi grader: use "
            "'score_model', which gives a number."
        )
        raise ApiError(400, message, "unsupported_grader", where)
    if settings.get("response_format"):
        structured_output.check_job(settings["response_format"])
    return {name: settings[name] for name in ("grader", "response_format") if settings.get(name)}


def _hyperparameters(body: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters from the method, `new`, or from their older place in the body."""
    old = body.get("hyperparameters") or {}
    if old and new and old != new:
        raise ApiError(
            400,
            "Give the hyperparameters in 'method' or at the top level, not both.",
            "invalid_parameter_combination",
            "hyperparameters",
        )
    return old | new
