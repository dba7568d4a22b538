"""A reinforcement job from its first step to its last: answers, rewards, steps, checkpoints.

Each step samples answers to a batch of prompts, asks for their rewards and moves the adapter by the
policy gradient. Everything random is drawn from the seed, the step and the row's number: a job that
is run again goes on from its last saved state and samples what it would have. Knows nothing of how
answers are graded, of processes, HTTP, ids or the database.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from workbook.lab.model import lora
from workbook.lab.training import defaults, policy_gradient, training_file
from workbook.lab.training.adapter_job import AdapterJob
from workbook.lab.training.answer_form import AnswerForm
from workbook.lab.training.failures import UnrecoverableError
from workbook.lab.training.policy_gradient import Group, PolicyGradient
from workbook.lab.training.reinforcement_metrics import Round
from workbook.lab.training.rollouts import RolloutSampler

# What came of a list of {"item": row, "output": text}: a dictionary for each, with its "reward",
# and perhaps "parts" and "errors", see `grading.graders.Grade`.
GradeAll = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]

_VALIDATION = 0  # stands for the step in the draws of all validations, which so are comparable


class ReinforcementJob(AdapterJob):
    """The settings of a job, its rows, and what samples and learns."""

    def __init__(self, folder: Path, grade: GradeAll) -> None:
        """Reads everything; goes on from the last saved state where there is one."""
        super().__init__(folder)
        spec, self._grade = self.spec, grade
        self.rows, self.validation = (
            list(training_file.examples(Path(file), self.method)) if file else []
            for file in (spec["training_file"], spec["validation_file"])
        )
        self.answers = defaults.group_size(spec["compute_multiplier"])
        self._most_tokens = defaults.ANSWER_TOKENS[spec["reasoning_effort"]]
        self.steps_per_epoch = math.ceil(len(self.rows) / self.batch_size)
        self.steps = self.steps_per_epoch * self.n_epochs
        self.eval_interval = spec["eval_interval"]
        self.trained_tokens = self.state.get("trained_tokens", 0)
        self.shares: list[float] = self.state.get("shares", [])  # see `collapsed`
        self.ranks: dict[int, float] = self.state.get("ranks", {})  # step of a checkpoint: reward
        self._reference = self.state.get("reference") or {
            name: tensor.detach().clone() for name, tensor in self.adapter.items()
        }
        first, stops = min(lora.layers(self.adapter)), set(self.tokenizer.stops)
        self._sampler = RolloutSampler(
            self.model, self.adapter, first, stops, defaults.TEMPERATURE, self._form()
        )
        self._gradient = PolicyGradient(
            self.model, self.adapter, self._reference, defaults.KL, defaults.TEMPERATURE
        )

    def _form(self) -> AnswerForm | None:
        """What answers must look like, if the job says so."""
        if not (grammar := self.spec.get("grammar")):
            return None
        file = Path(self.spec["base"]) / "tokenizer.json"
        vocabulary = self.model.config.vocabulary
        return AnswerForm(file, vocabulary, self.tokenizer.end, grammar)

    def more_state(self) -> dict[str, Any]:
        return {
            "reference": self._reference,
            "shares": self.shares,
            "ranks": self.ranks,
            "trained_tokens": self.trained_tokens,
        }

    def batch(self, step: int) -> list[int]:
        """The rows of a step, counted from 1, by their numbers."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.rows))
        return order[place * self.batch_size : (place + 1) * self.batch_size].tolist()

    def sample(
        self, rows: list[dict[str, Any]], numbers: list[int], answers: int, step: int
    ) -> Round:
        """Answers to some rows, and their rewards.

        numbers: of the rows in their file.
        """
        began = time.monotonic()
        prompts = [
            self.tokenizer.chat_prompt(row["messages"], row.get("tools") or None) for row in rows
        ]
        draws = [
            np.random.default_rng([self.seed, step, number]).random((answers, self._most_tokens))
            for number in numbers
        ]
        rollouts = self._sampler.sample(prompts, draws)
        texts = [[self._text(ids) for ids in rollout.answers] for rollout in rollouts]
        sampled = time.monotonic()
        answer = [
            {"item": row, "output": text}
            for row, some in zip(rows, texts, strict=True)
            for text in some
        ]
        grades = self._grade(answer)
        return Round(rows, rollouts, texts, grades, sampled - began, time.monotonic() - sampled)

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode([i for i in ids if i not in self.tokenizer.stops])

    def learn(self, answers: Round) -> dict[str, Any]:
        """One step of the optimizer; gives what is measured of it.

        Raises UnrecoverableError when the loss is not a number.
        """
        began = time.monotonic()
        groups = [
            Group(rollout, policy_gradient.advantages(rewards))
            for rollout, rewards in zip(answers.rollouts, answers.rewards, strict=True)
            if policy_gradient.varies(rewards)
        ]
        self.optimizer.zero_gradients()
        metrics = self._gradient.backward(groups, answers.n_tokens) | {"gradient_norm": 0.0}
        if not math.isfinite(metrics["loss"]):
            raise UnrecoverableError(
                "loss_not_finite",
                f"The loss is not a number at step {self.step}. Lower learning_rate_multiplier "
                "(1 is a good start) and create the job again.",
            )
        if groups:
            metrics["gradient_norm"] = self.optimizer.clip_gradients(defaults.MAX_GRADIENT_NORM)
            self.optimizer.step(defaults.learning_rate(self.step, self.steps, self.peak_rate))
        self.trained_tokens += answers.n_tokens + answers.n_prompt_tokens
        self.shares.append(answers.varying)
        return answers.training(metrics, time.monotonic() - began)

    def validate(self) -> dict[str, Any]:
        """What is measured of answers to the whole validation file; nothing where there is none."""
        if not self.validation:
            return {}
        samples = self.spec["eval_samples"]
        numbers = list(range(len(self.validation)))
        return self.sample(self.validation, numbers, samples, _VALIDATION).validation()

    def keep_best(self, metrics: dict[str, float]) -> None:
        """Keep the adapter as a checkpoint, if it is one of the few with the highest reward."""
        self.ranks[self.step] = metrics[defaults.rank_metric(metrics)]
        best = defaults.best_checkpoints(self.ranks)
        if self.step in best:
            self.save_checkpoint(metrics)
        self.save()  # before older ones go: a job that goes on from here wants them no more
        self.drop_checkpoints([step for step in self.checkpoints() if step not in best])

    def collapsed(self) -> bool:
        """Whether there has been nothing to learn from for a while.

        That is seen by groups whose rewards are all the same, not by entropy: a policy may vary
        its words and still have one reward.
        """
        window = self.shares[-defaults.collapse_window(self.batch_size) :]
        full = len(window) == defaults.collapse_window(self.batch_size)
        return full and sum(window) / len(window) < defaults.COLLAPSE_SHARE


def train(folder: Path, grade: GradeAll) -> None:
    """Run the job in `folder` to its end, from its last saved state if it has one.

    Raises UnrecoverableError when it can't be trained, and OSError when the disk is full.
    """
    job = ReinforcementJob(folder, grade)
    progress = job.progress
    progress.rewind(job.step)
    if job.step == 0:
        progress.add("start", steps=job.steps, examples=len(job.rows))
        if before := job.validate():
            progress.add("step", step=0, epoch=0, seconds=0.0, **before)
        job.save()
    start_time = save_time = time.monotonic()
    start_step = job.step
    while job.step < job.steps and not job.collapsed():
        job.step += 1
        numbers = job.batch(job.step)
        answers = job.sample([job.rows[i] for i in numbers], numbers, job.answers, job.step)
        metrics = job.learn(answers)
        last = job.step == job.steps or job.collapsed()
        evaluated = last or job.step % job.eval_interval == 0
        if evaluated:
            metrics |= job.validate()
        seconds = (time.monotonic() - start_time) / (job.step - start_step)
        epoch = (job.step - 1) // job.steps_per_epoch + 1
        progress.add("step", step=job.step, epoch=epoch, seconds=round(seconds, 3), **metrics)
        if evaluated:
            job.keep_best({k: v for k, v in metrics.items() if isinstance(v, float)})
        elif time.monotonic() - save_time > defaults.SAVE_SECONDS:
            job.save()
            save_time = time.monotonic()
    if job.step < job.steps:
        progress.add("stopped", step=job.step, window=defaults.collapse_window(job.batch_size))
    progress.add("done", trained_tokens=job.trained_tokens)
