"""The lab's model beside transformers', and its weights laid out for the processor."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from logits import logits

from workbook.lab.model import checkpoint, weights
from workbook.lab.model.linear import PackedLinear
from workbook.lab.model.tokenizer import Tokenizer


@pytest.mark.full
def test_logits_agree_with_transformers(package):
    transformers, folder = package("transformers"), weights.ensure()
    question = [{"role": "user", "content": "Tell me about the sea, in 3 sentences."}]
    ids = Tokenizer(folder).chat_prompt(question)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor([ids])).logits[0]
    ours = logits(checkpoint.load(folder, torch.float32), ids)
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-4)


def test_packed_weights_give_the_same_numbers():
    if not PackedLinear.works(torch.float32):
        pytest.skip("this build of torch has no packed weights")
    x, weight = torch.randn(5, 64), torch.randn(48, 64)
    y = PackedLinear(weight)(x)
    torch.testing.assert_close(y, F.linear(x, weight), atol=1e-3, rtol=1e-3)
