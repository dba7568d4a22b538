"""What is measured of a round of answers: rewards, their spread, length, entropy, errors, time.

Each number stands under the names that OpenAI's and Bedrock's metrics have for it. Knows answers
and grades; nothing of how either comes about.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workbook.lab.training.policy_gradient import varies
from workbook.lab.training.rollouts import Rollout

# Of OpenAI's names for what may go wrong with a grade: the answer's form is not what was asked for.
PARSE_ERRORS = {"sample_parse_error", "invalid_variable_error"}
SAMPLES = 3  # answers of a round that are shown
SHOWN = 300  # characters of each


@dataclass
class Round:
    """Answers to some rows.

    texts: of each row's answers.
    grades: of all answers, row by row.
    """

    rows: list[dict[str, Any]]
    rollouts: list[Rollout]
    texts: list[list[str]]
    grades: list[dict[str, Any]]
    sampling_seconds: float
    grading_seconds: float

    def __post_init__(self) -> None:
        answers = len(self.texts[0])
        flat = [float(grade["reward"]) for grade in self.grades]
        self.rewards = [flat[i : i + answers] for i in range(0, len(flat), answers)]
        lengths = [len(ids) for rollout in self.rollouts for ids in rollout.answers]
        self.n_answers, self.n_tokens = len(flat), sum(lengths)
        self.n_prompt_tokens = sum(len(rollout.prompt) for rollout in self.rollouts)
        self.varying = _mean(float(varies(rewards)) for rewards in self.rewards)
        self.reward_mean = _mean(flat)
        self.length_mean = self.n_tokens / self.n_answers
        self.entropy = _mean(rollout.entropy for rollout in self.rollouts)
        self.errors = Counter(error for grade in self.grades for error in grade["errors"])

    @property
    def parse_errors(self) -> float:
        """The share of answers that could not be read as the grader wants them."""
        return _mean(float(bool(PARSE_ERRORS & set(grade["errors"]))) for grade in self.grades)

    def training(self, learned: dict[str, float], seconds: float) -> dict[str, Any]:
        """Of a step of training.

        learned: loss, kl and gradient_norm of the step.
        seconds: that it took, after sampling and grading.
        """
        return {
            "train_reward_mean": self.reward_mean,
            "train_mean_reward": self.reward_mean,
            "train_mean_parse_error": self.parse_errors,
            "groups_with_variance": self.varying,
            "entropy": self.entropy,
            "kl": learned["kl"],
            "completion_tokens_mean": self.length_mean,
            "critic_rewards_mean": self.reward_mean,
            "critic_advantages_mean": 0.0,  # of a group they add up to nothing
            "actor_pg_loss": learned["loss"],
            "actor_entropy": self.entropy,
            "actor_grad_norm": learned["gradient_norm"],
            "response_length_mean": self.length_mean,
            "graders": self._parts(),
            "errors": dict(self.errors),
            "usage": {
                "prompt_tokens": self.n_prompt_tokens,
                "completion_tokens": self.n_tokens,
                "samples": self.n_answers,
            },
            "timing": {
                "sampling": round(self.sampling_seconds, 3),
                "grading": round(self.grading_seconds, 3),
                "training": round(seconds, 3),
            },
            "samples": self.samples(),
        }

    def validation(self) -> dict[str, Any]:
        """Of the whole validation file."""
        return {
            "valid_reward_mean": self.reward_mean,
            "full_valid_mean_reward": self.reward_mean,
            "full_valid_mean_parse_error": self.parse_errors,
            "valid_completion_tokens_mean": self.length_mean,
            "valid_graders": self._parts(),
            "valid_errors": dict(self.errors),
        }

    def samples(self) -> list[dict[str, Any]]:
        """A few answers, with what was asked and what they got; those of the worst and the best."""
        order = sorted(range(self.n_answers), key=lambda i: self.grades[i]["reward"])
        places = {order[len(order) * k // (SAMPLES - 1) - (k > 0)] for k in range(SAMPLES)}
        answers = len(self.texts[0])
        return [
            {
                "input": _asked(self.rows[i // answers])[-SHOWN:],
                "output": self.texts[i // answers][i % answers][:SHOWN],
                "reward": self.grades[i]["reward"],
            }
            for i in sorted(places)
        ]

    def _parts(self) -> dict[str, float]:
        """The mean of each of a multi grader's parts."""
        parts: dict[str, list[float]] = defaultdict(list)
        for grade in self.grades:
            for name, reward in grade["parts"].items():
                parts[name].append(reward)
        return {name: _mean(rewards) for name, rewards in parts.items()}


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)


def _asked(row: dict[str, Any]) -> str:
    """The last message's text."""
    content = row["messages"][-1].get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
