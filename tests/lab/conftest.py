"""What several of the lab's tests share: one lab with the course's own model, and a job of it."""

from collections.abc import Iterator

import pytest
from labserver import MODEL, Server, rows, start
from openai.types.fine_tuning import FineTuningJob


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("lab") / "state")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def tuned(lab: Server) -> FineTuningJob:
    """A job that has really trained: 12 short examples, 4 epochs, 12 steps."""
    file = lab.upload(rows(12))
    job = lab.client().fine_tuning.jobs.create(
        model=MODEL,
        training_file=file,
        validation_file=file,
        suffix="My Marv!",
        seed=7,
        metadata={"course": "test"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}},
    )
    assert job.status == "validating_files"
    assert job.hyperparameters.n_epochs == 4 and job.hyperparameters.batch_size == "auto"
    job = lab.finished(job.id)
    assert job.status == "succeeded", job.error
    return job
