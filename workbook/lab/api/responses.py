"""The store's records as OpenAI's objects, built from the SDK's own types: names can't drift.

Knows the shapes of answers and nothing else.
"""

from typing import Any, Literal

from openai import BaseModel
from openai.types import Batch as BatchObject
from openai.types import BatchError, BatchRequestCounts, BatchUsage, FileObject
from openai.types import Model as ModelObject
from openai.types import Upload as UploadObject
from openai.types.batch import Errors as BatchErrors
from openai.types.fine_tuning import (
    DpoHyperparameters,
    DpoMethod,
    FineTuningJob,
    FineTuningJobEvent,
    ReinforcementHyperparameters,
    ReinforcementMethod,
    SupervisedHyperparameters,
    SupervisedMethod,
)
from openai.types.fine_tuning.alpha import GraderRunResponse
from openai.types.fine_tuning.alpha.grader_run_response import Metadata as GraderMetadata
from openai.types.fine_tuning.alpha.grader_run_response import MetadataErrors as GraderErrors
from openai.types.fine_tuning.fine_tuning_job import Error as JobError
from openai.types.fine_tuning.fine_tuning_job import Hyperparameters, Method
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from openai.types.fine_tuning.jobs.fine_tuning_job_checkpoint import Metrics
from openai.types.uploads import UploadPart

from workbook.grading.graders import Grade
from workbook.lab.state.records import Batch, Checkpoint, Event, File, Job, Part, Upload

ORGANIZATION = "org-lab"
_COMMON = ("n_epochs", "batch_size", "learning_rate_multiplier")  # hyperparameters of any method


def file(record: File) -> dict[str, Any]:
    """A `file` object. Built unchecked: the SDK's type lacks the purpose "evals"."""
    answer = FileObject.construct(
        id=record.id,
        object="file",
        bytes=record.bytes,
        created_at=record.created_at,
        filename=record.filename,
        purpose=record.purpose,
        status="processed",
    )
    if record.expires_at is not None:
        answer.expires_at = record.expires_at
    return _as_json(answer)


def upload(record: Upload, made: File | None = None) -> dict[str, Any]:
    """An `upload` object.

    made: the file that it has become.
    """
    answer = UploadObject.construct(
        id=record.id,
        object="upload",
        bytes=record.bytes,
        created_at=record.created_at,
        expires_at=record.expires_at,
        filename=record.filename,
        purpose=record.purpose,
        status=record.status,
        file=None,
    )
    return _as_json(answer) | {"file": None if made is None else file(made)}


def upload_part(record: Part) -> dict[str, Any]:
    """An `upload.part` object."""
    return _as_json(
        UploadPart(
            id=record.id,
            object="upload.part",
            created_at=record.created_at,
            upload_id=record.upload_id,
        )
    )


def job(record: Job) -> dict[str, Any]:
    """A `fine_tuning.job` object. Built unchecked: the SDK's type lacks the status "paused"."""
    return _as_json(
        FineTuningJob.construct(
            id=record.id,
            object="fine_tuning.job",
            created_at=record.created_at,
            error=None if record.error is None else JobError(**record.error),
            fine_tuned_model=record.fine_tuned_model,
            finished_at=record.finished_at,
            hyperparameters=Hyperparameters(
                **{k: v for k, v in record.hyperparameters.items() if k in _COMMON}
            ),
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
            method=_method(record),
        )
    )


def _method(record: Job) -> Method:
    if record.method == "dpo":
        dpo = DpoMethod(hyperparameters=DpoHyperparameters(**record.hyperparameters))
        return Method(type="dpo", dpo=dpo)
    if record.method == "reinforcement":
        reinforcement = ReinforcementMethod.construct(
            hyperparameters=ReinforcementHyperparameters(**record.hyperparameters),
            **record.settings or {},
        )
        return Method.construct(type="reinforcement", reinforcement=reinforcement)
    hyperparameters = SupervisedHyperparameters(**record.hyperparameters)
    return Method(type="supervised", supervised=SupervisedMethod(hyperparameters=hyperparameters))


def event(record: Event) -> dict[str, Any]:
    """A `fine_tuning.job.event` object."""
    return _as_json(
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
    """A `fine_tuning.job.checkpoint` object; its metrics may be more than the SDK's type names."""
    return _as_json(
        FineTuningJobCheckpoint(
            id=record.id,
            object="fine_tuning.job.checkpoint",
            created_at=record.created_at,
            fine_tuned_model_checkpoint=record.model,
            fine_tuning_job_id=record.job_id,
            metrics=Metrics.model_validate(record.metrics),
            step_number=record.step,
        )
    )


def batch(record: Batch) -> dict[str, Any]:
    """A `batch` object; what is not known yet is left out, for the spec allows no null."""
    answer = BatchObject(
        id=record.id,
        object="batch",
        endpoint=record.endpoint,
        input_file_id=record.input_file,
        completion_window=record.completion_window,
        status=record.status,
        created_at=record.created_at,
        expires_at=record.expires_at,
        request_counts=BatchRequestCounts.model_validate(
            record.counts or {"total": 0, "completed": 0, "failed": 0}
        ),
    )
    if record.model is not None:
        answer.model = record.model
    if record.output_file is not None:
        answer.output_file_id = record.output_file
    if record.error_file is not None:
        answer.error_file_id = record.error_file
    if record.errors is not None:
        data = [BatchError(**error) for error in record.errors]
        answer.errors = BatchErrors(object="list", data=data)
    if record.metadata is not None:
        answer.metadata = record.metadata
    if record.usage is not None:
        answer.usage = BatchUsage(**record.usage)
    for name, time in (record.times or {}).items():
        setattr(answer, name, time)
    return _as_json(answer)


def grade(grader: dict[str, Any], result: Grade, seconds: float) -> dict[str, Any]:
    """The answer to a grader's run.

    seconds: that the run took.
    """
    errors, details = result.errors, result.details
    return _as_json(
        GraderRunResponse(
            reward=result.reward,
            metadata=GraderMetadata(
                name=grader.get("name", grader["type"]),
                type=grader["type"],
                errors=GraderErrors(
                    formula_parse_error="formula_parse_error" in errors,
                    invalid_variable_error="invalid_variable_error" in errors,
                    model_grader_parse_error="model_grader_parse_error" in errors,
                    model_grader_refusal_error="model_grader_refusal_error" in errors,
                    model_grader_server_error="model_grader_server_error" in errors,
                    model_grader_server_error_details=details.get(
                        "model_grader_server_error_details"
                    ),
                    other_error="other_error" in errors,
                    python_grader_runtime_error="python_grader_runtime_error" in errors,
                    python_grader_runtime_error_details=details.get(
                        "python_grader_runtime_error_details"
                    ),
                    python_grader_server_error="python_grader_server_error" in errors,
                    python_grader_server_error_type=details.get("python_grader_server_error_type"),
                    sample_parse_error="sample_parse_error" in errors,
                    truncated_observation_error="truncated_observation_error" in errors,
                    unresponsive_reward_error="unresponsive_reward_error" in errors,
                ),
                execution_time=seconds,
                scores=dict(result.parts),
                token_usage=sum(result.tokens.values()) if result.tokens else None,
                sampled_model_name=grader.get("model"),
            ),
            sub_rewards=dict(result.parts),
            model_grader_token_usage_per_model=dict(result.tokens),
        )
    )


def model(id: str, created: int, owner: Literal["lab", "system"]) -> dict[str, Any]:
    """A `model` object. Built unchecked: not every version of the SDK has `shutdown_date`."""
    return _as_json(
        ModelObject.construct(
            id=id, object="model", created=created, owned_by=owner, shutdown_date=None
        )
    )


def listing(data: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """A `list` object with the ids of its ends, empty where it is empty.

    more: whether more follow.
    """
    first, last = (data[0]["id"], data[-1]["id"]) if data else ("", "")
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more}


def _as_json(answer: BaseModel) -> dict[str, Any]:
    return answer.to_dict(mode="json", warnings=False)
