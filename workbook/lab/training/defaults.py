"""What a job is trained with where nobody says otherwise, and figures that were settled by trying.

Numbers only, without torch: the server reads them, too. Knows nothing of how training works.
"""

from workbook.epochs import default_epochs

# Learning rates at learning_rate_multiplier 1. DPO goes on from what a model can do already, and
# its loss pushes away from the worse answers without a floor: it needs smaller steps. Measured on a
# dozen pairs: 2e-4 leaves the answers as they were for 6 epochs, 5e-4 turns them in 4, and at 1e-3
# unrelated questions suffer.
LEARNING_RATES = {"supervised": 1e-3, "dpo": 5e-4}
BETA = 0.1  # of DPO, for "auto"
WARMUP_STEPS = 5  # of linear warm-up; then linear decay to zero
MAX_GRADIENT_NORM = 1.0  # gradients are clipped to it
TOP_LAYERS = 16  # layers with an adapter; those below stay frozen, and are run once
KEPT_CHECKPOINTS = 3  # as OpenAI: those of the last three epochs
SAVE_SECONDS = 10.0  # how much work a crash may cost
VALIDATIONS = 10  # how often a batch of validation examples is measured during a job


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
