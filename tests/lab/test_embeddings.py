"""Embeddings from a real lab, with the unmodified client."""

import numpy as np
import openai
import pytest
from labserver import MODEL, Server

WIDTH = 576  # of the lab's model


@pytest.fixture(scope="module")
def client(lab: Server) -> openai.OpenAI:
    return lab.client()


def test_vectors_have_length_one_and_come_in_both_forms(client: openai.OpenAI, lab: Server) -> None:
    texts = ["The cat sat on the mat.", "A cat is sitting on a rug.", "Interest rates rose again."]
    answer = client.embeddings.create(model=MODEL, input=texts)  # the client asks for base64
    # Told to check types, the client stumbles over its own base64.
    strict = lab.client(_strict_response_validation=True)
    floats = strict.embeddings.create(model=MODEL, input=texts, encoding_format="float")
    vectors = np.array([each.embedding for each in answer.data])
    assert vectors.shape == (3, WIDTH) and [each.index for each in answer.data] == [0, 1, 2]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert np.allclose(vectors, [each.embedding for each in floats.data], atol=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    counted = lab.client().completions.create(model=MODEL, prompt=texts[0], max_tokens=1).usage
    alone = client.embeddings.create(model=MODEL, input=texts[0])
    assert alone.usage.total_tokens == alone.usage.prompt_tokens == counted.prompt_tokens
    # Who else is in the request must not matter, but for rounding.
    assert np.allclose(alone.data[0].embedding, vectors[0], atol=0.02)


def test_fewer_dimensions_are_the_first_ones_made_long_again(client: openai.OpenAI) -> None:
    whole = np.array(client.embeddings.create(model=MODEL, input="A sea.").data[0].embedding)
    short = client.embeddings.create(model=MODEL, input="A sea.", dimensions=8).data[0].embedding
    assert np.allclose(short, whole[:8] / np.linalg.norm(whole[:8]), atol=0.02)


def test_tokens_are_taken_as_texts_are(client: openai.OpenAI, lab: Server) -> None:
    example = {"prompt": "A long text. " * 200, "completion": "x"}
    tokens = lab.call("POST", "/lab/loss_mask", example)[1]["tokens"]
    ids = [token["id"] for token in tokens if not token["trained"]]
    text = client.embeddings.create(model=MODEL, input=[example["prompt"], "A sea."])
    same = client.embeddings.create(model=MODEL, input=[ids, ids[:3]])
    assert np.dot(text.data[0].embedding, same.data[0].embedding) > 0.999
    assert len(client.embeddings.create(model=MODEL, input=ids[:3]).data) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "text-embedding-3-small"}, (404, "model_not_found", "model")),
        ({"input": ""}, (400, "invalid_value", "input")),
        ({"input": []}, (400, "empty_array", "input")),
        ({"input": ["a", ""]}, (400, "invalid_value", "input[1]")),
        ({"input": None}, (400, "invalid_type", "input")),
        ({"input": [99_999_999]}, (400, "invalid_value", "input")),
        ({"input": "long " * 9000}, (400, "context_length_exceeded", "input")),
        ({"dimensions": WIDTH + 1}, (400, None, "dimensions")),
        ({"dimensions": 0}, (400, "integer_below_min_value", "dimensions")),
        ({"encoding_format": "int8"}, (400, "invalid_value", "encoding_format")),
        ({"top_k": 1}, (400, "unknown_parameter", "top_k")),
    ],
)
def test_what_is_refused(lab: Server, change: dict, expected: tuple) -> None:
    body = {"model": MODEL, "input": "A sea.", "user": None, "dimensions": None}
    assert lab.refused("POST", "/embeddings", body | change) == expected
