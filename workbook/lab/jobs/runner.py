"""Carries fine-tuning jobs through their life: validating_files, queued, running, and an end.

Two threads: one checks files, one attends to the single training process, reads its progress and
writes events, checkpoints, models and results. What a job's state is, only the store knows, so a
restarted server goes on where the last one stopped. Knows nothing of HTTP or of how training works.
"""

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workbook import files
from workbook.grading.judging import Judge
from workbook.lab.generation import structured_output
from workbook.lab.ids import new_id, now, tuned_name
from workbook.lab.jobs import checkpoint_rank, process, result_file, step_events, validation
from workbook.lab.jobs.answer_grading import AnswerGrading
from workbook.lab.jobs.process import TrainingProcess
from workbook.lab.jobs.progress_reader import ProgressReader
from workbook.lab.jobs.turns import Turns
from workbook.lab.jobs.worker_thread import WorkerThread
from workbook.lab.model.tokenizer import TemplateError, Tokenizer
from workbook.lab.owner import acting_for
from workbook.lab.state.records import (
    UNFINISHED,
    Checkpoint,
    EventLevel,
    Job,
    JobStatus,
    Model,
    UnknownIdError,
)
from workbook.lab.state.store import Store
from workbook.lab.training import defaults, training_file

POLL = 0.1  # seconds between looks at the progress; also the delay of a cancellation
DEATHS = 2  # a process that dies so often without a step in between is not started again

_log = logging.getLogger("lab")


class JobRunner:
    """Runs the jobs in the store, one training at a time: each owner's oldest first, in turns.

    Jobs on another base than this lab serves wait until one serves it.
    """

    def __init__(
        self, store: Store, base: Path, tokenizer: Tokenizer, limit: int, judge: Judge
    ) -> None:
        """Starts nothing yet.

        base: folder of the base model, called as the model is.
        limit: the most tokens that an example may have.
        judge: asks models, for graders that need one.
        """
        self._store, self._base, self._tokenizer, self._limit = store, base, tokenizer, limit
        self._judge = judge
        self._turns = Turns()  # of training
        self._steps = 0  # of the job in training, in all; the first line of its progress tells
        self._stopping = threading.Event()
        self._validator = WorkerThread("validation", self._stopping, self._validate_next)
        self._trainer = WorkerThread("training", self._stopping, self._train_next)

    def start(self) -> None:
        """Begin, or go on with what an earlier server left."""
        self._validator.thread.start()
        self._trainer.thread.start()

    def wake(self) -> None:
        """Look at the store now: a job was created, cancelled, paused or resumed."""
        self._validator.wake.set()
        self._trainer.wake.set()

    def close(self) -> None:
        """Stop the threads and the training process; running jobs stay as they are in the store."""
        self._stopping.set()
        self.wake()
        self._validator.thread.join()
        self._trainer.thread.join()

    def _first(self, status: JobStatus) -> Job | None:
        return next(iter(self._store.first_jobs(status, self._base.name)), None)

    # Validation

    def _validate_next(self) -> bool:
        job = self._first("validating_files")
        if job is None:
            return False
        with self._failing(job):
            self._validate(job)
        return True

    def _validate(self, job: Job) -> None:
        folder = self._store.job_folder(job.id)
        try:
            limit = self._limit - defaults.answer_tokens(job.hyperparameters)
            numbers = validation.hyperparameters(job, folder, self._counter(job), limit)
        except _InterruptedError:
            return
        except validation.InvalidFileError as error:
            self._fail(job, error.code, str(error), error.param)
            return
        with self._store.transaction():
            if self._store.update_job(
                job.id, ["validating_files"], status="queued", hyperparameters=numbers
            ):
                self._event(job, "Files validated, moving job to queued state")
        self.wake()

    def _counter(self, job: Job) -> Callable[[dict[str, Any]], int]:
        """Counts an example's tokens; stops the validation when the job is to be left alone."""
        examples = 0

        def count(row: dict[str, Any]) -> int:
            nonlocal examples
            examples += 1
            if self._stopping.is_set() or (
                examples % 500 == 0 and not self._has_status(job, "validating_files")
            ):
                raise _InterruptedError
            try:
                if job.method == "reinforcement":
                    return len(self._tokenizer.chat_prompt(row["messages"], row.get("tools")))
                return len(self._tokenizer.row_example(row)[0])
            except TemplateError as error:
                raise training_file.RowError(str(error)) from None

        return count

    # Training

    def _train_next(self) -> bool:
        queue = self._store.first_jobs("queued", self._base.name)
        job = self._first("running") or self._turns.next((job.owner, job) for job in queue)
        if job is None:
            return False
        with self._failing(job):
            self._train(job)
        return True

    def _train(self, job: Job) -> None:
        folder = self._store.job_folder(job.id)
        self._write_spec(job, folder)
        if job.status == "queued":
            with self._store.transaction():
                if not self._store.update_job(job.id, ["queued"], status="running"):
                    return
                self._event(job, "Fine-tuning job started")
        deaths, steps = 0, len(self._store.metrics(job.id))
        while True:
            exit_code = self._attend(job, folder)
            if self._has_status(job, "cancelled"):
                self._store.tidy_job(job.id)
            if exit_code is None or not self._has_status(job, "running"):
                return
            before, steps = steps, len(self._store.metrics(job.id))
            deaths = 1 if steps > before else deaths + 1
            if deaths == DEATHS:
                cause = process.cause_of_death(exit_code, folder)
                self._fail(job, "training_process_died", cause)
                return
            self._event(job, "The training process stopped; starting it again", "warn")

    def _attend(self, job: Job, folder: Path) -> int | None:
        """Run the training process to its end; its exit code, or None when it was stopped."""
        training = TrainingProcess(folder)
        AnswerGrading(training, (job.settings or {}).get("grader"), self._judge)
        progress = ProgressReader(folder / "progress.jsonl")
        try:
            while True:
                exit_code = training.exit_code()  # asked first, so that no line is missed
                for entry in progress.new_entries():
                    self._note(job, folder, entry)
                if exit_code is not None:
                    return exit_code
                if self._stopping.is_set() or not self._has_status(job, "running"):
                    return None
                self._trainer.wake.wait(POLL)
                self._trainer.wake.clear()
        finally:
            training.stop()

    def _write_spec(self, job: Job, folder: Path) -> None:
        start_from = None
        if job.model.startswith("ft:") and not (folder / "state.pt").exists():
            start_from = str(self._store.get(Model, job.model).folder)
        validation_file = folder / "validation.jsonl" if job.validation_file else None
        spec = {
            "method": job.method,
            "base": str(self._base),
            "start_from": start_from,
            "training_file": str(folder / "training.jsonl"),
            "validation_file": validation_file and str(validation_file),
            "seed": job.seed,
        } | job.hyperparameters
        if grammar := structured_output.job_grammar((job.settings or {}).get("response_format")):
            spec["grammar"] = grammar
        files.replace_text(folder / "spec.json", json.dumps(spec, indent=2), only_writer=True)

    # What the training process reports

    def _note(self, job: Job, folder: Path, entry: dict[str, Any]) -> None:
        """Write one line of the progress into the store; a line met again changes nothing."""
        match entry["type"]:
            case "start":
                self._steps = entry["steps"]
            case "step":
                self._note_step(job, entry, self._steps)
            case "checkpoint":
                self._note_checkpoint(job, folder, entry)
            case "stopped":
                self._event(job, step_events.stop(entry), "warn")
            case "done":
                self._succeed(job, entry["trained_tokens"])
            case "failed":
                self._fail(job, entry["code"], entry["message"])

    def _note_step(self, job: Job, entry: dict[str, Any], total: int) -> None:
        step, data = entry["step"], step_events.data(entry, total)
        message = step_events.message(entry, total)
        finish = now() + round(entry["seconds"] * (total - step))
        with self._store.transaction():
            self._store.add_event(job.id, message, data=data, step=step)
            self._store.update_job(job.id, ["running"], estimated_finish=finish)

    def _note_checkpoint(self, job: Job, folder: Path, entry: dict[str, Any]) -> None:
        step = entry["step"]
        name = f"{tuned_name(job.model, job.suffix, job.id)}:ckpt-step-{step}"
        checkpoints, _ = self._store.page(Checkpoint, {"job_id": job.id})
        better = checkpoint_rank.better(checkpoints, step, entry["metrics"])
        if better >= defaults.KEPT_CHECKPOINTS:
            return  # read again after a crash: it was dropped since
        checkpoint = Checkpoint(new_id("ftckpt-"), job.id, now(), step, name, entry["metrics"])
        with self._store.transaction():
            if self._store.add(checkpoint):
                self._store.add(Model(name, job.id, now(), folder / entry["folder"]))
                self._event(job, f"Checkpoint created at step {step}")
        checkpoints, _ = self._store.page(Checkpoint, {"job_id": job.id})
        for old in checkpoint_rank.order(checkpoints)[defaults.KEPT_CHECKPOINTS :]:
            self._store.drop_checkpoint(old)

    def _succeed(self, job: Job, trained_tokens: int) -> None:
        """Results, model and status in one transaction: a job is never half succeeded."""
        name, store = tuned_name(job.model, job.suffix, job.id), self._store
        checkpoints, _ = store.page(Checkpoint, {"job_id": job.id})
        best = checkpoint_rank.order(checkpoints)[0]
        result = store.uploads() / new_id("result-")
        result.write_bytes(result_file.content(store.metrics(job.id)))
        with store.transaction():
            if not self._has_status(job, "running"):
                return
            store.add(Model(name, job.id, now(), store.get(Model, best.model).folder))
            file = store.add_file(result, result_file.NAME, "fine-tune-results")
            store.update_job(
                job.id,
                ["running"],
                status="succeeded",
                finished_at=now(),
                estimated_finish=None,
                trained_tokens=trained_tokens,
                fine_tuned_model=name,
                result_file=file.id,
            )
            self._event(job, f"New fine-tuned model created: {name}")
            self._event(job, "The job has successfully completed")
        store.tidy_job(job.id)

    def _fail(self, job: Job, code: str, message: str, param: str | None = None) -> None:
        error = {"code": code, "message": message, "param": param}
        self._store.tidy_job(job.id)  # first: when the disk is full, this makes room for the record
        with self._store.transaction():
            if self._store.update_job(
                job.id,
                UNFINISHED,
                status="failed",
                finished_at=now(),
                estimated_finish=None,
                error=error,
            ):
                self._event(job, message, "error")

    @contextlib.contextmanager
    def _failing(self, job: Job) -> Iterator[None]:
        """Whatever goes wrong with a job ends that job and not the server; what is done with it
        is its owner's."""
        try:
            with acting_for(job.owner):
                yield
        except UnknownIdError as error:
            message = f"The model {error.args[0]} was deleted before the job started."
            self._fail(job, "model_not_found", message, "model")
        except (OSError, sqlite3.OperationalError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._fail(job, "disk_error", f"The lab's state could not be written: {reason}.")
        except Exception:
            _log.exception("job %s", job.id)
            message = "The lab made a mistake; its log says which."
            self._fail(job, "server_error", message)

    def _event(self, job: Job, message: str, level: EventLevel = "info") -> None:
        self._store.add_event(job.id, message, level)

    def _has_status(self, job: Job, status: JobStatus) -> bool:
        return self._store.get(Job, job.id).status == status


class _InterruptedError(Exception):
    """The validation is to end: the server stops, or the job was cancelled."""
