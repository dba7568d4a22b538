"""AdamW (Loshchilov & Hutter 2019) without weight decay, over all of an adapter in one call.

The arithmetic is torch's own, and so is the form of the state. Its class is left out since it
imports torch's compiler, which is not used here: 1.1 to 1.6 seconds at each start, and 75 MB.
Knows tensors and their gradients; nothing of losses or files.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

BETAS = (0.9, 0.999)  # how slowly the means of the gradient and of its square forget
EPSILON = 1e-8


class AdamW:
    """Changes parameters by their gradients."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(each) for each in self._parameters]  # of gradients
        self._squares = [torch.zeros_like(each) for each in self._parameters]  # of their squares
        self._steps = [torch.zeros((), device=each.device) for each in self._parameters]

    def zero_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def clip_gradients(self, largest: float) -> float:
        """Make the gradients smaller, all by the same factor, if their norm is above `largest`.

        Gives the norm that they had.
        """
        gradients = self._gradients()
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, (largest / (norm + 1e-6)).clamp(max=1.0))
        return float(norm)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step, at a learning rate."""
        torch._foreach_add_(self._steps, 1)
        torch._fused_adamw_(
            self._parameters,
            self._gradients(),
            self._means,
            self._squares,
            [],
            self._steps,
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        states = zip(self._steps, self._means, self._squares, strict=True)
        names = ("step", "exp_avg", "exp_avg_sq")
        return {"state": {i: dict(zip(names, each, strict=True)) for i, each in enumerate(states)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, also of torch.optim.AdamW, which an older lab has written."""
        for i, each in state["state"].items():
            self._steps[i].copy_(each["step"])
            self._means[i].copy_(each["exp_avg"])
            self._squares[i].copy_(each["exp_avg_sq"])

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self._parameters if p.grad is not None]
