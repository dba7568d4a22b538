"""Which calls of OpenAI's API cost money, and which of their settings are known not to cost more.

Two lists of what is known. What stands on neither can't be counted, and a budget that holds doesn't
send it: a new setting, a price class, a tool that the host runs itself. Knows paths and bodies of
requests; no models and no prices.
"""

import re
from collections.abc import Mapping
from typing import Any

from workbook.budget.usage import NotCountableError

CHAT, COMPLETIONS, RESPONSES = "/chat/completions", "/completions", "/responses"
EMBEDDINGS, BATCHES, JOBS = "/embeddings", "/batches", "/fine_tuning/jobs"
REQUESTS = (CHAT, COMPLETIONS, RESPONSES, EMBEDDINGS)

# POST paths that cost nothing by themselves: files, and what is done to what was counted already.
_FREE = re.compile(
    r"/files|/uploads(/[\w.-]+/(parts|complete|cancel))?|/moderations"
    r"|/fine_tuning/jobs/[\w.:-]+/(cancel|pause)|/fine_tuning/checkpoints/[^/]+/permissions"
    r"|/(batches|responses)/[\w.-]+/cancel|/lab/\w+"
)
RESUMED = re.compile(r"/fine_tuning/jobs/([\w.:-]+)/resume")
# Answers in which something that was paid for before may have ended.
_ONE = re.compile(
    r"/(?:fine_tuning/jobs|batches|responses)/([\w.:-]+)(?:/(?:cancel|pause|resume))?"
)
_DEPLOYMENT = re.compile(r"/deployments/[^/]+(?=/)")  # AzureOpenAI puts it before the path

_SAMPLING = "temperature top_p frequency_penalty presence_penalty logit_bias logprobs seed stop"
_USUAL = "model metadata user stream stream_options"
_CACHE = "safety_identifier prompt_cache_key prompt_cache_retention store service_tier"
_TOOLS = "tools tool_choice parallel_tool_calls"
# What is known of each call: it costs nothing, or it is counted.
SETTINGS = {
    CHAT: f"{_USUAL} {_SAMPLING} {_CACHE} {_TOOLS} messages max_completion_tokens max_tokens n "
    "functions function_call reasoning_effort response_format top_logprobs verbosity modalities",
    COMPLETIONS: f"{_USUAL} {_SAMPLING} prompt suffix max_tokens n best_of",
    RESPONSES: f"{_USUAL} {_SAMPLING} {_CACHE} {_TOOLS} input instructions max_output_tokens text "
    "reasoning previous_response_id conversation background include truncation top_logprobs "
    "max_tool_calls",
    EMBEDDINGS: "model input dimensions encoding_format user",
    BATCHES: "input_file_id endpoint completion_window metadata output_expires_after",
    JOBS: "model training_file validation_file suffix seed method hyperparameters metadata "
    "integrations",
}
_HYPERPARAMETERS = {"n_epochs", "batch_size", "learning_rate_multiplier", "beta"}
# Values that are known; any other may be a dearer class of service.
_VALUES = {
    "service_tier": ("auto", "default", "flex"),  # flex costs less than what is put aside
    "modalities": (["text"],),
    "prompt_cache_retention": ("in_memory", "in-memory"),
    "completion_window": ("24h",),
}
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "n", "best_of")


def path_below(base: str, url: str) -> str | None:
    """The path of a call below the client's address, "/chat/completions"; None: elsewhere."""
    base = base.partition("?")[0].rstrip("/")
    url = url.partition("?")[0]
    if not url.startswith(base + "/"):
        return None
    return _DEPLOYMENT.sub("", url[len(base) :], count=1)


def is_free(method: str, path: str | None) -> bool:
    """Whether a call costs nothing: reading, deleting, files, and the ends of what was counted."""
    if method in ("GET", "HEAD", "OPTIONS", "DELETE"):
        return True
    return method == "POST" and path is not None and _FREE.fullmatch(path) is not None


def id_of(path: str | None) -> str | None:
    """The job, batch or response that a call is about; None: it is about none, or about many."""
    match = _ONE.fullmatch(path or "")
    return match[1] if match else None


def check(path: str, body: Mapping[str, Any]) -> None:
    """Raises NotCountableError for a setting that isn't known, or whose value isn't."""
    known = SETTINGS[path].split()
    for name, value in body.items():
        if value is None:
            continue
        if name not in known:
            raise NotCountableError(f"what `{name}` costs is not known here. Leave it out.")
        if name in _VALUES and value not in _VALUES[name]:
            raise NotCountableError(
                f"what `{name}: {value}` costs is not known here. Leave it out."
            )
        if name in _LIMITS:
            whole_number(name, value)
    if path == JOBS:
        _check_job(body)
    for message in body.get("messages") or []:
        if isinstance(message, Mapping) and message.get("audio"):
            raise NotCountableError("a message with a sound can't be counted.")


def whole_number(name: str, value: Any) -> int:
    """`value`, if it is a whole number above 0. Raises NotCountableError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise NotCountableError(f"`{name}` is {value!r}: it must be a whole number above 0.")
    return value


def hyperparameters(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every place of a job's body where settings may stand."""
    method = body.get("method") or {}
    places = [method[key] for key in method if isinstance(method[key], Mapping)]
    settings = [body, *places]
    return [each["hyperparameters"] for each in settings if each.get("hyperparameters")]


def _check_job(body: Mapping[str, Any]) -> None:
    method = body.get("method") or {"type": "supervised"}
    if method.get("type") not in ("supervised", "dpo"):
        raise NotCountableError(f"the bill of a {method.get('type')} job can't be foreseen.")
    for settings in hyperparameters(body):
        for name, value in settings.items():
            if name not in _HYPERPARAMETERS:
                raise NotCountableError(f"what `{name}` costs is not known here. Leave it out.")
            if name == "n_epochs" and value not in ("auto", None):
                whole_number(name, value)
    for each in body.get("integrations") or []:
        if each.get("type") != "wandb":
            raise NotCountableError(f"what the integration {each.get('type')} costs is not known.")
