"""Embeddings: OpenAI's request, checked, and its answer from the engine's vectors.

Knows nothing of sockets or models.
"""

import base64
from typing import Any, NamedTuple

import numpy as np

from workbook.lab import schema
from workbook.lab.errors import ApiError
from workbook.lab.model.tokenizer import Tokenizer

MAX_TOKENS = 300_000  # of all inputs of a request, as OpenAI


class EmbeddingPlan(NamedTuple):
    """A checked request.

    texts: token ids.
    dimensions: how many of a vector's numbers to send.
    """

    model: str
    texts: list[list[int]]
    dimensions: int
    as_base64: bool

    def answer(self, vectors: list[np.ndarray]) -> dict[str, Any]:
        """A `list` of `embedding` objects."""
        count = sum(map(len, self.texts))
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": self._sent(vector)}
                for index, vector in enumerate(vectors)
            ],
            "model": self.model,
            "usage": {"prompt_tokens": count, "total_tokens": count},
        }

    def _sent(self, vector: np.ndarray) -> str | list[float]:
        part = vector[: self.dimensions]
        part = (part / max(np.linalg.norm(part), 1e-12)).astype("<f4")
        if self.as_base64:
            return base64.b64encode(part.tobytes()).decode()
        numbers: list[float] = part.tolist()
        return numbers


def prepare(body: Any, tokenizer: Tokenizer, context: int, width: int) -> EmbeddingPlan:
    """Check a request of OpenAI's CreateEmbeddingRequest.

    context: tokens that the model can read.
    width: numbers of a vector.
    Raises ApiError (400).
    """
    body = schema.check("CreateEmbeddingRequest", body)
    dimensions = body.get("dimensions", width)
    if dimensions > width:
        message = (
            f"Invalid value for 'dimensions' = {dimensions}. Must be less than or equal to {width}."
        )
        raise ApiError(400, message, None, "dimensions")
    texts = _texts(body["input"], tokenizer)
    for text in texts:
        if len(text) > context:
            message = (
                f"This model's maximum context length is {context} tokens, however you requested "
                f"{len(text)} tokens. Please reduce your prompt."
            )
            raise ApiError(400, message, "context_length_exceeded", "input")
    if (total := sum(map(len, texts))) > MAX_TOKENS:
        message = (
            f"Requested {total} tokens, max {MAX_TOKENS} tokens per request. Send several requests."
        )
        raise ApiError(400, message, "max_tokens_per_request", "input")
    as_base64 = body.get("encoding_format") == "base64"
    return EmbeddingPlan(body["model"], texts, dimensions, as_base64)


def _texts(given: Any, tokenizer: Tokenizer) -> list[list[int]]:
    inputs = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    texts = []
    for i, each in enumerate(inputs):
        param = "input" if inputs is not given else f"input[{i}]"
        if isinstance(each, str):
            if not each:
                message = f"Invalid '{param}': input cannot be an empty string."
                raise ApiError(400, message, "invalid_value", param)
            each = tokenizer.text_prompt(each)
        elif strange := [token for token in each if not 0 <= token < tokenizer.size]:
            message = (
                f"Invalid '{param}': {strange[0]} is not a token of this model, whose tokens are "
                f"the numbers from 0 to {tokenizer.size - 1} and not those of tiktoken. Send texts "
                "(LangChain does with `check_embedding_ctx_length=False`)."
            )
            raise ApiError(400, message, "invalid_value", param)
        texts.append(each)
    return texts
