"""The store's records as OpenAI's objects, built from the SDK's own types: names can't drift.

Knows the shapes of answers and nothing else.
"""

from typing import Any

from openai.types import Batch as BatchObject
from openai.types import FileObject
from openai.types import Model as ModelObject
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.alpha import GraderRunResponse
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from pydantic import BaseModel

from workbook.lab.grading.graders import Grade
from workbook.lab.state.store import Batch, Checkpoint, Event, File, Job

ORGANIZATION = "org-lab"

_GRADER_ERRORS = (
    "formula_parse_error",
    "invalid_variable_error",
    "model_grader_parse_error",
    "model_grader_refusal_error",
    "model_grader_server_error",
    "other_error",
    "python_grader_runtime_error",
    "python_grader_server_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
)
_GRADER_DETAILS = (
    "model_grader_server_error_details",
    "python_grader_runtime_error_details",
    "python_grader_server_error_type",
)


def file(record: File) -> dict[str, Any]:
    """A `file` object."""
    values = {"expires_at": record.expires_at} if record.expires_at is not None else {}
    return _dict(
        FileObject.construct(
            id=record.id,
            object="file",
            bytes=record.bytes,
            created_at=record.created_at,
            filename=record.filename,
            purpose=record.purpose,
            status="processed",
            **values,
        )
    )


def job(record: Job) -> dict[str, Any]:
    """A `fine_tuning.job` object. Built unchecked: the SDK's type lacks the status "paused"."""
    return _dict(
        FineTuningJob.construct(
            id=record.id,
            object="fine_tuning.job",
            created_at=record.created_at,
            error=record.error,
            fine_tuned_model=record.fine_tuned_model,
            finished_at=record.finished_at,
            hyperparameters=record.hyperparameters,
            model=record.model,
            organization_id=ORGANIZATION,
            result_files=[record.result_file] if record.result_file else [],
            seed=record.seed,
            status=record.status,
            trained_tokens=record.trained_tokens,
            training_file=record.training_file,
            validation_file=record.validation_file,
            estimated_finish=record.estimated_finish,
            integrations=[],
            metadata=record.metadata,
            method={
                "type": record.method,
                record.method: {"hyperparameters": record.hyperparameters},
            },
        )
    )


def event(record: Event) -> dict[str, Any]:
    """A `fine_tuning.job.event` object."""
    return _dict(
        FineTuningJobEvent(
            id=record.id,
            object="fine_tuning.job.event",
            created_at=record.created_at,
            level=record.level,
            message=record.message,
            data=record.data,
            type=record.type,
        )
    )


def checkpoint(record: Checkpoint) -> dict[str, Any]:
    """A `fine_tuning.job.checkpoint` object."""
    return _dict(
        FineTuningJobCheckpoint(
            id=record.id,
            object="fine_tuning.job.checkpoint",
            created_at=record.created_at,
            fine_tuned_model_checkpoint=record.model,
            fine_tuning_job_id=record.job_id,
            metrics=record.metrics,
            step_number=record.step,
        )
    )


def batch(record: Batch) -> dict[str, Any]:
    """A `batch` object; what is not known yet is left out, for the spec allows no null."""
    values = {
        "model": record.model,
        "output_file_id": record.output_file,
        "error_file_id": record.error_file,
        "errors": record.errors and {"object": "list", "data": record.errors},
        "metadata": record.metadata,
        "usage": record.usage,
    } | (record.times or {})
    return _dict(
        BatchObject(
            id=record.id,
            object="batch",
            endpoint=record.endpoint,
            input_file_id=record.input_file,
            completion_window=record.completion_window,
            status=record.status,
            created_at=record.created_at,
            expires_at=record.expires_at,
            request_counts=record.counts or {"total": 0, "completed": 0, "failed": 0},
            **{name: value for name, value in values.items() if value is not None},
        )
    )


def grade(grader: dict[str, Any], given: Grade, seconds: float) -> dict[str, Any]:
    """The answer to a grader's run."""
    errors = dict.fromkeys(_GRADER_ERRORS, False) | dict.fromkeys(_GRADER_DETAILS)
    return _dict(
        GraderRunResponse(
            reward=given.reward,
            metadata={
                "name": grader["name"],
                "type": grader["type"],
                "errors": errors | dict.fromkeys(given.errors, True),
                "execution_time": seconds,
                "scores": given.parts,
                "token_usage": None,
                "sampled_model_name": None,
            },
            sub_rewards=given.parts,
            model_grader_token_usage_per_model={},
        )
    )


def model(id: str, created: int, owner: str) -> dict[str, Any]:
    """A `model` object."""
    values = {"created": created, "owned_by": owner, "shutdown_date": None}
    return _dict(ModelObject.construct(id=id, object="model", **values))


def listing(data: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """A `list` object with the ids of its ends, empty where it is empty."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else ("", "")
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more}


def _dict(value: BaseModel) -> dict[str, Any]:
    return value.to_dict(mode="json", warnings=False)
