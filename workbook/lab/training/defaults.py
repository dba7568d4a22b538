"""What a job is trained with where nobody says otherwise, and figures that were settled by trying.

Numbers only, without torch: the server reads them, too. Knows nothing of how training works.
"""

from collections.abc import Collection
from typing import Any

from workbook.epochs import default_epochs

# Learning rates at learning_rate_multiplier 1. DPO goes on from what a model can do already, and
# its loss pushes away from the worse answers without a floor: it needs smaller steps. Measured on a
# dozen pairs: 2e-4 leaves the answers as they were for 6 epochs, 5e-4 turns them in 4, and at 1e-3
# unrelated questions suffer.
# Of rewards, see the section on them below.
LEARNING_RATES = {"supervised": 1e-3, "dpo": 5e-4, "reinforcement": 3e-4}
BETA = 0.1  # of DPO, for "auto"
WARMUP_STEPS = 5  # of linear warm-up; then linear decay to zero
MAX_GRADIENT_NORM = 1.0  # gradients are clipped to it
TOP_LAYERS = 16  # layers with an adapter; those below stay frozen, and are run once
KEPT_CHECKPOINTS = 3  # as OpenAI: those of the last three epochs
SAVE_SECONDS = 10.0  # how much work a crash may cost
VALIDATIONS = 10  # how often a batch of validation examples is measured during a job

# Reinforcement
GROUP_SIZE = 8  # answers to a prompt, at compute_multiplier 1
TEMPERATURE = 1.0  # of the answers that are trained on
KL = 0.02  # how strongly the policy is held near the model that it starts from
# The most tokens of an answer, by reasoning_effort: the model does not reason before it answers.
ANSWER_TOKENS = {"default": 64, "low": 24, "medium": 64, "high": 256}
STEPS = 30  # about as many for "auto"
EVALUATIONS = 6  # about so often is the validation file answered during a job
COLLAPSE_SHARE = 0.1  # of groups whose rewards differ; less for a while, and the job stops
COLLAPSE_STEPS, COLLAPSE_GROUPS = 5, 40  # a while: so many steps, and so many groups


def answer_tokens(hyperparameters: dict[str, Any]) -> int:
    """The most tokens that a job samples for an answer; none where it samples nothing."""
    return ANSWER_TOKENS.get(hyperparameters.get("reasoning_effort", ""), 0)


def group_size(compute_multiplier: float) -> int:
    """How many answers to a prompt; two at least, or nothing could be compared."""
    return max(2, round(GROUP_SIZE * compute_multiplier))


def collapse_window(batch_size: int) -> int:
    """Of how many steps the groups are looked at, before a job is stopped early."""
    return max(COLLAPSE_STEPS, -(-COLLAPSE_GROUPS // batch_size))


def rank_metric(metrics: Collection[str]) -> str:
    """What a reinforcement job's checkpoints are compared by: without a validation file, by the
    step's own rewards."""
    return "valid_reward_mean" if "valid_reward_mean" in metrics else "train_reward_mean"


def best_checkpoints(rewards: dict[int, float]) -> list[int]:
    """The steps whose checkpoints are kept: those with the highest rewards, the best one last.

    rewards: by step, see `rank_metric`.
    """
    return sorted(rewards, key=lambda step: (rewards[step], step))[-KEPT_CHECKPOINTS:]


def auto_reinforcement(n_examples: int, hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """A reinforcement job's hyperparameters, "auto" replaced by what it means."""
    numbers = {k: v for k, v in hyperparameters.items() if v != "auto"}
    batch_size = numbers.setdefault("batch_size", min(16, n_examples))
    steps_per_epoch = -(-n_examples // batch_size)
    n_epochs = numbers.setdefault("n_epochs", min(50, max(1, round(STEPS / steps_per_epoch))))
    auto = {
        "learning_rate_multiplier": 1.0,
        "compute_multiplier": 1.0,
        "eval_interval": max(1, n_epochs * steps_per_epoch // EVALUATIONS),
        "eval_samples": 1,
    }
    return {name: numbers.get(name, auto.get(name)) for name in hyperparameters}


def auto_hyperparameters(n_examples: int) -> dict[str, int | float]:
    """What "auto" means. Raises WorkbookError for a file without examples."""
    return {
        "n_epochs": default_epochs(n_examples),
        "batch_size": 8 if n_examples >= 100 else 4,
        "learning_rate_multiplier": 1.0,
        "beta": BETA,
    }


def learning_rate(step: int, steps: int, peak: float) -> float:
    """The rate of one of `steps` steps, counted from 1: a linear warm-up, then down to zero."""
    warmup, decay = min(1.0, step / WARMUP_STEPS), 1 - (step - 1) / steps
    return peak * warmup * decay
