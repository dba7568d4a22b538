"""The trainer's AdamW beside torch's: the same steps, and states that either can go on from."""

import subprocess
import sys

import torch

from workbook import paths
from workbook.lab.training.optimizer import AdamW


def gradients(step: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(step)
    return [torch.randn(shape, generator=random) * 3**step for shape in ((4, 6), (5, 4))]


def test_it_steps_as_torchs_does_and_goes_on_from_its_state() -> None:
    ours, theirs = ([torch.ones(4, 6), torch.ones(5, 4)] for _ in range(2))
    for parameter in ours + theirs:
        parameter.requires_grad_()
    reference = torch.optim.AdamW(theirs, lr=1.0, weight_decay=0.0, fused=True)
    optimizer = AdamW(ours)
    for step in range(6):
        if step == 3:  # as after a crash, with a state that an older lab has saved
            optimizer = AdamW(ours)
            optimizer.load_state_dict(reference.state_dict())
        rate = 0.1 / (step + 1)
        for parameters in (ours, theirs):
            for parameter, gradient in zip(parameters, gradients(step), strict=True):
                parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        reference.param_groups[0]["lr"] = rate
        reference.step()
        optimizer.clip_gradients(1.0)
        optimizer.step(rate)
        for own, other in zip(ours, theirs, strict=True):
            assert torch.equal(own, other)
    state = optimizer.state_dict()["state"][1]
    assert torch.equal(state["exp_avg"], reference.state_dict()["state"][1]["exp_avg"])


def test_a_training_does_without_torchs_compiler() -> None:
    program = (
        "import sys, torch, workbook.lab.training.job, workbook.lab.training.optimizer as job\n"
        "p = torch.ones(3, requires_grad=True); p.grad = torch.ones(3)\n"
        "o = job.AdamW([p]); o.clip_gradients(1.0); o.step(0.1); o.state_dict()\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=paths.ROOT).returncode == 0
