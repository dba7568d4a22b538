"""Carries fine-tuning jobs through their life: validating_files, queued, running, and an end.

Two threads: one checks files, one attends to the single training process, reads its diary and
writes events, checkpoints, models and results. What a job's state is, only the store knows, so a
restarted server goes on where the last one stopped. Knows nothing of HTTP or of how training works.
"""

import base64
import contextlib
import csv
import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbook import files, paths
from workbook.lab.jobs.worker_thread import Loop
from workbook.lab.model.tokenizer import TemplateError, Tokenizer
from workbook.lab.state.store import (
    UNFINISHED,
    Checkpoint,
    Job,
    Model,
    Store,
    Unknown,
    base_of,
    new_id,
    now,
)
from workbook.lab.training import trainer, training_file
from workbook.rows.rules import MIN_EXAMPLES

POLL = 0.1  # seconds between looks at the diary; also the delay of a cancellation
DEATHS = 2  # a process that dies so often without a step in between is not started again

_log = logging.getLogger("lab")


def clean_suffix(suffix: str | None) -> str:
    """A suffix as it stands in a model's name: lower case, no separators but the hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", (suffix or "").lower()).strip("-")


def tuned_name(job: Job) -> str:
    """The name of the model that a job makes: `ft:BASE:lab:SUFFIX:ID`."""
    return f"ft:{base_of(job.model)}:lab:{job.suffix}:{job.id[-8:]}"


class Runner:
    """Runs the jobs in the store, oldest first, one training at a time.

    Jobs on another base than this lab serves wait until one serves it.
    """

    def __init__(self, store: Store, base: Path, tokenizer: Tokenizer, limit: int) -> None:
        """base: folder of the base model, called as the model is.

        limit: the most tokens an example may have.
        """
        self._store, self._base, self._tokenizer, self._limit = store, base, tokenizer, limit
        self._steps = 0  # of the job in training; the first line of its diary tells
        self._stopping = threading.Event()
        self._loops = [
            Loop("validation", self._stopping, self._validate_next),
            Loop("training", self._stopping, self._train_next),
        ]

    def start(self) -> None:
        """Begin, or go on with what an earlier server left."""
        for loop in self._loops:
            loop.thread.start()

    def wake(self) -> None:
        """Look at the store now: a job was created, cancelled, paused or resumed."""
        for loop in self._loops:
            loop.wake.set()

    def close(self) -> None:
        """Stop the threads and the training process; running jobs stay as they are in the store."""
        self._stopping.set()
        self.wake()
        for loop in self._loops:
            loop.thread.join()

    def _first(self, status: str) -> Job | None:
        return self._store.first_job(status, base=self._base.name)

    # Validation

    def _validate_next(self) -> bool:
        job = self._first("validating_files")
        if job is None:
            return False
        with self._failing(job):
            self._validate(job)
        return True

    def _validate(self, job: Job) -> None:
        folder, examples = self._store.job_folder(job.id), 0
        for kind, file_id in (("training", job.training_file), ("validation", job.validation_file)):
            if file_id is None:
                continue
            filename = (folder / f"{kind}.name").read_text(encoding="utf-8")
            try:
                report = training_file.check(
                    folder / f"{kind}.jsonl", self._counter(job), self._limit, method=job.method
                )
            except _Interrupted:
                return None
            if report.bad_lines:
                found = report.describe(filename)
                message = f"The job failed due to an invalid {kind} file. {found}"
                return self._fail(job, f"invalid_{kind}_file", message, f"{kind}_file")
            least = MIN_EXAMPLES if kind == "training" else 1
            if report.examples < least:
                message = (
                    f"{kind.capitalize()} file has {report.examples} example(s), "
                    f"but must have at least {least} example{'s' * (least > 1)}"
                )
                return self._fail(job, "invalid_n_examples", message, f"{kind}_file")
            examples = examples or report.examples
        auto = trainer.auto_hyperparameters(examples)
        chosen = {k: auto[k] if v == "auto" else v for k, v in job.hyperparameters.items()}
        with self._store.transaction():
            if self._store.update_job(
                job.id, ["validating_files"], status="queued", hyperparameters=chosen
            ):
                self._event(job, "Files validated, moving job to queued state")
        self.wake()

    def _counter(self, job: Job) -> Callable[[dict[str, Any]], int]:
        """Counts an example's tokens; stops the validation when the job is no longer wanted."""
        seen = 0

        def count(row: dict[str, Any]) -> int:
            nonlocal seen
            seen += 1
            if self._stopping.is_set() or (
                seen % 500 == 0 and not self._has_status(job, "validating_files")
            ):
                raise _Interrupted
            try:
                return len(self._tokenizer.row_example(row)[0])
            except TemplateError as error:
                raise training_file.RowError(str(error)) from None

        return count

    # Training

    def _train_next(self) -> bool:
        job = self._first("running") or self._first("queued")
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
                    return None
                self._event(job, "Fine-tuning job started")
        deaths, steps = 0, len(self._store.metrics(job.id))
        while True:
            code = self._attend(job, folder)
            if self._has_status(job, "cancelled"):
                self._store.tidy_job(job.id)
            if code is None or not self._has_status(job, "running"):
                return None
            before, steps = steps, len(self._store.metrics(job.id))
            deaths = 1 if steps > before else deaths + 1
            if deaths == DEATHS:
                return self._fail(job, "training_process_died", _cause(code, folder))
            self._event(job, "The training process stopped; starting it again", "warn")

    def _attend(self, job: Job, folder: Path) -> int | None:
        """Run the training process to its end; its exit code, or None when it is not wanted."""
        process = _spawn(folder)
        diary = _Diary(folder / "progress.jsonl")
        wake = self._loops[1].wake
        try:
            while True:
                ended = process.poll() is not None  # asked first, so that no line is missed
                for entry in diary.new():
                    self._note(job, folder, entry)
                if ended:
                    return process.returncode
                if self._stopping.is_set() or not self._has_status(job, "running"):
                    return None
                wake.wait(POLL)
                wake.clear()
        finally:
            _stop(process)

    def _write_spec(self, job: Job, folder: Path) -> None:
        start_from = None
        if job.model.startswith("ft:") and not (folder / "state.pt").exists():
            start_from = str(self._store.get(Model, job.model).folder)
        validation = folder / "validation.jsonl" if job.validation_file else None
        spec = {
            "method": job.method,
            "base": str(self._base),
            "start_from": start_from,
            "training_file": str(folder / "training.jsonl"),
            "validation_file": validation and str(validation),
            "seed": job.seed,
        } | job.hyperparameters
        files.replace_text(folder / "spec.json", json.dumps(spec, indent=2), only_writer=True)

    def _note(self, job: Job, folder: Path, entry: dict[str, Any]) -> None:
        """Write one line of the diary into the store; a line met again changes nothing."""
        match entry["type"]:
            case "start":
                self._steps = entry["steps"]
            case "step":
                self._note_step(job, entry, self._steps)
            case "checkpoint":
                self._note_checkpoint(job, folder, entry)
            case "done":
                self._succeed(job, entry["trained_tokens"])
            case "failed":
                self._fail(job, entry["code"], entry["message"])

    def _note_step(self, job: Job, entry: dict[str, Any], total: int) -> None:
        step = entry["step"]
        measured = {k: v for k, v in entry.items() if k.startswith(("train_", "valid_"))}
        data = {"step": step, "total_steps": total} | measured
        message = f"Step {step}/{total}: training loss={entry['train_loss']:.2f}"
        if "valid_loss" in entry:
            message += f", validation loss={entry['valid_loss']:.2f}"
        finish = now() + round(entry["seconds"] * (total - step))
        with self._store.transaction():
            self._store.add_event(job.id, message, data=data, step=step)
            self._store.update_job(job.id, ["running"], estimated_finish=finish)

    def _note_checkpoint(self, job: Job, folder: Path, entry: dict[str, Any]) -> None:
        step, name = entry["step"], f"{tuned_name(job)}:ckpt-step-{entry['step']}"
        known, _ = self._store.page(Checkpoint, {"job_id": job.id})
        if sum(other.step > step for other in known) >= trainer.KEPT_CHECKPOINTS:
            return  # read again after a crash: it was dropped since
        checkpoint = Checkpoint(new_id("ftckpt-"), job.id, now(), step, name, entry["metrics"])
        with self._store.transaction():
            if self._store.add(checkpoint):
                self._store.add(Model(name, job.id, now(), folder / entry["folder"]))
                self._event(job, f"Checkpoint created at step {step}")
        self._store.drop_checkpoints(job.id, keep=trainer.KEPT_CHECKPOINTS)

    def _succeed(self, job: Job, trained_tokens: int) -> None:
        """Results, model and status in one transaction: a job is never half succeeded."""
        name, store = tuned_name(job), self._store
        last, _ = store.page(Checkpoint, {"job_id": job.id}, limit=1)
        result = store.uploads() / new_id("result-")
        result.write_bytes(base64.b64encode(_result_table(store.metrics(job.id)).encode()))
        with store.transaction():
            if not self._has_status(job, "running"):
                return
            store.add(Model(name, job.id, now(), store.get(Model, last[0].model).folder))
            file = store.add_file(result, "step_metrics.csv", "fine-tune-results")
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
    def _failing(self, job: Job):
        """Whatever goes wrong with a job ends that job and not the server."""
        try:
            yield
        except Unknown as error:
            message = f"The model {error.args[0]} was deleted before the job started."
            self._fail(job, "model_not_found", message, "model")
        except (OSError, sqlite3.OperationalError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._fail(job, "disk_error", f"The lab's state could not be written: {reason}.")
        except Exception:
            _log.exception("job %s", job.id)
            message = "The lab made a mistake; its log says which."
            self._fail(job, "server_error", message)

    def _event(self, job: Job, message: str, level: str = "info") -> None:
        self._store.add_event(job.id, message, level)

    def _has_status(self, job: Job, status: str) -> bool:
        return self._store.get(Job, job.id).status == status


class _Interrupted(Exception):
    """The validation is not wanted any more."""


class _Diary:
    """The lines of a growing `progress.jsonl` that were not read yet; each must be complete."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._inode = path, 0, -1

    def new(self) -> list[dict[str, Any]]:
        try:
            with open(self._path, "rb") as file:
                # A resumed training puts a shorter file in its place, which may soon be longer.
                if (inode := os.fstat(file.fileno()).st_ino) != self._inode:
                    self._offset, self._inode = 0, inode
                file.seek(self._offset)
                whole = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole[0] + whole[1])
        entries = []
        for line in whole[0].splitlines():
            with contextlib.suppress(ValueError):  # half a line from a crash
                entries.append(json.loads(line))
        return entries


FEW_SHAPES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "100", "LRU_CACHE_CAPACITY": "100"}
"""oneDNN, and PyTorch above it, would each keep code for a thousand shapes of batches: 150 MB more
in a training of 300 reviews, 420 in a server that is asked for six models. As fast with this."""


def surroundings() -> dict[str, str]:
    """The environment of a training process: the server's, with a word on memory."""
    environment = FEW_SHAPES | {k: v for k, v in os.environ.items() if k != "WORKBOOK_LAB_KEY"}
    # glibc would keep the large pieces that long examples take, in holes between small ones:
    # measured, 1.1 GB instead of 0.7 GB after one pass over 4,096 tokens.
    environment.setdefault("MALLOC_MMAP_THRESHOLD_", str(8 * 2**20))
    return environment


def _spawn(folder: Path) -> subprocess.Popen:
    """Start training. Its standard input is a pipe that closes when this server dies."""
    with open(folder / "trainer.log", "ab") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "workbook.lab.training.trainer",
                str(folder),
                "--until-stdin-closes",
            ],
            cwd=paths.ROOT,
            env=surroundings(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the server's terminal is for the server
        )


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    process.stdin.close()


def _cause(code: int, folder: Path) -> str:
    """Why a training process died, as far as its exit code and its last words tell."""
    if code < 0:
        name = signal.Signals(-code).name
        return (
            f"The training process was ended from outside ({name}), twice. Not enough memory "
            "is the usual reason: close other programs, or use a smaller batch_size."
        )
    words = (folder / "trainer.log").read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(words) if line.strip()), "no reason was given")
    return f"The training process ended with code {code}: {last.strip()[:300]}"


def _result_table(metrics: list[dict[str, Any]]) -> str:
    """A row a step; a cell is empty where nothing was measured. OpenAI's columns come first, under
    its names; what a method measures besides follows."""
    columns = {
        "step": "step",
        "train_loss": "train_loss",
        "train_accuracy": "train_mean_token_accuracy",
        "valid_loss": "valid_loss",
        "valid_mean_token_accuracy": "valid_mean_token_accuracy",
    }
    known = {*columns.values(), "total_steps"}
    columns |= {name: name for data in metrics for name in data if name not in known}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for data in metrics:
        values = (data.get(name) for name in columns.values())
        table.writerow(
            "" if v is None else v if isinstance(v, int) else round(v, 5) for v in values
        )
    return text.getvalue()
