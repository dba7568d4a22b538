"""What a job makes smaller: the supervised loss, and that of direct preference optimization (DPO).

Both are means over a batch: of a token's loss, or of a pair's. Know nothing of optimizers, files
or the shape of batches in memory, which is the learner's.
"""

from collections import defaultdict
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from workbook.lab.training.forward import Learner

Metrics = dict[str, float]


class Supervised:
    """The mean negative log-likelihood of the tokens to learn. An entry is one example.

    Metrics: `loss`, and `accuracy`, the share of tokens that were the likeliest.
    """

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self.lengths = [learner.length(i) for i in range(len(learner))]  # tokens of each entry

    def learn(self, batch: list[int]) -> Metrics:
        """Add the gradient of the batch's loss to the adapter's, unless gradients are off."""
        tally, tokens = _Tally(), sum(self._learner.labels(i) for i in batch)
        for part in self._learner.portions([i] for i in batch):
            logprobs, right = self._learner.logprobs(part)
            if torch.is_grad_enabled():
                (-logprobs.sum() / tokens).backward()
            tally.add("loss", -logprobs)
            tally.add("accuracy", right)
        return tally.means()


class Preferences:
    """DPO's loss (Rafailov et al. 2023, equation 7). An entry is two examples: w, preferred to l.

    With the model p and the reference r, which is the model that the job starts from:
    reward(y) = beta * (log p(y) - log r(y)), loss = -log sigmoid(reward(w) - reward(l)).

    Metrics: `loss`; `accuracy`, the share of the preferred answers' tokens that were the likeliest;
    `reward_margin`, the mean of reward(w) - reward(l); `reward_accuracy`, how often it is positive.
    """

    def __init__(self, learner: Learner, beta: float, reference: Tensor | None = None) -> None:
        """reference: log r of each pair's answers (pairs, 2), if it is known already."""
        self._learner, self._beta = learner, beta
        length = learner.length
        self.lengths = [length(i) + length(i + 1) for i in range(0, len(learner), 2)]
        self.reference = self._measured() if reference is None else reference

    def learn(self, batch: list[int]) -> Metrics:
        """Add the gradient of the batch's loss to the adapter's, unless gradients are off."""
        tally = _Tally()
        for part in self._portions(batch):
            answers, right = self._answers(part)
            pairs = [example // 2 for example in part[::2]]
            reward = self._beta * (answers - self.reference[pairs].to(answers.device))
            margin = reward[:, 0] - reward[:, 1]
            losses = -F.logsigmoid(margin)
            if torch.is_grad_enabled():
                (losses.sum() / len(batch)).backward()
            tally.add("loss", losses)
            tally.add("accuracy", right)
            tally.add("reward_margin", margin)
            tally.add("reward_accuracy", margin > 0)
        return tally.means()

    def _portions(self, batch: list[int]) -> Iterator[list[int]]:
        return self._learner.portions([2 * pair, 2 * pair + 1] for pair in batch)

    def _answers(self, part: list[int]) -> tuple[Tensor, Tensor]:
        """log p of each pair's two answers (pairs, 2); which preferred tokens were the likeliest."""
        logprobs, right = self._learner.logprobs(part)
        lengths = [self._learner.labels(i) for i in part]
        sums = torch.stack([answer.sum() for answer in logprobs.split(lengths)])
        return sums.view(-1, 2), torch.cat(right.split(lengths)[::2])

    def _measured(self) -> Tensor:
        """log p of all answers (pairs, 2) as the model is now: before it learns, the reference."""
        reference = torch.empty(len(self.lengths), 2)
        with torch.no_grad():
            for part in self._portions(by_length(self.lengths)):
                reference[[example // 2 for example in part[::2]]] = self._answers(part)[0].cpu()
        return reference


def by_length(lengths: list[int]) -> list[int]:
    """Entries, the shortest first: neighbours need little padding."""
    return sorted(range(len(lengths)), key=lengths.__getitem__)


class _Tally:
    """Means over portions, from sums."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, name: str, values: Tensor) -> None:
        self._sums[name] += float(values.detach().sum())
        self._counts[name] += values.numel()

    def means(self) -> Metrics:
        return {name: total / self._counts[name] for name, total in self._sums.items()}
