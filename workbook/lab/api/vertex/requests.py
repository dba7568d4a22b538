"""A request for a tuning job, checked, and in the words that the lab's jobs have for it.

Knows Google's CreateTuningJob and OpenAI's CreateFineTuningJob; starts nothing.
"""

from dataclasses import dataclass
from typing import Any

from workbook.lab.errors import ApiError

RANK = "ADAPTER_SIZE_SIXTEEN"  # the lab's adapters have this rank, and no other
_SPEC = "supervisedTuningSpec"
_FIELDS = {"baseModel", _SPEC, "tunedModelDisplayName", "description", "labels"}
_OF_THE_SPEC = {
    "trainingDatasetUri",
    "validationDatasetUri",
    "hyperParameters",
    "exportLastCheckpointOnly",
}
_SETTINGS = {"epochCount", "learningRateMultiplier", "adapterSize"}


@dataclass(frozen=True)
class Wanted:
    """A job that may be tried.

    body: for the lab's own jobs, without files
    files: parameter → address in a bucket, the training file first
    shown: what the job object repeats
    """

    body: dict[str, Any]
    files: dict[str, str]
    shown: dict[str, Any]


def parse(body: Any, model: str) -> Wanted:
    """What a request asks for.

    model: the base that the lab tunes
    Raises ApiError (400, 404).
    """
    if not isinstance(body, dict):
        raise ApiError(400, "The body of the request must be a JSON object.")
    if other := sorted(name for name in body.keys() - _FIELDS if body[name]):
        raise _unsupported(other[0], f"It tunes by '{_SPEC}'.")
    base = str(body.get("baseModel"))
    if base.removeprefix("publishers/google/models/") != model:
        raise ApiError(404, f"The base model '{base[:80]}' does not exist. The lab tunes {model}.")
    spec = _object(body, _SPEC)
    if other := sorted(name for name in spec.keys() - _OF_THE_SPEC if spec[name]):
        raise _unsupported(f"{_SPEC}.{other[0]}")
    files = {
        f"{_SPEC}.{name}": spec[name]
        for name in ("trainingDatasetUri", "validationDatasetUri")
        if spec.get(name) is not None
    }
    if f"{_SPEC}.trainingDatasetUri" not in files:
        raise ApiError(400, f"Missing '{_SPEC}.trainingDatasetUri': an address gs://BUCKET/FILE.")
    for param, uri in files.items():
        if not isinstance(uri, str) or not uri.endswith(".jsonl"):
            raise ApiError(400, f"'{param}' must be the address of a .jsonl file.")
    settings = _settings(spec)
    job: dict[str, Any] = {
        "model": model,
        "method": {"type": "supervised", "supervised": {"hyperparameters": settings}},
    }
    if name := body.get("tunedModelDisplayName"):
        if not isinstance(name, str) or len(name) > 128:
            raise ApiError(400, "'tunedModelDisplayName' is a text of at most 128 characters.")
        job["suffix"] = name[:64]
    return Wanted(job, files, {name: body[name] for name in _FIELDS if name in body})


def _settings(spec: dict[str, Any]) -> dict[str, Any]:
    given = {
        name: value
        for name, value in _object(spec, "hyperParameters", optional=True).items()
        if value is not None
    }
    if other := sorted(given.keys() - _SETTINGS):
        raise _unsupported(f"{_SPEC}.hyperParameters.{other[0]}")
    settings: dict[str, Any] = {}
    if "epochCount" in given:
        text = str(given["epochCount"])  # Google's 64-bit numbers may come as texts
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 50:
            raise ApiError(400, f"'epochCount' is {text[:20]}, not a whole number from 1 to 50.")
        settings["n_epochs"] = int(text)
    if "learningRateMultiplier" in given:
        factor = given["learningRateMultiplier"]
        if isinstance(factor, bool) or not isinstance(factor, int | float) or factor <= 0:
            raise ApiError(400, "'learningRateMultiplier' must be a number above 0.")
        settings["learning_rate_multiplier"] = factor
    if given.get("adapterSize", RANK) not in (RANK, "ADAPTER_SIZE_UNSPECIFIED"):
        raise ApiError(400, f"The lab's adapters have rank 16: leave 'adapterSize' out, or {RANK}.")
    return settings


def _object(body: dict[str, Any], name: str, optional: bool = False) -> dict[str, Any]:
    value = body.get(name, {} if optional else None)
    if not isinstance(value, dict):
        raise ApiError(400, f"'{name}' must be an object.")
    return value


def _unsupported(name: str, more: str = "") -> ApiError:
    return ApiError(400, f"The lab does not support '{name}': leave it out. {more}".strip())
