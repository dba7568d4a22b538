"""The next token: what biases and penalties do to the model's logits."""

import pytest
import torch

from workbook.lab.generation import parameters
from workbook.lab.serving.sampler import Sampler
from workbook.lab.serving.types import SamplingParams


def likeliest(logits: list[float], written: list[int], **params) -> int:
    sampler = Sampler(SamplingParams(temperature=0, **params))
    return sampler.sample(torch.tensor(logits), written)


@pytest.mark.parametrize(
    ("params", "written", "expected"),
    [
        ({}, [2, 2, 2], 2),
        ({"logit_bias": {0: 2.1}}, [], 0),
        ({"logit_bias": {0: 1.9}}, [], 2),
        ({"logit_bias": {2: -100, 1: -100}}, [], 0),
        ({"presence_penalty": 1.1}, [2], 1),
        ({"presence_penalty": 0.9}, [2, 2, 2], 2),  # however often
        ({"presence_penalty": 1.1}, [0, 1], 2),
        ({"frequency_penalty": 0.6}, [2], 2),
        ({"frequency_penalty": 0.6}, [2, 2], 1),
        ({"frequency_penalty": -1.1}, [1], 1),  # draws it in
        ({"frequency_penalty": 0.6, "presence_penalty": 0.5}, [2], 1),
    ],
)
def test_biases_and_penalties_shift_the_logits(params, written, expected):
    assert likeliest([1.0, 2.0, 3.0], written, **params) == expected


def test_settings_keep_their_names():
    body = {"frequency_penalty": 1, "presence_penalty": -2, "logit_bias": {"3": -5}, "top_p": None}
    values = parameters.settings(body, 0, vocabulary=4)
    assert SamplingParams(**{k: v for k, v in values.items() if k != "stop"}) == SamplingParams(
        frequency_penalty=1, presence_penalty=-2, logit_bias={3: -5}
    )
