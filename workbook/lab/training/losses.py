"""What a job makes smaller: the supervised loss, and that of direct preference optimization (DPO).

Both are means over a batch: of a token's loss, or of a pair's. Know nothing of optimizers, files
or the shape of batches in memory, which is `forward`'s.

Shapes: L learned tokens of a micro-batch, M pairs of it.
"""

from collections import defaultdict
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from workbook.lab.training.data import by_length
from workbook.lab.training.forward import ForwardPass

Metrics = dict[str, float]


class SupervisedLoss:
    """The mean negative log-likelihood of the tokens to learn. An entry is one example.

    Metrics: `loss`, and `accuracy`, the share of tokens that were the likeliest.
    """

    def __init__(self, forward: ForwardPass) -> None:
        self._forward = forward
        self.lengths = [forward.length(i) for i in range(len(forward))]  # tokens of each entry

    def forward_backward(self, batch: list[int]) -> Metrics:
        """Add the gradient of the batch's loss to the adapter's, unless gradients are off."""
        tally, n_tokens = _Tally(), sum(self._forward.n_labels(i) for i in batch)
        for part in self._forward.micro_batches([i] for i in batch):
            logprobs, correct = self._forward.logprobs(part)  # (L,) each
            if torch.is_grad_enabled():
                # Divided by the whole batch's tokens: the micro-batches' gradients add up.
                (-logprobs.sum() / n_tokens).backward()
            tally.add("loss", -logprobs)
            tally.add("accuracy", correct)
        return tally.means()


class DPOLoss:
    """DPO's loss (Rafailov et al. 2023, equation 7). An entry is two examples: w, preferred to l.

    With the model p and the reference r, which is the model that the job starts from:
    reward(y) = beta * (log p(y) - log r(y)), loss = -log sigmoid(reward(w) - reward(l)).

    Metrics: `loss`; `accuracy`, the share of the preferred answers' tokens that were the likeliest;
    `reward_margin`, the mean of reward(w) - reward(l); `reward_accuracy`, how often it is positive.
    """

    def __init__(self, forward: ForwardPass, beta: float, reference: Tensor | None = None) -> None:
        """
        forward: with the examples w and l of each pair, in turn.
        beta: the larger, the closer the model stays to the reference.
        reference: log r of each pair's answers (pairs, 2), if it is known already.
        """
        self._forward, self._beta = forward, beta
        length = forward.length
        self.lengths = [length(i) + length(i + 1) for i in range(0, len(forward), 2)]
        self.reference = self._measure() if reference is None else reference

    def forward_backward(self, batch: list[int]) -> Metrics:
        """Add the gradient of the batch's loss to the adapter's, unless gradients are off."""
        tally = _Tally()
        for part in self._micro_batches(batch):
            logprobs, correct = self._answer_logprobs(part)  # (M, 2)
            pairs = [example // 2 for example in part[::2]]
            reward = self._beta * (logprobs - self.reference[pairs].to(logprobs.device))  # (M, 2)
            margin = reward[:, 0] - reward[:, 1]  # (M,)
            losses = -F.logsigmoid(margin)
            if torch.is_grad_enabled():
                (losses.sum() / len(batch)).backward()
            tally.add("loss", losses)
            tally.add("accuracy", correct)
            tally.add("reward_margin", margin)
            tally.add("reward_accuracy", margin > 0)
        return tally.means()

    def _micro_batches(self, batch: list[int]) -> Iterator[list[int]]:
        return self._forward.micro_batches([2 * pair, 2 * pair + 1] for pair in batch)

    def _answer_logprobs(self, part: list[int]) -> tuple[Tensor, Tensor]:
        """log p of each pair's two answers (M, 2), and which of the preferred ones' tokens were
        the likeliest."""
        logprobs, correct = self._forward.logprobs(part)  # (L,) each
        lengths = [self._forward.n_labels(i) for i in part]
        sums = torch.stack([answer.sum() for answer in logprobs.split(lengths)])  # (2 M,)
        return sums.view(-1, 2), torch.cat(correct.split(lengths)[::2])

    def _measure(self) -> Tensor:
        """log p of all answers (pairs, 2) as the model is now: before it learns, the reference."""
        reference = torch.empty(len(self.lengths), 2)
        with torch.no_grad():
            for part in self._micro_batches(by_length(self.lengths)):
                pairs = [example // 2 for example in part[::2]]
                reference[pairs] = self._answer_logprobs(part)[0].cpu()
        return reference


class _Tally:
    """Means over micro-batches, from sums."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, name: str, values: Tensor) -> None:
        self._sums[name] += float(values.detach().sum())
        self._counts[name] += values.numel()

    def means(self) -> Metrics:
        return {name: total / self._counts[name] for name, total in self._sums.items()}
