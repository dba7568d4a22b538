"""What a job is asked for: its settings explained, its request, its price, the same as Python code.

Knows OpenAI's request for a fine-tuning job, and what each setting does. Sends one, when told to.
"""

import pprint
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbook import strict_json
from workbook.doctor import job_checks
from workbook.errors import RefusedError, WorkbookError
from workbook.jobs import price
from workbook.jobs.send import TRAINING_TYPES
from workbook.studio.host import Host
from workbook.studio.job_views import settings_of

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob

METHODS = {
    "supervised": "supervised: learn the answers as they stand in the file",
    "dpo": "dpo: learn which of two answers is preferred",
    "reinforcement": "reinforcement: learn from rewards that a grader gives",
}
_ALL = tuple(METHODS)


@dataclass(frozen=True)
class Setting:
    """One hyperparameter. choices: what it may be, where it is no number."""

    name: str
    label: str
    explanation: str
    methods: tuple[str, ...] = _ALL
    whole: bool = False
    choices: tuple[str, ...] = ()


SETTINGS = (
    Setting(
        "n_epochs",
        "Epochs",
        "How often the whole file is gone through. Each costs as much as the first; too many, and "
        "the model learns the file by heart. Empty: the host chooses by the number of examples.",
        whole=True,
    ),
    Setting(
        "batch_size",
        "Batch size",
        "Examples a step. Larger is steadier and makes fewer steps. Empty: the host chooses.",
        whole=True,
    ),
    Setting(
        "learning_rate_multiplier",
        "Learning rate multiplier",
        "How far each step goes, as a multiple of the host's own rate. Higher learns faster, and "
        "forgets more. Empty: the host chooses.",
    ),
    Setting(
        "beta",
        "Beta",
        "How closely the model stays to what it was. Higher is more cautious. Empty: the host "
        "chooses.",
        ("dpo",),
    ),
    Setting(
        "compute_multiplier",
        "Compute multiplier",
        "How many answers are tried for each prompt, as a multiple of the host's own number.",
        ("reinforcement",),
    ),
    Setting(
        "eval_interval",
        "Steps between evaluations",
        "After so many steps the validation file is answered and graded.",
        ("reinforcement",),
        whole=True,
    ),
    Setting(
        "eval_samples",
        "Answers an evaluation",
        "How many answers to each validation prompt are graded.",
        ("reinforcement",),
        whole=True,
    ),
    Setting(
        "reasoning_effort",
        "Reasoning effort",
        "How long answers may become while it learns.",
        ("reinforcement",),
        choices=("default", "low", "medium", "high"),
    ),
)


@dataclass(frozen=True)
class Draft:
    """What the form holds. Empty texts are left to the host."""

    training: str = ""
    validation: str = ""
    model: str = ""
    method: str = "supervised"
    suffix: str = ""
    seed: int | None = None
    metadata: str = ""
    grader: str = ""
    training_type: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


def body(draft: Draft, azure: bool = False) -> dict[str, Any]:
    """The request of a draft. Raises WorkbookError for what does not fit together."""
    if not draft.training:
        raise WorkbookError("Choose a training file; the page Data uploads one.")
    settings = {}
    if draft.method == "reinforcement":
        if not draft.validation:
            raise WorkbookError(
                "Reinforcement needs a validation file: it is graded during the job."
            )
        settings["grader"] = _grader(draft.grader)
    metadata = _metadata(draft.metadata)
    job = {"suffix": draft.suffix or None, "metadata": metadata, "azure": azure}
    for _, message, _ in job_checks.check(job, None):
        raise WorkbookError(f"{message[0].upper()}{message[1:]}.")
    return _request(draft, metadata, settings)


def _request(
    draft: Draft, metadata: Mapping[str, str] | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """settings: of the method, beside its hyperparameters"""
    values = {
        setting.name: draft.hyperparameters[setting.name]
        for setting in SETTINGS
        if draft.method in setting.methods
        and draft.hyperparameters.get(setting.name) not in (None, "", "default")
    }
    method: dict[str, Any] = {"type": draft.method}
    of_method = dict(settings) | ({"hyperparameters": values} if values else {})
    if of_method:
        method[draft.method] = of_method
    request = {
        "model": draft.model,
        "training_file": draft.training,
        "validation_file": draft.validation,
        "suffix": draft.suffix,
        "seed": draft.seed,
        "metadata": metadata,
        # What every host means when nothing is said.
        "method": None if method == {"type": "supervised"} else method,
        "extra_body": {"trainingType": draft.training_type} if draft.training_type else None,
    }
    return {name: value for name, value in request.items() if value not in (None, "")}


def _grader(words: str) -> dict[str, Any]:
    try:
        grader = strict_json.loads(words.encode())
    except ValueError as error:
        raise WorkbookError(f"The grader can't be read as JSON: {error}.") from None
    if not isinstance(grader, dict) or "type" not in grader:
        raise WorkbookError('A grader is an object with a "type", such as "string_check".')
    return grader


def _metadata(words: str) -> dict[str, str] | None:
    pairs = [part.partition("=") for part in words.split(",") if part.strip()]
    if any(not sign or not name.strip() for name, sign, _ in pairs):
        raise WorkbookError("Write labels as name=value, with commas between them.")
    return {name.strip(): value.strip() for name, _, value in pairs} or None


def training_types(host: Host) -> tuple[str, ...]:
    """Where the host can train, and at which price, as far as that can be chosen."""
    return TRAINING_TYPES if host.backend.name == "azure" else ()


@dataclass(frozen=True)
class Bill:
    """What a job costs: in one line, and what is to be known beside it."""

    line: str
    notes: Sequence[str]
    usd_most: float | None


def bill(host: Host, draft: Draft) -> Bill:
    """The price of a draft, from its files as the host has them."""
    if not draft.training:
        return Bill("Choose a training file, and the price stands here.", (), None)
    epochs = draft.hyperparameters.get("n_epochs") or None
    backend = replace(host.backend, model=draft.model or host.backend.model)
    training = host.content(draft.training)
    validation = host.content(draft.validation) if draft.validation else b""
    cost = price.of_job(backend, training, validation, epochs)
    notes = list(cost.estimate.notices()) if cost.estimate else []
    if host.backend.is_lab:
        examples = sum(1 for line in training.split(b"\n") if line.strip())
        return Bill("Nothing: the lab is this machine.", [f"{examples:,} examples."], 0.0)
    if draft.method == "reinforcement":
        notes.append("Reinforcement is often billed by the hour, which no file can tell.")
    line = str(cost).replace("; --epochs says how many", "")
    return Bill(line[0].upper() + line[1:] + ".", notes, cost.usd_most)


def code(request: Mapping[str, Any], host: Host) -> str:
    """The same job as Python: what a cell of a notebook, or a program, says."""
    lines = [f"    {name}={_python(value)}," for name, value in request.items()]
    confirm = "" if host.backend.is_lab else 'backend.confirm("A fine-tuning job", None)\n'
    return (
        "from workbook import backends\n\n"
        f'client, backend = backends.connect("{host.backend.name}")\n{confirm}'
        "job = client.fine_tuning.jobs.create(\n"
        + "\n".join(lines)
        + "\n)\nprint(job.id, job.status)\n"
    )


def _python(value: Any) -> str:
    return pprint.pformat(value, width=84, sort_dicts=False).replace("\n", "\n    ")


def request_of(job: "FineTuningJob") -> dict[str, Any]:
    """The request that makes a job like this one again, whatever host or form it came from."""
    kind, settings = settings_of(job)
    values = {
        name: value
        for name, value in settings.pop("hyperparameters").items()
        if value not in (None, "auto", "default")
    }
    draft = Draft(
        training=job.training_file,
        validation=job.validation_file or "",
        model=job.model,
        method=kind,
        suffix=getattr(job, "user_provided_suffix", None) or "",
        seed=getattr(job, "seed", None),
        hyperparameters=values,
    )
    return _request(draft, job.metadata or None, settings)


def create(host: Host, request: Mapping[str, Any], agreed: bool) -> "FineTuningJob":
    """Send the job. Raises RefusedError where it costs money and nobody agreed."""
    if not host.backend.is_lab:
        if not agreed:
            raise RefusedError("Not confirmed, so nothing was sent.")
        host.backend.confirm("A fine-tuning job", None, agreed=True)
    return host.client.fine_tuning.jobs.create(**request)
